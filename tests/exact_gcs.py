"""Google's JSON interface in memory, as it is documented: every condition is heeded, and sessions can be carried on.

For what the emulator ignores: conditions on sessions, rewrites, deletes and reads, and how far a session is.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Held:
    body: bytes
    resource: dict[str, Any]


@dataclass
class Session:
    name: str
    resource: dict[str, Any]
    query: dict[str, str]
    body: bytes = b""


@dataclass
class ExactGCS:
    """Attributes
    ----------
    takes : int
        The most bytes that a session takes of what it is sent at once.
    slices : int
        How many calls a rewrite takes.
    sent : list
        The ranges that sessions were sent.
    """

    takes: int = 1 << 40
    slices: int = 1
    objects: dict[str, Held] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __enter__(self) -> ExactGCS:
        exact = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with exact._turn:
                    status, headers, data = exact._answer(self.command, self.path, dict(self.headers.items()), body)
                self.send_response_only(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = do_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._turn, self._numbers = threading.Lock(), itertools.count(1000)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def keep(self, name: str, body: bytes, resource: dict[str, Any] | None = None) -> dict[str, Any]:
        """Put an object there, whatever stands there; its description."""
        told = {
            "md5Hash": base64.b64encode(hashlib.md5(body).digest()).decode(),
            "generation": str(next(self._numbers)),
        }
        own = {**(resource or {}), **told, "name": name, "size": str(len(body)), "timeCreated": "2026-01-02T03:04:05Z"}
        self.objects[name] = Held(body, own)
        return own

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        path, query = urlsplit(target).path, {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}
        self.calls.append(f"{method} {target}")
        headers = {name.lower(): value for name, value in headers.items()}
        if "upload_id" in query:
            return self._session(method, query["upload_id"], headers, body)
        if path.startswith("/upload/"):
            return self._upload(query, body)
        name = unquote(path.partition("/o/")[2].partition("/rewriteTo/")[0])
        if not name:
            found = [
                one.resource for key, one in sorted(self.objects.items()) if key.startswith(query.get("prefix", ""))
            ]
            return _json({"items": found})
        return self._object(method, name, path, query, headers)

    def _object(self, method: str, name: str, path: str, query: dict[str, str], headers: dict[str, str]) -> Reply:
        held = self.objects.get(name)
        if held is None:
            return _refused(404)
        if "/rewriteTo/" in path:
            return self._rewrite(held, unquote(path.rpartition("/o/")[2]), query)
        if not self._heeds(name, query):
            return _refused(412)
        if method == "DELETE":
            del self.objects[name]
            return 204, {}, b""
        if query.get("alt") != "media":
            return _json(held.resource)
        told = {"x-goog-generation": held.resource["generation"]}
        start = int(headers.get("range", "bytes=0-").partition("=")[2].partition("-")[0])
        data = held.body[start:]
        if "range" in headers:
            told["Content-Range"] = f"bytes {start}-{len(held.body) - 1}/{len(held.body)}"
        return (206 if "range" in headers else 200), told, data

    def _rewrite(self, held: Held, name: str, query: dict[str, str]) -> Reply:
        if query.get("ifSourceGenerationMatch", held.resource["generation"]) != held.resource["generation"]:
            return _refused(412)
        if not self._heeds(name, query):
            return _refused(412)
        done = int(query.get("rewriteToken", "0")) + 1
        if done < self.slices:
            return _json({"done": False, "rewriteToken": str(done)})
        return _json({"done": True, "resource": self.keep(name, held.body, held.resource)})

    def _upload(self, query: dict[str, str], body: bytes) -> Reply:
        if query["uploadType"] == "resumable":
            number = f"session{next(self._numbers)}"
            resource = json.loads(body or b"{}")
            self.sessions[number] = Session(query.get("name") or resource["name"], resource, query)
            return 200, {"Location": f"{self.endpoint}/upload/storage/v1/b/b/o?upload_id={number}"}, b""
        boundary = body.partition(b"\r\n")[0]
        _, head, rest = body.split(boundary, 2)
        resource = json.loads(head.partition(b"\r\n\r\n")[2])
        data = rest.partition(b"\r\n\r\n")[2].partition(b"\r\n" + boundary)[0]
        if not self._heeds(resource["name"], query):
            return _refused(412)
        sent = resource.get("md5Hash")
        if sent and sent != base64.b64encode(hashlib.md5(data).digest()).decode():
            return _refused(400)
        return _json(self.keep(resource["name"], data, resource))

    def _session(self, method: str, number: str, headers: dict[str, str], body: bytes) -> Reply:
        session = self.sessions.get(number)
        if session is None:
            return _refused(404)
        if method == "DELETE":
            del self.sessions[number]
            return _refused(499)
        span, _, total = headers["content-range"].removeprefix("bytes ").partition("/")
        if span != "*":
            self.sent.append(span)
            start = int(span.partition("-")[0])
            assert start <= len(session.body), "a hole"
            session.body += body[len(session.body) - start :][: self.takes]
        if total.isdigit() and len(session.body) == int(total):
            del self.sessions[number]
            if not self._heeds(session.name, session.query):
                return _refused(412)
            return _json(self.keep(session.name, session.body, session.resource))
        return 308, ({"Range": f"bytes=0-{len(session.body) - 1}"} if session.body else {}), b""

    def _heeds(self, name: str, query: dict[str, str]) -> bool:
        held, wanted = self.objects.get(name), query.get("ifGenerationMatch")
        return wanted is None or wanted == (held.resource["generation"] if held else "0")


def _json(value: Any) -> Reply:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _refused(status: int) -> Reply:
    text = {"error": {"code": status, "message": f"refused: {status}", "errors": [{"reason": "test"}]}}
    return status, {"Content-Type": "application/json"}, json.dumps(text).encode()
