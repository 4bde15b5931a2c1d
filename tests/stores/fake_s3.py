"""An S3 server of a few lines, for answers that a real one gives seldom: odd keys, redirects, throttling."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, quote_plus, urlsplit


class Reply(NamedTuple):
    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class FakeS3:
    """Answers every request by ``reply(method, path, query)`` and keeps what was asked.

    ``wants``: a header, the value it must have, and the status that is answered to any other.
    """

    def __init__(self, reply: Callable[[str, str, dict[str, list[str]]], Reply]) -> None:
        self.asked: list[tuple[str, str]] = []
        self.wants: tuple[str, str, int] | None = None
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                fake.asked.append((self.command, self.path))
                parts = urlsplit(self.path)
                given = reply(self.command, parts.path, parse_qs(parts.query, keep_blank_values=True))
                if fake.wants and self.headers.get(fake.wants[0]) != fake.wants[1]:
                    given = Reply(fake.wants[2])
                body = given.body.encode()
                self.send_response(given.status)
                for name, value in given.headers:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self) -> FakeS3:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def page(keys: list[str], token: str | None = None, *, encoded: bool = True, size: int = 1) -> Reply:
    """One page of a listing, as AWS spells it: a space as ``+``, a plus sign as ``%2B``."""
    entries = "".join(
        f"<Contents><Key>{quote_plus(key, safe='/') if encoded else key}</Key><Size>{size}</Size>"
        "<ETag>&quot;abc&quot;</ETag><LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents>"
        for key in keys
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    kind = "<EncodingType>url</EncodingType>" if encoded else ""
    return Reply(
        200,
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{entries}{more}{kind}</ListBucketResult>",
    )


def error(status: int, code: str, message: str = "because", more: str = "", headers=()) -> Reply:
    return Reply(status, f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>", headers)
