"""A link to a server that can be taken away: refused, cut, or dead without a word."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit


class Link:
    """Passes bytes on between a port of its own and a server.

    ``cut()``: what is connected is, nobody is let in. ``deafen()``: everything stays connected and nothing passes;
    what is connected then stays deaf for ever, as where a router forgot it. ``mend()``: who connects gets through.
    """

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._server = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._deaf: set[socket.socket] = set()
        self._up, self._takes = True, True
        self._lock = threading.Lock()

    def __enter__(self) -> Link:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        with self._lock:
            left = list(self._open)
        for one in left:
            one.close()

    def cut(self) -> None:
        self._takes = False
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def deafen(self) -> None:
        with self._lock:
            self._up = False
            self._deaf |= self._open

    def mend(self) -> None:
        self._up = self._takes = True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._takes:
                client.close()
                continue
            server = socket.create_connection(self._server)
            with self._lock:
                self._open |= {client, server}
                if not self._up:
                    self._deaf |= {client, server}
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if one not in self._deaf:
                    other.sendall(data)
        if one in self._deaf:
            return
        with self._lock:
            self._open -= {one, other}
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.close()
