"""An HTTP proxy before a server: it counts methods, and can slow what passes or refuse it."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

PIECE = 128 << 10


class Wayside:
    """Listens on a free port and passes on whatever comes, Host and path as they were sent.

    Attributes
    ----------
    delay_s : float
        Each request waits so long.
    bytes_per_s : float
        How fast bodies pass, both ways and all together; 0 for no bound.
    refuse : callable
        Given method and path; True answers 403.
    """

    def __init__(self, endpoint: str) -> None:
        self.methods: Counter[str] = Counter()
        self.delay_s = 0.0
        self.bytes_per_s = 0.0
        self.refuse: Callable[[str, str], bool] = lambda _method, _path: False
        self._upstream = urlsplit(endpoint).netloc
        self._gate = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Wayside:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def pace(self, size: int) -> None:
        with self._gate:
            if self.bytes_per_s:
                time.sleep(size / self.bytes_per_s)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        wayside = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def handle(self) -> None:
                self.upstream = http.client.HTTPConnection(wayside._upstream, timeout=60)
                try:
                    super().handle()
                except (OSError, http.client.HTTPException):  # somebody was killed; that is what tests do
                    self.close_connection = True
                finally:
                    self.upstream.close()

            def handle_expect_100(self) -> bool:
                told = super().handle_expect_100()
                self.wfile.flush()
                return told

            def finish(self) -> None:
                with contextlib.suppress(OSError):
                    super().finish()

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name
                """Silent."""

            def pass_on(self) -> None:
                method, length = self.command, int(self.headers.get("content-length") or 0)
                wayside.methods[method] += 1
                time.sleep(wayside.delay_s)
                if wayside.refuse(method, self.path):
                    self.rfile.read(length)
                    return self.answer(403, [], b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>")
                self.upstream.putrequest(method, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    self.upstream.putheader(name, value)
                self.upstream.endheaders()
                while length:
                    piece = self.rfile.read(min(PIECE, length))
                    if not piece:
                        raise OSError("the client hung up")
                    wayside.pace(len(piece))
                    self.upstream.send(piece)
                    length -= len(piece)
                response = self.upstream.getresponse()
                if method == "HEAD":
                    response.read()
                    return self.answer(response.status, response.getheaders(), b"", keep_length=True)
                self.answer(response.status, response.getheaders(), response.read())
                return None

            def answer(
                self, status: int, headers: list[tuple[str, str]], body: bytes, keep_length: bool = False
            ) -> None:
                self.send_response_only(status)
                ours = {"transfer-encoding", "connection"} | (set() if keep_length else {"content-length"})
                for name, value in headers:
                    if name.lower() not in ours:
                        self.send_header(name, value)
                if not keep_length and status not in (204, 304):
                    self.send_header("content-length", str(len(body)))
                self.end_headers()
                for start in range(0, len(body), PIECE):
                    wayside.pace(len(body[start : start + PIECE]))
                    self.wfile.write(body[start : start + PIECE])
                self.wfile.flush()

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815 - their names

        return Handler
