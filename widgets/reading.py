"""What a panel has read of its run so far, and what is new since: the whole of its memory of the log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

FRAME_LINES = 500
TAIL_BYTES = 64 * 1024
READ_BYTES, READ_FRAMES = 64 * 1024, 16
TAIL_FRAMES = 4
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
    def log_pieces(self, after: int, limit: int, lines: int, most: int) -> list[Any]: ...


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
        # Whole pieces, so that it is known at which byte of the log they begin: what is older is asked for by that.
        self._tail: deque[tuple[int, int, list[str]]] = deque(maxlen=TAIL_FRAMES)
        self._line_no = 0

    def read(self) -> News:
        """The picture first: what the log says after it can only be newer."""
        shown = pictured(self.run.snapshot())
        news = News(shown, self._read_events(shown["seq"]))
        if self.wants_log:
            news.frames, news.more = self._read_log()
        return news

    def backlog(self, to: str) -> Iterator[Frame]:
        """The tail again, for one view that has just been made; at least one frame."""
        for first, start, lines in self._tail or [(self._line_no, 0, [])]:
            yield self._frame(first, start, lines, to)

    def _read_events(self, seq: int) -> list[dict[str, Any]]:
        if seq > self._seq:
            for event in self.run.events(self._seq):
                self._events.append(sendable(asdict(event)))
                self._seq = event.seq
        return list(self._events)

    def _read_log(self) -> tuple[list[Frame], bool]:
        pieces = self.run.log_pieces(self._cursor, READ_BYTES, FRAME_LINES, READ_FRAMES)
        self._cursor = pieces[-1].end
        return [self._keep(piece) for piece in pieces if piece.text], len(pieces) == READ_FRAMES

    def _keep(self, piece: Any) -> Frame:
        lines = [line[:LINE_CHARS] for line in piece.text.removesuffix("\n").split("\n")]
        first, self._line_no = self._line_no, self._line_no + len(lines)
        self._tail.append((first, piece.start, lines))
        return self._frame(first, piece.start, lines)

    def _frame(self, first: int, start: int, lines: list[str], to: str | None = None) -> Frame:
        return {"type": "log", "run": self.run.id, "to": to, "first": first, "start": start, "lines": lines}


def pictured(seen: Any) -> dict[str, Any]:
    """A snapshot as a page takes it, with the moment: the page's clock may be another."""
    return sendable({**sent(seen), "at": int(time.time() * 1000)})


def sent(seen: Any) -> dict[str, Any]:
    """What a page is told of a snapshot."""
    return {name: value for name, value in seen.to_dict().items() if name not in UNSENT}


def sendable(value: Any) -> Any:
    """The same data with what isn't UTF-8 made visible.

    A local file's name may hold any bytes; sent as it is, it breaks the kernel's connection to the page.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {sendable(key): sendable(each) for key, each in value.items()}
    return [sendable(each) for each in value] if isinstance(value, list | tuple) else value
