"""HTTP/1.1 as it comes in: an answer's head, and its body by length, by chunks or to the end."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import NamedTuple

_LINE, _LINES = 1 << 16, 256
_BLANK = " \t\r"  # not all that Unicode calls so: a value may begin or end with it


class WireError(OSError):
    """The other side said something that is not HTTP, or stopped in the middle."""


class Head(NamedTuple):
    """Status, headers by lower-case name, and whether the connection can be used again."""

    status: int
    headers: Mapping[str, str]
    reusable: bool


class Incoming:
    """An answer whose body is still to come: read it, and close.

    Parameters
    ----------
    read : callable
        Gives as many bytes as it is asked for, fewer where the other side stopped.
    done : callable
        Told once whether the whole body was read.
    """

    __slots__ = ("_done", "_read", "headers", "left", "status")

    def __init__(
        self, status: int, headers: Mapping[str, str], read: Callable[[int], bytes], done: Callable[[bool], None]
    ) -> None:
        self.status, self.headers = status, headers
        self._read = read
        self._done: Callable[[bool], None] | None = done
        self.left = _length(headers)

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end. Raises OSError when they don't come."""
        size = min(size, self.left)
        data = self._read(size)
        if len(data) != size:
            raise WireError("the connection was cut")
        self.left -= size
        return data

    def close(self) -> None:
        done, self._done = self._done, None
        if done:
            done(not self.left)


class Answers:
    """What comes over one connection, in order."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self.read = self._stream.read

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()

    def head(self) -> Head:
        """The next head that is not only a word on the way."""
        while True:
            first, *lines = self._head().decode("utf-8", "replace").split("\n")
            version, status = _status(first)
            if not 100 <= status < 200:
                break
        if len(lines) > _LINES:
            raise WireError("too many headers")
        parts = [line.partition(":") for line in lines]
        headers = {name.strip(_BLANK).lower(): value.strip(_BLANK) for name, colon, value in parts if colon}
        close = headers.get("connection", "").lower()
        return Head(status, headers, close != "close" if version == "HTTP/1.1" else close == "keep-alive")

    def body(self, method: str, head: Head) -> tuple[bytes, bool]:
        """All of it, and whether the connection can be used again."""
        if method == "HEAD" or head.status in (204, 304):
            return b"", head.reusable
        if _is_chunked(head.headers):
            return self._chunked(), head.reusable
        if "content-length" not in head.headers:
            return self._stream.read(), False
        return self._exactly(_length(head.headers)), head.reusable

    def _head(self) -> bytes:
        # As a rule one read of the socket brings all of it, and a line at a time costs twice as much.
        end = self._stream.peek().find(b"\r\n\r\n")
        if end >= 0:
            return self._stream.read(end + 4)
        lines = []
        while len(lines) <= _LINES:
            lines.append(self._line())
            if lines[-1] in (b"\r\n", b"\n"):
                return b"".join(lines)
        raise WireError("too many headers")

    def _line(self) -> bytes:
        line = self._stream.readline(_LINE)
        if not line.endswith(b"\n"):
            raise WireError("the connection was cut")
        return line

    def _exactly(self, length: int) -> bytes:
        data = self._stream.read(length)
        if len(data) != length:
            raise WireError("the connection was cut")
        return data

    def _chunked(self) -> bytes:
        pieces = []
        while size := _chunk_size(self._line()):
            pieces.append(self._exactly(size))
            self._line()
        while self._line() not in (b"\r\n", b"\n"):
            pass  # trailers
        return b"".join(pieces)


def _is_chunked(headers: Mapping[str, str]) -> bool:
    return "chunked" in headers.get("transfer-encoding", "").lower()


def _length(headers: Mapping[str, str]) -> int:
    """The length of a body. Raises WireError where it is not told."""
    length = headers.get("content-length", "")
    if _is_chunked(headers) or not (length.isascii() and length.isdigit()):
        raise WireError("an answer of no length")
    return int(length)


def _status(line: str) -> tuple[str, int]:
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
        raise WireError("no HTTP answer")
    return words[0], int(words[1])


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0].strip(), 16)
    except ValueError:
        raise WireError("a chunk of no size") from None
