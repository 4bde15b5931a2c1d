"""HTTP/1.1 as far as an S3 server needs it: keep-alive, TLS, bodies by length, by chunks or to the end.

The usual clients spend half a millisecond of Python on a request, and these requests are made once
an object by many threads that share one interpreter. They still go through proxies: see ``native``.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

_BUFFER = 1 << 16
_LINE, _LINES = 1 << 16, 256
_JOINED = 1 << 16  # a body up to this goes out in one segment with its head


class WireError(OSError):
    """The other side said something that is not HTTP, or stopped in the middle."""


class Response(NamedTuple):
    """Status, headers by lower-case name, and the whole body."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Wire:
    """Connections to one host, each used by one thread at a time."""

    def __init__(self, scheme: str, netloc: str, connect_s: float, keep: int) -> None:
        self._idle: list[_Connection] = []
        parts = urlsplit(f"{scheme}://{netloc}")
        self._address = (parts.hostname or "", parts.port or (443 if scheme == "https" else 80))
        self._connect_s, self._keep = connect_s, keep
        self._context = ssl.create_default_context() if scheme == "https" else None

    def __del__(self) -> None:
        for connection in self._idle:
            connection.close()

    def exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes, read_s: float) -> Response:
        """Send one request and read its answer. Raises OSError where there is none."""
        connection = self._take()
        try:
            connection.send(_head(method, target, headers, body), body, read_s)
            response, reusable = connection.receive(method)
        except BaseException:
            connection.close()
            raise
        if reusable and len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            connection.close()
        return response

    def _take(self) -> _Connection:
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not connection.dropped():
                    return connection
                connection.close()
        return _Connection(self._address, self._connect_s, self._context)


class _Connection:
    def __init__(self, address: tuple[str, int], connect_s: float, context: ssl.SSLContext | None) -> None:
        try:
            plain = socket.create_connection(address, connect_s)
        except TimeoutError:
            raise TimeoutError(f"no connection within {connect_s:.0f} s") from None
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket = context.wrap_socket(plain, server_hostname=address[0]) if context else plain
        except BaseException:
            plain.close()
            raise
        self._reader = self._socket.makefile("rb", buffering=_BUFFER)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._reader.close()
        with contextlib.suppress(OSError):
            self._socket.close()

    def dropped(self) -> bool:
        """Whether the server has hung up on, or talked into, an idle connection."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def send(self, head: bytes, body: bytes, read_s: float) -> None:
        self._socket.settimeout(read_s)
        # A server may refuse, answer and hang up before it has read a large body: then read why.
        with contextlib.suppress(BrokenPipeError):
            if len(body) <= _JOINED:
                self._socket.sendall(head + body)
            else:
                self._socket.sendall(head)
                self._socket.sendall(body)

    def receive(self, method: str) -> tuple[Response, bool]:
        version, status = self._status()
        headers = self._headers()
        while 100 <= status < 200:
            version, status = self._status()
            headers = self._headers()
        close = headers.get("connection", "").lower()
        reusable = close != "close" if version == b"HTTP/1.1" else close == "keep-alive"
        if method == "HEAD" or status in (204, 304):
            return Response(status, headers, b""), reusable
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return Response(status, headers, self._chunked()), reusable
        length = headers.get("content-length")
        if length is None:
            return Response(status, headers, self._reader.read()), False
        if not length.isdigit():
            raise WireError("an answer of no length")
        return Response(status, headers, self._exactly(int(length))), reusable

    def _status(self) -> tuple[bytes, int]:
        line = self._line().split(None, 2)
        if len(line) < 2 or not line[0].startswith(b"HTTP/1.") or not line[1].isdigit():
            raise WireError("no HTTP answer")
        return line[0], int(line[1])

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_LINES):
            line = self._line()
            if line in (b"\r\n", b"\n"):
                return headers
            name, _colon, value = line.partition(b":")
            headers[name.decode("latin-1").strip().lower()] = value.strip().decode("utf-8", "replace")
        raise WireError("too many headers")

    def _line(self) -> bytes:
        line = self._reader.readline(_LINE)
        if not line.endswith(b"\n"):
            raise WireError("the connection was cut")
        return line

    def _exactly(self, length: int) -> bytes:
        data = self._reader.read(length)
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


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0].strip(), 16)
    except ValueError:
        raise WireError("a chunk of no size") from None


def _head(method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body or method in ("PUT", "POST"):
        lines.append(f"content-length: {len(body)}")
    text = "\r\n".join(lines)
    if text.count("\r") != len(lines) - 1 or text.count("\n") != len(lines) - 1:
        raise WireError("a line break in a header")
    return f"{text}\r\n\r\n".encode()
