"""An S3 server in memory that keeps every key as it is, and that can be told to behave worse.

For what no server at hand holds (``a//b``, ``..``, lone bytes), and for the ways in which servers differ. Reads and
writes of boto3 and of ours are the same to it. No signature is checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from awscrt import checksums
from exact_parts import Parts, Reply, Sparse, dechunked, error, md5, refused, xml

from migrator.stores import Location, open_store
from migrator.stores.s3 import S3Store

KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language")
WRITES = ("PUT", "POST", "DELETE")
CHECKSUM = "x-amz-checksum-"


__all__ = ["ExactS3", "Reply", "at", "refused"]

Meddle = Callable[[str, str, dict[str, str], Reply], Reply | None]


@dataclass
class Stored:
    body: bytes
    headers: dict[str, str]
    tags: str = ""
    storage_class: str = "STANDARD"
    archived: bool = False
    restored: bool = False
    salt: bytes = b""
    told: str = ""  # the ETag, if it is not the MD5
    checksum: str = ""  # its CRC64NVME in base64
    part: int = 0  # bytes of the first part, if it was written in parts

    @property
    def etag(self) -> str:
        return f'"{self.told or md5(self.salt + self.body)}"'


@dataclass
class ExactS3:
    """Attributes
    ----------
    conditions : str
        ``enforced``, ``ignored`` or ``refused``: what becomes of If-None-Match and If-Match on a write.
    tags : str
        ``kept``, ``ignored`` or ``refused``.
    opaque : bool
        Whether ETags tell nothing of the bytes, as under SSE-KMS.
    checks : tuple
        The checksums that writes are compared by, and refused; the first is kept and told, as AWS does.
    sums : str
        Of objects in parts: ``whole``, ``of parts`` (with ``-N``, told as if it were all), or ``unchecked``: whatever
        was sent.
    keeps_all : bool
        Whether nothing may be deleted.
    drops : tuple
        Headers that it takes and forgets.
    asked : list
        Method, key or query, and headers of each request.
    before, meddle : callable
        Given method, key, headers and (``meddle``) the reply: another reply, or None. ``before``: nothing was done yet.
    """

    conditions: str = "enforced"
    tags: str = "kept"
    drops: tuple[str, ...] = ()
    versioning: str = ""
    keeps_all: bool = False
    opaque: bool = False
    checks: tuple[str, ...] = ("crc64nvme", "sha256")
    sums: str = "whole"
    page: int = 1000
    skew_s: int = 0
    tells_parts: bool = True  # in what parts an object was written
    salt_of_copies: bytes = b""  # what copied parts get other ETags by
    objects: dict[str, Stored] = field(default_factory=dict)  # by bucket/key
    heeds_on_copy: bool = True  # conditions, where the server itself copies
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    before: Callable[[str, str, dict[str, str]], Reply | None] = lambda *_: None
    meddle: Meddle = lambda *_: None

    def __enter__(self) -> ExactS3:
        exact = self
        self.parts = Parts(self)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body in one segment: two would wait for each other

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                if headers.get("x-amz-content-sha256", "").startswith("STREAMING"):
                    body = dechunked(body)
                key = unquote(self.path.partition("?")[0][1:], errors="surrogateescape").partition("/")[2]
                reply = exact.before(self.command, key, headers)
                if reply is None:
                    reply = Reply(*exact._answer(self.command, self.path, headers, body))
                    reply = exact.meddle(self.command, key, headers, reply) or reply
                self._send(reply)

            def _send(self, reply: Reply) -> None:
                self.send_response_only(reply.status)
                self.send_header("Date", formatdate(exact.now(), usegmt=True))
                length = len(reply.body) if reply.length is None else reply.length
                for name, value in {"Content-Length": str(length), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body[: reply.cut] + reply.extra)
                if reply.cut is not None:
                    self._hang_up(reply.reset)

            def _hang_up(self, reset: bool) -> None:
                self.wfile.flush()
                if reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True

            def handle_expect_100(self) -> bool:
                told = super().handle_expect_100()
                self.wfile.flush()  # boto3 waits for it, a second at most
                return told

            def handle(self) -> None:
                with contextlib.suppress(OSError):  # a client that hung up
                    super().handle()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_any  # noqa: N815

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name
                pass

        self._lock = threading.Lock()

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # more knock at once than the usual five

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def now(self) -> float:
        import time

        return time.time() + self.skew_s

    def env(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def client(self) -> Any:
        """Another opinion than ours."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id="key", aws_secret_access_key="secret",
            region_name="us-east-1", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )  # fmt: skip

    def written(self) -> list[tuple[str, str]]:
        """What was asked that changes something."""
        return [(method, what) for method, what, _ in self.asked if method in WRITES]

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, dict, bytes]:
        path, _, query_text = target.partition("?")
        query = dict(parse_qsl(query_text, keep_blank_values=True, errors="surrogateescape"))
        name = unquote(path[1:], errors="surrogateescape")
        bucket, _, key = name.partition("/")
        with self._lock:
            self.asked.append((method, key or query_text, headers))
            if key and ("uploadId" in query or "uploads" in query):
                return self.parts.answer(method, name, query, headers, body)
            if not key:
                return self._bucket(method, bucket, query)
            return getattr(self, f"_{method.lower()}")(name, query, headers, body)

    def _bucket(self, method: str, bucket: str, query: dict[str, str]) -> tuple[int, dict, bytes]:
        if "versioning" in query:
            inner = f"<Status>{self.versioning}</Status>" if self.versioning else ""
            return xml(f"<VersioningConfiguration>{inner}</VersioningConfiguration>")
        if method != "GET":
            return 200, {}, b""
        if "uploads" in query:
            return self.parts.listed(bucket)
        after = query.get("continuation-token") or query.get("start-after") or ""
        start = f"{bucket}/{query.get('prefix', '')}"
        names = sorted((n for n in self.objects if n.startswith(start)), key=_raw)
        names = [name for name in names if _raw(name) > _raw(f"{bucket}/{after}")] if after else names
        shown, more = names[: self.page], len(names) > self.page
        rows = "".join(self._row(name, name.partition("/")[2]) for name in shown)
        token = quote(shown[-1].partition("/")[2], errors="surrogateescape") if more else ""
        # The token is opaque to a client; quoted twice it survives any key.
        last = f"<NextContinuationToken>{escape(unquote(token))}</NextContinuationToken>" if more else ""
        return xml(
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{last}{rows}"
            "</ListBucketResult>"
        )

    def _row(self, name: str, key: str) -> str:
        one = self.objects[name]
        restored = "<RestoreStatus><RestoreExpiryDate>2030-01-01T00:00:00Z</RestoreExpiryDate></RestoreStatus>"
        return (
            f"<Contents><Key>{quote(key, errors='surrogateescape')}</Key><Size>{len(one.body)}</Size>"
            f"<ETag>{escape(one.etag)}</ETag><LastModified>2026-01-02T03:04:05.678Z</LastModified>"
            f"<StorageClass>{one.storage_class}</StorageClass>{restored if one.restored else ''}</Contents>"
        )

    def kept(self, headers: dict[str, str]) -> dict[str, str]:
        """What of a request's headers stays with the object."""
        return {h: v for h, v in headers.items() if (h in KEPT or h.startswith("x-amz-meta-")) and h not in self.drops}

    def keep(self, name: str, body: Any, headers: dict[str, str], tags: str, etag: str, part: int, told: str) -> None:
        """What an upload in parts has become."""
        self.objects[name] = Stored(body, headers, tags, told=etag, part=part, checksum=told)

    def _put(self, name: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> tuple[int, dict, bytes]:
        conditions = [headers.get(one) for one in ("if-none-match", "if-match")]
        if self.conditions == "refused" and any(conditions):
            return error(501, "NotImplemented")
        heeds = self.heeds_on_copy or "x-amz-copy-source" not in headers
        if self.conditions == "enforced" and heeds and not self.allowed(name, *conditions):
            return error(412, "PreconditionFailed")
        if self.tags == "refused" and "x-amz-tagging" in headers:
            return error(501, "NotImplemented")
        if source := headers.get("x-amz-copy-source"):
            origin = self.objects.get(unquote(source, errors="surrogateescape").lstrip("/"))
            if origin is None:
                return error(404, "NoSuchKey")
            if headers.get("x-amz-copy-source-if-match", origin.etag) != origin.etag:
                return error(412, "PreconditionFailed")
            told = self.checksum(origin.body)
            self.objects[name] = made = Stored(
                origin.body, origin.headers, origin.tags, told=origin.told, checksum=told
            )
            made.salt = b"copy" if self.opaque else b""
            return xml(f"<CopyObjectResult><ETag>{escape(made.etag)}</ETag></CopyObjectResult>")
        if not self.compare(headers, body):
            return error(400, "BadDigest")
        kept = self.kept(headers)
        tags = headers.get("x-amz-tagging", "") if self.tags == "kept" else ""
        self.objects[name] = Stored(body, kept, tags, headers.get("x-amz-storage-class", "STANDARD"))
        self.objects[name].salt = b"key" if self.opaque else b""
        self.objects[name].checksum = self.checksum(body)
        return 200, {"ETag": self.objects[name].etag}, b""

    def compare(self, headers: dict[str, str], body: bytes) -> bool:
        """Whether a body is what the checksums that came with it say, as far as any is looked at."""
        sent = {name: headers[CHECKSUM + name] for name in self.checks if CHECKSUM + name in headers}
        return all(checksum(name, body) == told for name, told in sent.items())

    def checksum(self, body: Any) -> str:
        """The one that is kept; none of what is only said to be so large."""
        return checksum("crc64nvme", body) if "crc64nvme" in self.checks and isinstance(body, bytes) else ""

    def checksum_of_parts(self, headers: dict[str, str], body: Any, parts: int) -> str:
        told = self.checksum(body)
        if self.sums == "unchecked":
            return headers.get(CHECKSUM + "crc64nvme", told)
        return f"{told}-{parts}" if told and self.sums == "of parts" else told

    def salt_of(self, body: bytes) -> bytes:
        """What an ETag is the MD5 of."""
        return b"key" + body if self.opaque else body

    def allowed(self, name: str, absent: str | None, match: str | None) -> bool:
        standing = self.objects.get(name)
        if absent == "*" and standing:
            return False
        return match is None or (standing is not None and standing.etag == match)

    def _get(self, name: str, query: dict[str, str], headers: dict[str, str], _body: bytes) -> tuple[int, dict, bytes]:
        one = self.objects.get(name)
        if one is None:
            return error(404, "NoSuchKey")
        if headers.get("if-match", one.etag) != one.etag:
            return error(412, "PreconditionFailed")
        if "tagging" in query:
            pairs = parse_qsl(one.tags, keep_blank_values=True)
            inner = "".join(f"<Tag><Key>{escape(k)}</Key><Value>{escape(v)}</Value></Tag>" for k, v in pairs)
            return xml(f"<Tagging><TagSet>{inner}</TagSet></Tagging>")
        if one.archived and not one.restored:
            return error(403, "InvalidObjectState")
        count = {"x-amz-tagging-count": str(one.tags.count("=") or "")} if one.tags else {}
        said = {"ETag": one.etag, "Last-Modified": formatdate(0, usegmt=True), **one.headers, **count}
        if one.checksum and "x-amz-checksum-mode" in headers and "range" not in headers:
            said[CHECKSUM + "crc64nvme"] = one.checksum
        if isinstance(one.body, Sparse):  # who wants to read it waits in vain
            return 200, {**said, "Content-Length": str(len(one.body))}, b""
        if "range" not in headers:
            return 200, said, one.body
        first, _, last = headers["range"].removeprefix("bytes=").partition("-")
        part = one.body[int(first) : int(last or len(one.body)) + 1]
        told = f"bytes {first}-{int(first) + len(part) - 1}/{len(one.body)}"
        return 206, {**said, "Content-Range": told}, part

    def _head(self, name: str, query: dict[str, str], *request: Any) -> tuple[int, dict, bytes]:
        status, headers, body = self._get(name, query, *request)
        if status == 200 and query.get("partNumber") == "1" and self.tells_parts and (part := self.objects[name].part):
            status, headers = 206, {**headers, "Content-Length": str(part)}
        return status, {"Content-Length": str(len(body)), **headers}, b""

    def _delete(self, name: str, *_: object) -> tuple[int, dict, bytes]:
        if self.keeps_all:
            return error(403, "AccessDenied")
        self.objects.pop(name, None)
        return 204, {}, b""


def at(server: ExactS3, url: str = "s3://b/p", **options: Any) -> S3Store:
    """Our store of a place there, asked anonymously."""
    store = open_store(Location.parse(url, endpoint=server.endpoint, anonymous=True, **options))
    assert isinstance(store, S3Store)
    return store


def checksum(name: str, body: bytes) -> str:
    """As a header has it, by libraries that are not ours."""
    if name == "sha256":
        return b64encode(hashlib.sha256(body).digest()).decode()
    return b64encode(checksums.crc64nvme(body).to_bytes(8, "big")).decode()


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
