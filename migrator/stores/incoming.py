"""HTTP/1.1 as it comes in: an answer's head, and its body by length, by chunks or to the end."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from functools import lru_cache
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

    Attributes
    ----------
    left : int
        Bytes that are still to come; -1 where the answer does not tell, until it is said by `expect`.
    """

    __slots__ = ("_done", "_read", "_told", "_whole", "headers", "left", "status")

    def __init__(
        self, status: int, headers: Mapping[str, str], read: Callable[[int], bytes], done: Callable[[bool], None]
    ) -> None:
        self.status, self.headers = status, headers
        self._read = read
        self._done: Callable[[bool], None] | None = done
        self._told = self._whole = _tells_length(headers)
        self.left = _length(headers) if self._told else -1

    def expect(self, size: int) -> None:
        """So much is to come, where the answer itself does not tell: in chunks, or to the connection's end."""
        if not self._told:
            self.left = size

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end. Raises OSError when they don't come, or more do."""
        size = min(size, self.left)
        data = self._read(size)
        if len(data) != size:
            raise WireError("the connection was cut")
        self.left -= size
        if not self._told:
            self._look_for_the_end()
        return data

    def close(self) -> None:
        done, self._done = self._done, None
        if done:
            done(self._whole and not self.left)

    def _look_for_the_end(self) -> None:
        if not self.left and self._read(1):
            raise WireError("more came than there is")
        self._whole = not self.left and _is_chunked(self.headers)  # else the connection ended with it


class Answers:
    """What comes over one connection, in order."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self.read = self._stream.read
        self.ahead = self._stream.peek  # what came and was not read yet

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
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip(_BLANK).lower()] = value.strip(_BLANK)
        close = headers["connection"].lower() if "connection" in headers else ""
        return Head(status, headers, close != "close" if version == "HTTP/1.1" else close == "keep-alive")

    def body(self, method: str, head: Head) -> tuple[bytes, bool]:
        """All of it, and whether the connection can be used again."""
        if method == "HEAD" or head.status in (204, 304):
            return b"", head.reusable
        if _is_chunked(head.headers):
            return self._chunked(), head.reusable
        if not _tells_length(head.headers):
            return self._stream.read(), False
        return self._exactly(_length(head.headers)), head.reusable

    def reader(self, head: Head) -> Callable[[int], bytes]:
        """What gives the body piece by piece."""
        return _Chunks(self._line, self.read).read if _is_chunked(head.headers) else self.read

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
        chunks, pieces = _Chunks(self._line, self.read), []
        while piece := chunks.read(_LINE):
            pieces.append(piece)
        return b"".join(pieces)


class _Chunks:
    """A body in chunks, as one row of bytes."""

    def __init__(self, line: Callable[[], bytes], read: Callable[[int], bytes]) -> None:
        self._line, self._read = line, read
        self._left: int | None = 0  # of this chunk; None after the last

    def read(self, size: int) -> bytes:
        """As many bytes as there are, ``size`` at most. Raises WireError where the last chunk does not come."""
        pieces = []
        while size and (here := self._here()):
            pieces.append(self._read(min(size, here)))
            if not pieces[-1]:
                raise WireError("the connection was cut")
            size -= len(pieces[-1])
            self._left = here - len(pieces[-1])
            if not self._left:
                self._line()
        return b"".join(pieces)

    def _here(self) -> int:
        """Bytes that this chunk still has, or the next one; none after the last."""
        if self._left == 0:
            self._left = _chunk_size(self._line()) or None
            while self._left is None and self._line() not in (b"\r\n", b"\n"):
                pass  # trailers
        return self._left or 0


def _is_chunked(headers: Mapping[str, str]) -> bool:
    return "transfer-encoding" in headers and "chunked" in headers["transfer-encoding"].lower()


def _tells_length(headers: Mapping[str, str]) -> bool:
    return "content-length" in headers and not _is_chunked(headers)


def _length(headers: Mapping[str, str]) -> int:
    """The length of a body. Raises WireError where it is no number."""
    length = headers["content-length"]
    if not (length.isascii() and length.isdigit()):
        raise WireError("an answer of no length")
    return int(length)


@lru_cache(maxsize=64)  # a server says few
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
