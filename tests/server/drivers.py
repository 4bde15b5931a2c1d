"""Firefox and WebKit, worked by the protocols that they speak themselves: no driver is downloaded.

Playwright's own builds of them can't be had here, and it drives no other. Both are used alike: `go`, `js`, `click`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import websocket
from servers import free_ports

START_S = 120


class Browser(Protocol):
    """One page of a browser."""

    def go(self, url: str) -> None: ...
    def js(self, expression: str) -> Any: ...  # of numbers, texts and truths only
    def click(self, selector: str) -> None: ...


def until(browser: Browser, expression: str, seconds: float = 30) -> Any:
    """Wait until an expression is true in the page; its value."""
    deadline = time.monotonic() + seconds
    while not (value := browser.js(expression)):
        assert time.monotonic() < deadline, f"it did not come true in {seconds} s: {expression}"
        time.sleep(0.1)
    return value


class Firefox:
    """By WebDriver BiDi, straight from its remote agent."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(f"{address}/session", suppress_origin=True, timeout=START_S)
        self._number = 0
        self._do("session.new", capabilities={})
        self._page = self._do("browsingContext.getTree")["contexts"][0]["context"]

    def go(self, url: str) -> None:
        self._do("browsingContext.navigate", context=self._page, url=url, wait="complete")

    def js(self, expression: str) -> Any:
        return self._evaluate(expression).get("value")

    def click(self, selector: str) -> None:
        node = {"type": "element", "element": {"sharedId": self._evaluate(_node(selector))["sharedId"]}}
        moves: list[dict[str, Any]] = [{"type": "pointerMove", "x": 0, "y": 0, "origin": node}]
        moves += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        mouse = {"type": "pointer", "id": "mouse", "actions": moves}
        self._do("input.performActions", context=self._page, actions=[mouse])

    def close(self) -> None:
        self._socket.close()

    def _evaluate(self, expression: str) -> dict[str, Any]:
        target = {"context": self._page}
        answer = self._do("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"]

    def _do(self, method: str, **params: Any) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv())).get("id") != self._number:
            pass  # an event that nobody asked for
        assert answer["type"] == "success", answer
        return answer["result"]


class WebKit:
    """By classic WebDriver, of WebKitGTK's own driver."""

    def __init__(self, address: str, program: str) -> None:
        self._address = address
        wanted = {"webkitgtk:browserOptions": {"binary": program, "args": ["--automation"]}}
        self._session = f"/session/{self._do('POST', '/session', capabilities={'alwaysMatch': wanted})['sessionId']}"

    def go(self, url: str) -> None:
        self._do("POST", f"{self._session}/url", url=url)

    def js(self, expression: str) -> Any:
        return self._do("POST", f"{self._session}/execute/sync", script=f"return {expression}", args=[])

    def click(self, selector: str) -> None:
        self.js(f"{_node(selector)}.scrollIntoView()")
        found = self._do("POST", f"{self._session}/element", using="css selector", value=selector)
        self._do("POST", f"{self._session}/element/{next(iter(found.values()))}/click")

    def close(self) -> None:
        self._do("DELETE", self._session)

    def _do(self, method: str, path: str, **body: Any) -> Any:
        request = urllib.request.Request(self._address + path, json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=START_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read().decode()) from None


def _node(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"


def _environment(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of the user's is read or written, and no proxy is asked."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return kept | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "NO_AT_BRIDGE": "1"} | more


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    log = folder / "firefox.log"
    profile = folder / "profile"
    profile.mkdir()
    command = ["firefox-esr", "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with (
        log.open("w") as out,
        _running(command, env=_environment(folder), stdout=out, stderr=out),
        closing(Firefox(_told(log, r"BiDi listening on (ws://\S+)"))) as browser,
    ):
        yield browser


@contextmanager
def webkit(folder: Path) -> Iterator[WebKit]:
    log = folder / "display"
    screen = ["Xvfb", "-displayfd", "1", "-screen", "0", "1200x900x24", "-nolisten", "tcp"]
    with log.open("w") as out, _running(screen, stdout=out, stderr=subprocess.DEVNULL):
        display = _told(log, r"^(\d+)\n")
        [port] = free_ports(1)
        # No sandbox to nest in a container; nothing but our own server is visited.
        env = _environment(
            folder, DISPLAY=f":{display}", GDK_BACKEND="x11", WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS="1"
        )
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with _running(["WebKitWebDriver", f"--port={port}", "--host=127.0.0.1"], env=env, **quiet):
            _await_port(port)
            with closing(WebKit(f"http://127.0.0.1:{port}", mini_browser())) as browser:
                yield browser


def mini_browser() -> str:
    """The browser that comes with WebKitGTK; "" where there is none."""
    return next((str(path) for path in Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser")), "")


# Each with what it needs, and how to get that.
KINDS: dict[str, tuple[Callable[[Path], Any], Callable[[], Any], str]] = {
    "firefox": (firefox, lambda: shutil.which("firefox-esr"), "Firefox is not installed: apt-get install firefox-esr"),
    "webkit": (
        webkit,
        lambda: shutil.which("WebKitWebDriver") and shutil.which("Xvfb") and mini_browser(),
        "WebKit is not installed: apt-get install webkit2gtk-driver xvfb",
    ),
}  # fmt: skip


def _told(log: Path, pattern: str) -> str:
    """What a program says of itself, once it does."""
    deadline = time.monotonic() + START_S
    while not (found := re.search(pattern, log.read_text(), re.MULTILINE)):
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.05)
    return found[1]


def _await_port(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")
