"""A fast S3 server in memory, for measuring clients: ``python stub_s3.py PORT [latency_ms] [--no-checksums]``.

No signature is checked and nothing is kept. GET (ranges, If-Match), HEAD, PUT (If-None-Match, If-Match), server-side
copy, DELETE, ListObjectsV2, multipart. ETags are what S3 gives: the MD5, and for parts the MD5 of their MD5s. As AWS
does since December 2024 it compares a CRC64NVME that is sent with the bytes, and tells one of all bytes to who asks.
"""

from __future__ import annotations

import asyncio
import base64
import bisect
import gc
import hashlib
import itertools
import random
import sys
import time
from email.utils import formatdate
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

from awscrt import checksums

try:
    from uvloop import run  # which takes half the time
except ImportError:  # tests do without
    from asyncio import run

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language")
CHECKSUM = "x-amz-checksum-crc64nvme"
summing = "--no-checksums" not in sys.argv
latency = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0
uploads: dict[str, dict] = {}
sums: dict[str, str] = {}  # by ETag
numbers = itertools.count(1)


class Bucket:
    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str, float, tuple]] = {}
        self._keys: list[str] = []

    def keys(self) -> list[str]:
        if len(self._keys) != len(self.objects):
            self._keys = sorted(self.objects)
        return self._keys

    def fill(self, prefix: str, number: int, size: int) -> None:
        """Objects as a benchmark wants them, each with bytes of its own at the beginning."""
        block = random.Random(size).randbytes(min(size, 1 << 20))
        for index in range(number):
            body = (index.to_bytes(8, "big") + block[8:])[:size] + block * (size // len(block) - 1)
            self.objects[f"{prefix}d{index // 200:04d}/o{index:06d}.bin"] = (body, md5(body), time.time(), ())

    def clear(self, prefix: str) -> None:
        """Drop all whose keys begin so, and unfinished uploads."""
        self.objects = {key: found for key, found in self.objects.items() if not key.startswith(prefix)}
        self._keys = []  # by their number alone they may seem the same
        uploads.clear()


buckets: dict[str, Bucket] = {}


class Connection(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        self.transport, self.held, self.body, self.need = transport, b"", None, 0
        transport.set_write_buffer_limits(high=64 << 20)

    def data_received(self, data: bytes) -> None:
        if self.body is not None:
            take = self.need - len(self.body)
            self.body += data[:take]
            if len(self.body) < self.need:
                return
            body, self.body, data = bytes(self.body), None, data[take:]
            self.schedule(body)
        self.held += data
        while self.held and (end := self.held.find(b"\r\n\r\n")) >= 0:
            self.read_head(self.held[:end])
            rest, self.held = self.held[end + 4 :], b""
            if self.headers.get("expect"):
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.need = int(self.headers.get("content-length", 0))
            if len(rest) < self.need:
                self.body = bytearray(rest)
                return
            self.held = rest[self.need :]
            self.schedule(rest[: self.need])

    def read_head(self, head: bytes) -> None:
        first, *lines = head.decode("latin1").split("\r\n")
        self.method, self.url, _ = first.split(" ", 2)
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def schedule(self, body: bytes) -> None:
        request = self.method, self.url, self.headers, body
        if latency:
            asyncio.get_running_loop().call_later(latency, self.answer, *request)
        else:
            self.answer(*request)

    def send(self, code: int, headers=(), body: bytes = b"", length: int | None = None) -> None:
        size = len(body) if length is None else length
        head = (
            f"HTTP/1.1 {code} X\r\nContent-Length: {size}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers) + "\r\n"
        )
        self.transport.write(head.encode("latin1") + (body if size < 65536 else b""))
        if size >= 65536 and body:
            self.transport.write(body)

    def fail(self, method: str, code: int, word: str) -> None:
        text = f"{XML}<Error><Code>{word}</Code><Message>{word}</Message></Error>".encode()
        self.send(code, (("Content-Type", "application/xml"),), b"" if method == "HEAD" else text)

    def xml(self, text: str) -> None:
        self.send(200, (("Content-Type", "application/xml"),), (XML + text).encode())

    def answer(self, method: str, url: str, headers: dict, body: bytes) -> None:
        path, _, query_text = url.partition("?")
        query = {name: values[0] for name, values in parse_qs(query_text, keep_blank_values=True).items()}
        name, _, key = unquote(path[1:]).partition("/")
        if headers.get("x-amz-content-sha256", "").startswith("STREAMING"):
            body = dechunk(body)
        if not key:
            return self.on_bucket(method, name, query)
        if name not in buckets:
            return self.fail(method, 404, "NoSuchBucket")
        return getattr(self, "on_" + method.lower())(buckets[name], key, query, headers, body)

    def on_bucket(self, method: str, name: str, query: dict) -> None:
        if method == "PUT":
            bucket = buckets.setdefault(name, Bucket())
            if "fill" in query:
                bucket.fill(query["prefix"], int(query["fill"]), int(query["size"]))
            return self.send(200)
        if name not in buckets:
            return self.fail(method, 404, "NoSuchBucket")
        if method == "DELETE":
            buckets[name].clear(query["prefix"])
            return self.send(204)
        if "location" in query:
            return self.xml('<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>')
        return self.list(name, buckets[name], query) if method == "GET" else self.send(200)

    def on_put(self, bucket: Bucket, key: str, query: dict, headers: dict, body: bytes) -> None:
        if summing and CHECKSUM in headers and headers[CHECKSUM] != crc(body):
            return self.fail("PUT", 400, "BadDigest")
        if "uploadId" in query:
            etag = md5(body)
            uploads[query["uploadId"]]["parts"][int(query["partNumber"])] = (body, etag)
            return self.send(200, (("ETag", f'"{etag}"'),))
        if not allowed(bucket, key, headers):
            return self.fail("PUT", 412, "PreconditionFailed")
        if "x-amz-copy-source" in headers:
            return self.copy(bucket, key, headers)
        bucket.objects[key] = (body, md5(body), time.time(), kept(headers))
        return self.send(200, (("ETag", f'"{bucket.objects[key][1]}"'),))

    def copy(self, bucket: Bucket, key: str, headers: dict) -> None:
        name, _, source = unquote(headers["x-amz-copy-source"]).lstrip("/").partition("/")
        found = buckets[name].objects.get(source)
        if found is None:
            return self.fail("PUT", 404, "NoSuchKey")
        if headers.get("x-amz-copy-source-if-match", f'"{found[1]}"').strip('"') != found[1]:
            return self.fail("PUT", 412, "PreconditionFailed")
        replaced = headers.get("x-amz-metadata-directive") == "REPLACE"
        bucket.objects[key] = (found[0], found[1], time.time(), kept(headers) if replaced else found[3])
        return self.xml(f"<CopyObjectResult><ETag>&quot;{found[1]}&quot;</ETag></CopyObjectResult>")

    def on_get(self, bucket: Bucket, key: str, query: dict, headers: dict, _body: bytes, method: str = "GET") -> None:
        found = bucket.objects.get(key)
        if found is None:
            return self.fail(method, 404, "NoSuchKey")
        data, etag, at, attributes = found
        if headers.get("if-match", f'"{etag}"').strip('"') != etag:
            return self.fail(method, 412, "PreconditionFailed")
        said = [("ETag", f'"{etag}"'), ("Last-Modified", formatdate(at, usegmt=True)), *attributes]
        if summing and "x-amz-checksum-mode" in headers and "range" not in headers:
            said.append((CHECKSUM, sums.get(etag) or sums.setdefault(etag, crc(data))))
        if method == "HEAD":
            return self.send(200, said, b"", len(data))
        if not (wanted := headers.get("range")):
            return self.send(200, said, data)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(data)), len(data) - 1)
        return self.send(206, [*said, ("Content-Range", f"bytes {start}-{end}/{len(data)}")], data[start : end + 1])

    def on_head(self, *request) -> None:
        self.on_get(*request, method="HEAD")

    def on_post(self, bucket: Bucket, key: str, query: dict, headers: dict, _body: bytes) -> None:
        if "uploads" in query:
            number = f"u{next(numbers)}"
            uploads[number] = {"parts": {}, "kept": kept(headers)}
            text = f"<Key>{escape(key)}</Key><UploadId>{number}</UploadId>"
            return self.xml(f"<InitiateMultipartUploadResult>{text}</InitiateMultipartUploadResult>")
        if not allowed(bucket, key, headers):
            return self.fail("POST", 412, "PreconditionFailed")
        parts = [part for _, part in sorted(uploads[query["uploadId"]]["parts"].items())]
        whole = b"".join(part[0] for part in parts)
        if summing and CHECKSUM in headers and headers[CHECKSUM] != crc(whole):
            return self.fail("POST", 400, "BadDigest")
        upload = uploads.pop(query["uploadId"])
        etag = f"{md5(b''.join(bytes.fromhex(part[1]) for part in parts))}-{len(parts)}"
        bucket.objects[key] = (whole, etag, time.time(), upload["kept"])
        sums[etag] = headers.get(CHECKSUM) or crc(whole)
        text = f"<Key>{escape(key)}</Key><ETag>&quot;{etag}&quot;</ETag>"
        return self.xml(f"<CompleteMultipartUploadResult>{text}</CompleteMultipartUploadResult>")

    def on_delete(self, bucket: Bucket, key: str, query: dict, *_: object) -> None:
        uploads.pop(query.get("uploadId", ""), None) if "uploadId" in query else bucket.objects.pop(key, None)
        self.send(204)

    def list(self, name: str, bucket: Bucket, query: dict) -> None:
        prefix, most = query.get("prefix", ""), int(query.get("max-keys") or 1000)
        after = query.get("continuation-token") or query.get("start-after") or query.get("marker") or ""
        delimiter, shown = query.get("delimiter", ""), quote if query.get("encoding-type") == "url" else escape
        keys = bucket.keys()
        at = max(bisect.bisect_left(keys, prefix), bisect.bisect_right(keys, after) if after else 0)
        rows, folders, last, cut = [], [], "", False
        while at < len(keys) and keys[at].startswith(prefix):
            if len(rows) + len(folders) >= most:
                cut = True
                break
            last = keys[at]
            end = last.find(delimiter, len(prefix)) if delimiter else -1
            if end >= 0:
                last = last[: end + 1]
                folders.append(f"<CommonPrefixes><Prefix>{shown(last)}</Prefix></CommonPrefixes>")
                last += "\U0010ffff"
                at = bisect.bisect_right(keys, last, at)
                continue
            data, etag, moment, _ = bucket.objects[last]
            when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment))
            rows.append(
                f"<Contents><Key>{shown(last)}</Key><LastModified>{when}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
                f"<Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )
            at += 1
        more = f"<NextContinuationToken>{escape(last)}</NextContinuationToken><NextMarker>{shown(last)}</NextMarker>"
        self.xml(
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{name}</Name>'
            f"<Prefix>{shown(prefix)}</Prefix><MaxKeys>{most}</MaxKeys><EncodingType>url</EncodingType>"
            f"<IsTruncated>{'true' if cut else 'false'}</IsTruncated>{more if cut else ''}"
            f"{''.join(rows)}{''.join(folders)}</ListBucketResult>"
        )


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def crc(data: bytes) -> str:
    return base64.b64encode(checksums.crc64nvme(data).to_bytes(8, "big")).decode()


def kept(headers: dict) -> tuple:
    return tuple((name, value) for name, value in headers.items() if name in KEPT or name.startswith("x-amz-meta-"))


def allowed(bucket: Bucket, key: str, headers: dict) -> bool:
    found = bucket.objects.get(key)
    if headers.get("if-none-match") == "*" and found is not None:
        return False
    return "if-match" not in headers or (found is not None and headers["if-match"].strip('"') == found[1])


def dechunk(body: bytes) -> bytes:
    """The payload of ``aws-chunked`` encoding."""
    out, at = bytearray(), 0
    while size := int(body[at : (end := body.index(b"\r\n", at))].split(b";")[0], 16):
        out += body[end + 2 : end + 2 + size]
        at = end + 4 + size
    return bytes(out)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    gc.disable()
    run(main())
