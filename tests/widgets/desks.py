"""A panel without a kernel, and what it sends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from widgets import MigrationPanel


class Desk:
    """A panel, the messages that it sent, and a way to speak to it as the page does."""

    def __init__(self, what: Any, **options: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.panel = MigrationPanel(what, **options)
        self.panel.send = lambda content, buffers=None: self.sent.append(content)

    def ask(self, verb: str, **args: Any) -> dict[str, Any]:
        self.panel._handle_custom_msg({"id": "q", "verb": verb, "args": args}, [])
        return next(each for each in reversed(self.sent) if each["type"] == "reply")

    def lines(self, to: str | None = None) -> list[str]:
        frames = [each for each in self.sent if each["type"] == "log" and each["to"] == to]
        return [line for frame in frames for line in frame["lines"]]


def until(true: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for what another thread is about to do."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
