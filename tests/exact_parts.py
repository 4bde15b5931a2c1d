"""Uploads in parts, for the server in memory; a part may be copied from an object that is there, however large."""

from __future__ import annotations

import hashlib
import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from exact_s3 import ExactS3

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Reply:
    """An answer on its way; who meddles with it makes it lie.

    ``length``: the Content-Length that is told, if not the body's. ``cut``: hang up after so many bytes of the body,
    and with ``reset`` rudely. ``extra``: bytes after the end.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    length: int | None = None
    cut: int | None = None
    reset: bool = False
    extra: bytes = b""


class Sparse:
    """The body of an object that is only said to be so large: of it nothing but pieces' names are kept."""

    def __init__(self, size: int, pieces: tuple[tuple[int, int], ...] = ()) -> None:
        self.size, self.pieces = size, pieces

    def __len__(self) -> int:
        return self.size

    @staticmethod
    def digest(first: int, last: int) -> bytes:
        """What stands for the MD5 of a range of it."""
        return hashlib.md5(f"{first}-{last}".encode()).digest()

    def etag(self, part: int) -> str:
        """What a server gives for it in parts of that size."""
        starts = range(0, self.size, part)
        digests = [self.digest(start, min(start + part, self.size) - 1) for start in starts]
        return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"


@dataclass
class Upload:
    name: str
    headers: dict[str, str]
    tags: str
    summed: bool = False
    parts: dict[int, tuple[Any, bytes]] = field(default_factory=dict)  # what, and its MD5
    at: float = field(default_factory=time.time)


class Parts:
    """The uploads that are open."""

    def __init__(self, server: ExactS3) -> None:
        self._server = server
        self.open: dict[str, Upload] = {}
        self._numbers = itertools.count(1)

    def answer(self, method: str, name: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
        if "uploads" in query:
            upload_id = f"u{next(self._numbers)}"
            summed = headers.get("x-amz-checksum-algorithm") == "CRC64NVME" and "crc64nvme" in self._server.checks
            self.open[upload_id] = Upload(name, self._server.kept(headers), headers.get("x-amz-tagging", ""), summed)
            text = f"<UploadId>{upload_id}</UploadId>"
            return xml(f"<InitiateMultipartUploadResult>{text}</InitiateMultipartUploadResult>")
        upload = self.open.get(query["uploadId"])
        if upload is None:
            return error(404, "NoSuchUpload")
        if method == "DELETE":
            del self.open[query["uploadId"]]
            return 204, {}, b""
        if method == "GET":
            return self._list(upload)
        if method == "PUT":
            return self._put(upload, int(query["partNumber"]), headers, body)
        return self._complete(query["uploadId"], headers, body)

    def listed(self, bucket: str) -> Answer:
        """All that are open in a bucket: it heeds no prefix."""
        rows = "".join(
            f"<Upload><Key>{escape(one.name.removeprefix(f'{bucket}/'))}</Key><UploadId>{upload_id}</UploadId>"
            f"<Initiated>{_written(one.at + self._server.skew_s)}</Initiated></Upload>"
            for upload_id, one in self.open.items()
            if one.name.startswith(f"{bucket}/")
        )
        return xml(f"<ListMultipartUploadsResult>{rows}</ListMultipartUploadsResult>")

    def _put(self, upload: Upload, number: int, headers: dict[str, str], body: bytes) -> Answer:
        source = headers.get("x-amz-copy-source")
        if source is None:
            if self._server.sums != "unchecked" and not self._server.compare(headers, body):
                return error(400, "BadDigest")
            digest = hashlib.md5(self._server.salt_of(body)).digest()
            upload.parts[number] = (body, digest)
            return 200, {"ETag": f'"{digest.hex()}"'}, b""
        origin = self._server.objects.get(unquote(source, errors="surrogateescape").lstrip("/"))
        if origin is None:
            return error(404, "NoSuchKey")
        if headers.get("x-amz-copy-source-if-match", origin.etag) != origin.etag:
            return error(412, "PreconditionFailed")
        first, last = map(int, headers["x-amz-copy-source-range"].removeprefix("bytes=").split("-"))
        if last - first >= 5 << 30 or last >= len(origin.body):
            return error(400, "InvalidRequest")
        if isinstance(origin.body, Sparse):
            what: Any = (first, last)
            digest = Sparse.digest(first, last)
        else:
            what = origin.body[first : last + 1]
            digest = hashlib.md5(what + self._server.salt_of_copies).digest()
        upload.parts[number] = (what, digest)
        return xml(f"<CopyPartResult><ETag>&quot;{digest.hex()}&quot;</ETag></CopyPartResult>")

    def _list(self, upload: Upload) -> Answer:
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{digest.hex()}&quot;</ETag><Size>{_size(what)}</Size>"
            f"{self._checksum(what, upload)}</Part>"
            for number, (what, digest) in sorted(upload.parts.items())
        )
        summed = "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>" if upload.summed else ""
        return xml(f"<ListPartsResult>{rows}{summed}<IsTruncated>false</IsTruncated></ListPartsResult>")

    def _checksum(self, what: Any, upload: Upload) -> str:
        return f"<ChecksumCRC64NVME>{self._server.checksum(what)}</ChecksumCRC64NVME>" if upload.summed else ""

    def _complete(self, upload_id: str, headers: dict[str, str], body: bytes) -> Answer:
        upload = self.open[upload_id]
        if not self._server.allowed(upload.name, headers.get("if-none-match"), headers.get("if-match")):
            return error(412, "PreconditionFailed")
        numbers = [int(part.findtext("PartNumber") or 0) for part in ElementTree.fromstring(body).iterfind("Part")]
        if numbers != sorted(upload.parts) or len(numbers) > 10_000:
            return error(400, "InvalidPart")
        if "x-amz-checksum-crc64nvme" in headers and not upload.summed:
            return error(400, "InvalidRequest")
        whole = b"".join(what for _, (what, _) in sorted(upload.parts.items()) if isinstance(what, bytes))
        if self._server.sums != "unchecked" and not self._server.compare(headers, whole):
            return error(400, "BadDigest")
        del self.open[upload_id]
        pieces = [upload.parts[number] for number in numbers]
        etag = f"{hashlib.md5(b''.join(digest for _, digest in pieces)).hexdigest()}-{len(pieces)}"
        ranges = [what for what, _ in pieces if isinstance(what, tuple)]
        sparse = Sparse(sum(last - first + 1 for first, last in ranges), tuple(ranges)) if ranges else None
        content: Any = sparse if sparse is not None else b"".join(what for what, _ in pieces)
        told = self._server.checksum_of_parts(headers, content, len(pieces))
        self._server.keep(upload.name, content, upload.headers, upload.tags, etag, _size(pieces[0][0]), told)
        text = f"<ETag>&quot;{escape(etag)}&quot;</ETag>"
        return xml(f"<CompleteMultipartUploadResult>{text}</CompleteMultipartUploadResult>")


def _size(what: Any) -> int:
    return what[1] - what[0] + 1 if isinstance(what, tuple) else len(what)


def dechunked(body: bytes) -> bytes:
    """The payload of ``aws-chunked`` encoding."""
    out, at = bytearray(), 0
    while size := int(body[at : (end := body.index(b"\r\n", at))].split(b";")[0], 16):
        out += body[end + 2 : end + 2 + size]
        at = end + 4 + size
    return bytes(out)


def xml(text: str) -> Answer:
    return 200, {"Content-Type": "application/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def error(status: int, code: str) -> Answer:
    return status, {}, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


def _written(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S.000Z}"


def refused(status: int, code: str, **headers: str) -> Reply:
    """A refusal, for who meddles."""
    return Reply(status, headers, error(status, code)[2])


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()
