"""What a panel has read of its run so far, and what is new since: the whole of its memory of the log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

FRAME_LINES = 500
TAIL_BYTES = 64 * 1024
READ_BYTES = 256 * 1024
TAIL_LINES = 2_000
LINE_CHARS = 4_000  # of one line; the rest of it is in the log file
EVENTS = 50
# Not for the page: the specification may be long, and a saved notebook needs none of these.
UNSENT = ("spec", "workspace", "interpreter", "plan_hash")

Frame = dict[str, Any]


class Readable(Protocol):
    """The reading half of a run."""

    @property
    def id(self) -> str: ...
    def snapshot(self) -> Any: ...
    def events(self, after: int = 0) -> list[Any]: ...
    def log(self, after: int = 0, limit: int = 65536) -> tuple[str, int]: ...


@dataclass(slots=True)
class News:
    """One round's reading. ``more``: the log goes on; read again soon."""

    snapshot: dict[str, Any]
    events: list[dict[str, Any]]
    frames: list[Frame] = field(default_factory=list)
    more: bool = False


class Reader:
    """Reads one run by cursors, each thing once. Used by one thread at a time."""

    def __init__(self, run: Readable) -> None:
        self.run = run
        self.wants_log = False
        self._seq = 0
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self._cursor = -TAIL_BYTES  # the API's word for "the last so many bytes"
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._line_no = 0

    def read(self) -> News:
        """The picture first: what the log says after it can only be newer."""
        snapshot = self.run.snapshot().to_dict()
        shown = {name: value for name, value in snapshot.items() if name not in UNSENT}
        shown["at"] = int(time.time() * 1000)  # the page's clock may be another
        news = News(sendable(shown), self._read_events(snapshot["seq"]))
        if self.wants_log:
            news.frames, news.more = self._read_log()
        return news

    def backlog(self, to: str) -> Iterator[Frame]:
        """The tail again, for one view that has just been made; at least one frame."""
        return self._framed(list(self._tail), self._line_no - len(self._tail), to)

    def _read_events(self, seq: int) -> list[dict[str, Any]]:
        if seq > self._seq:
            for event in self.run.events(self._seq):
                self._events.append(sendable(asdict(event)))
                self._seq = event.seq
        return list(self._events)

    def _read_log(self) -> tuple[list[Frame], bool]:
        before = self._cursor
        text, self._cursor = self.run.log(before, READ_BYTES)  # whole lines
        if not text:
            return [], False
        lines = [line[:LINE_CHARS] for line in text.removesuffix("\n").split("\n")]
        first, self._line_no = self._line_no, self._line_no + len(lines)
        self._tail.extend(lines)
        # Of the tail there is no more than was read; else a read that is nearly full means that more is waiting.
        return list(self._framed(lines, first)), before >= 0 and self._cursor - before > READ_BYTES // 2

    def _framed(self, lines: list[str], first: int, to: str | None = None) -> Iterator[Frame]:
        head = {"type": "log", "run": self.run.id, "to": to}
        starts = range(0, max(len(lines), 1), FRAME_LINES)  # of no lines too: a view waits for its tail
        yield from ({**head, "first": first + n, "lines": lines[n : n + FRAME_LINES]} for n in starts)


def sendable(value: Any) -> Any:
    """The same data with what isn't UTF-8 made visible.

    A local file's name may hold any bytes; sent as it is, it breaks the kernel's connection to the page.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {sendable(key): sendable(each) for key, each in value.items()}
    return [sendable(each) for each in value] if isinstance(value, list | tuple) else value
