"""Who may use which route: the list is the extension's own, so that a new route can't be forgotten."""

from __future__ import annotations

import re

import pytest
from serving import TOKEN, Server
from tornado.web import RequestHandler

from migrator import api
from migrator.server.handlers import RUN, RUN_ID, VERBS, routes
from migrator.server.page import PageHandler
from migrator.server.stream import SocketHandler

# OPTIONS is Jupyter Server's own, and says nothing of ours.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# What stands for the changing part of an address; a pattern with another one fails where these are put in.
SAMPLES = {RUN: "{}", RUN_ID: "{}", r"(\w+\.(?:js|css))": "mime.js"}
VERB = f"(?P<verb>{'|'.join(VERBS)})"
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
           "Sec_WebSocket_Version": "13"}  # fmt: skip
EVIL = "https://evil.example"


def paths(pattern: str) -> list[str]:
    """Addresses that a route answers, with ``{}`` where the run's id stands."""
    found = pattern
    for group, sample in SAMPLES.items():
        found = found.replace(group, sample)
    made = [found.replace(VERB, verb) for verb in VERBS] if VERB in found else [found]
    for path in made:
        assert re.fullmatch(pattern, path.format("a-run")), f"{pattern}: say above what it is called with"
    return made


def every(*methods: str, pages: bool = False) -> list[tuple[str, str]]:
    """Each method of each route that is one of these: (method, address)."""
    return [
        (method, f"/migrator/{path}".rstrip("/"))
        for pattern, handler, *_ in routes()
        for path in paths(pattern)
        for method in METHODS
        if method in methods and (handler is PageHandler) == pages
        and getattr(handler, method.lower()) is not getattr(RequestHandler, method.lower())
    ]  # fmt: skip


READS, ASKS = every("GET", "HEAD"), every("POST", "PUT", "PATCH", "DELETE")
SOCKET = ("GET", "/migrator/api/socket")
PAGES = every(*METHODS, pages=True)


@pytest.fixture(scope="module")
def cookie(server: Server) -> str:
    """A session's cookie, as a browser has it after logging in: no token with each request."""
    answer = server.ask(f"/api/status?token={TOKEN}", token=None)
    return answer.headers["Set-Cookie"].partition(";")[0]


def ask(server: Server, method: str, path: str, run: api.Run, token: str | None = None, **headers: str) -> int:
    body = {} if (method, path) in ASKS else None
    return server.ask(path.format(run.id), body, token=token, method=method, **headers).status


def test_every_route_has_a_line() -> None:
    """Mutation: leave a route of `routes()` out of this list, and it fails."""
    assert len(PAGES) == 3
    assert ("GET", "/migrator/api/runs/{}/plan") in READS
    assert SOCKET in READS
    assert {path.rpartition("/")[2] for _, path in ASKS} == {"runs", "stakes", "preflight", *VERBS}
    assert len({handler for _, handler, *_ in routes()} - {PageHandler, SocketHandler}) >= 12


# Mutation: take @web.authenticated and @authorized off a handler, and its lines fail (either asks for a user).
@pytest.mark.parametrize(("method", "path"), [*READS, *ASKS])
@pytest.mark.parametrize("token", [None, "wrong"])
def test_who_has_no_token_gets_nothing(
    server: Server, done: api.Run, method: str, path: str, token: str | None
) -> None:
    xsrf = {"X_XSRFToken": "made-up", "Cookie": "_xsrf=made-up"}
    headers = UPGRADE if path.endswith("socket") else {}
    assert ask(server, method, path, done, token, **headers) == 403
    assert ask(server, method, path, done, token, **headers, **xsrf) == 403


@pytest.mark.parametrize(("method", "path"), ASKS)
def test_a_page_of_another_site_can_ask_nothing(
    server: Server, done: api.Run, cookie: str, method: str, path: str
) -> None:
    assert ask(server, method, path, done, Cookie=cookie) == 403  # no X-XSRFToken
    assert ask(server, method, path, done, Cookie=cookie, Origin=EVIL) in (403, 404)  # there is no such path for it


# The socket is asked by a client that speaks it: test_stream.test_a_page_of_another_site_can_not_listen.
@pytest.mark.parametrize(("method", "path"), [read for read in READS if read != SOCKET])
def test_a_page_of_another_site_can_read_nothing(
    server: Server, done: api.Run, cookie: str, method: str, path: str
) -> None:
    assert ask(server, method, path, done, Cookie=cookie) == 200
    assert ask(server, method, path, done, Cookie=cookie, Origin=EVIL) in (403, 404)


@pytest.mark.parametrize(("method", "path"), PAGES)
@pytest.mark.parametrize("token", [None, "wrong"])
def test_who_has_no_token_is_led_to_the_login(
    server: Server, done: api.Run, cookie: str, method: str, path: str, token: str | None
) -> None:
    mine = server.ask(path.format(done.id), token=None, method=method, Cookie=cookie)
    assert (mine.status, "static/page.js" in mine.text, "_xsrf=" in mine.headers["Set-Cookie"]) == (200, True, True)
    assert "static/page.js" not in server.ask(path.format(done.id), token=token, method=method).text
    foreign = server.ask(path.format(done.id), token=None, method=method, Cookie=cookie, Origin=EVIL)
    assert "Access-Control-Allow-Origin" not in foreign.headers  # so the browser keeps it from the other site


# Mutation: take @authorized off a handler, and its line fails.
@pytest.mark.parametrize(("method", "path"), [*READS, *ASKS, *PAGES])
def test_an_authorizer_that_says_no_is_heeded_everywhere(
    denying: Server, done: api.Run, method: str, path: str
) -> None:
    headers = UPGRADE if path.endswith("socket") else {}
    assert ask(denying, method, path, done, TOKEN, **headers) == 403
