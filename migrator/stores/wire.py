"""HTTP/1.1 as far as an S3 server needs it: connections that are kept, TLS, requests sent whole.

The usual clients spend half a millisecond of Python on a request, and these requests are made once
an object by many threads that share one interpreter. They still go through proxies: see ``proxies``.
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import ssl
import weakref
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from . import trust
from .incoming import Answers, Incoming, WireError

__all__ = ["Answer", "Incoming", "Wire", "WireError"]

_BUFFER = 1 << 16
_JOINED = 1 << 16  # a body up to this goes out in one segment with its head
_PIECE = 1 << 17  # what must go out within one time-out: a slow link is not a dead one
# Where a link dies without a word, the system finds out within half a minute, also while a slow answer is waited for.
_ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPALIVE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}


class Answer(NamedTuple):
    """A server's answer: its status, headers by lower-case name, and the whole body."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def etag(self) -> str | None:
        return unquoted(self.headers.get("etag"))


def unquoted(etag: str | None) -> str | None:
    """An etag as it is kept: the server's text without its quotes."""
    return etag.strip('"') if etag else None


class Wire:
    """Connections to one host, each used by one thread at a time."""

    def __init__(self, scheme: str, netloc: str, connect_s: float, keep: int) -> None:
        self._idle: list[_Connection] = []
        parts = urlsplit(f"{scheme}://{netloc}")
        self._address = (parts.hostname or "", parts.port or (443 if scheme == "https" else 80))
        self._connect_s, self._keep = connect_s, keep
        self._context = trust.shared() if scheme == "https" else None
        # No `__del__`: of what is collected as part of a circle, sockets may come first, each with a warning.
        weakref.finalize(self, _close_all, self._idle).atexit = False

    def exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes, read_s: float) -> Answer:
        """Send one request and read its answer. Raises OSError where there is none."""
        return self.ask(method, target, headers, body, read_s).whole()

    def open(self, target: str, headers: Mapping[str, str], read_s: float) -> Incoming | Answer:
        """GET. The body of a success is still to be read, any other answer is whole."""
        return self.ask("GET", target, headers, b"", read_s).opened()

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes, read_s: float) -> Sent:
        """Send a request, whose answer may be heard later."""
        connection = self._take()
        try:
            connection.send(_head(method, target, headers, body), body, read_s)
        except BaseException as error:
            self._give_up(connection, error)
            raise
        return Sent(self, connection, method)

    def _hear(self, sent: Sent, *, whole: bool) -> Incoming | Answer:
        connection = sent.connection
        try:
            head = connection.answers.head()
            if head.status in (200, 206) and not whole:
                return Incoming(
                    head.status, head.headers, connection.answers.reader(head),
                    lambda all_of_it: self._keep_or_close(connection, all_of_it and head.reusable),
                )  # fmt: skip
            data, reusable = connection.answers.body(sent.method, head)
        except BaseException as error:
            self._give_up(connection, error)
            raise
        self._keep_or_close(connection, reusable)
        return Answer(head.status, head.headers, data)

    def _take(self) -> _Connection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return _Connection(self._address, self._connect_s, self._context)
            if not connection.dropped():
                return connection
            connection.close()

    def _give_up(self, connection: _Connection, error: BaseException) -> None:
        connection.close()
        if isinstance(error, TimeoutError):  # the link may be dead without a word, and then the idle ones are too
            while self._idle:
                with contextlib.suppress(IndexError):
                    self._idle.pop().close()

    def _keep_or_close(self, connection: _Connection, reusable: bool) -> None:
        if reusable and len(self._idle) < self._keep and not connection.said_more():
            self._idle.append(connection)
        else:
            connection.close()


class Sent(NamedTuple):
    """A request that was sent. Its answer is heard once, by the thread that sent it, or done without."""

    wire: Wire
    connection: _Connection
    method: str

    def opened(self) -> Incoming | Answer:
        """The answer as `Wire.open` gives it."""
        return self.wire._hear(self, whole=False)

    def whole(self) -> Answer:
        """The answer as `Wire.exchange` gives it."""
        answer = self.wire._hear(self, whole=True)
        assert isinstance(answer, Answer)
        return answer

    def close(self) -> None:
        """Do without it."""
        self.connection.close()


class _Raw(io.RawIOBase):
    """A socket as a file to read. The standard library's own is Python, and called for each read."""

    def __init__(self, connection: socket.socket) -> None:
        self.readinto = self.receive = connection.recv_into

    def readable(self) -> bool:
        return True


def _nothing_yet(_: object) -> None:
    """What a socket says that would have to wait."""


class _Connection:
    def __init__(self, address: tuple[str, int], connect_s: float, context: ssl.SSLContext | None) -> None:
        try:
            plain = socket.create_connection(address, connect_s)
        except TimeoutError:
            raise TimeoutError(f"no connection within {connect_s:.0f} s") from None
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _keep_alive(plain)
        try:
            self._socket = context.wrap_socket(plain, server_hostname=address[0]) if context else plain
        except BaseException:
            plain.close()
            raise
        self._raw = _Raw(self._socket)
        self.answers = Answers(io.BufferedReader(self._raw, _BUFFER))
        self._read_s = connect_s
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def close(self) -> None:
        self.answers.close()
        with contextlib.suppress(OSError):
            self._socket.close()

    def said_more(self) -> bool:
        """Whether more came with an answer than belongs to it: the next request would take it for its own answer."""
        raw = self._raw  # an empty buffer would be filled from the socket, which waits
        raw.readinto = _nothing_yet  # pyright: ignore[reportAttributeAccessIssue] - as a file may answer that has to wait
        more = self.answers.ahead()
        raw.readinto = raw.receive
        return bool(more)

    def dropped(self) -> bool:
        """Whether the server has hung up on, or talked into, an idle connection."""
        return bool(self._poll.poll(0))

    def send(self, head: bytes, body: bytes, read_s: float) -> None:
        if read_s != self._read_s:  # it costs a system call each time
            self._socket.settimeout(read_s)
            self._read_s = read_s
        try:
            if len(body) <= _JOINED:
                self._socket.sendall(head + body)
            else:
                self._socket.sendall(head)
                for at in range(0, len(body), _PIECE):
                    self._socket.sendall(memoryview(body)[at : at + _PIECE])
        except BrokenPipeError:
            return  # a server may refuse, answer and hang up before it has read a large body: then read why


def _close_all(connections: list[_Connection]) -> None:
    for connection in connections:
        connection.close()


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _ALIVE.items():  # each system has some of them
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _head(method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *map(": ".join, headers.items())]
    if body or method in ("PUT", "POST"):
        lines.append(f"content-length: {len(body)}")
    text = "\r\n".join(lines)
    if text.count("\r") != len(lines) - 1 or text.count("\n") != len(lines) - 1:
        raise WireError("a line break in a header")
    return f"{text}\r\n\r\n".encode()
