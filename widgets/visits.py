"""Another run than the panel's, opened in it: the page asks for what is new, and keeps the cursors."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import migrator as mg

from .reading import FRAME_LINES, READ_BYTES, READ_FRAMES, TAIL_BYTES, pictured
from .verbs import Verbs


class Visit(Verbs):
    """The asking half of a panel, on a run that is none of its own."""

    def __init__(self, run_id: str) -> None:
        self._migration = self._draft = None
        self._options = {}
        self._asking = threading.Lock()
        self._feed: Any = _Seat(mg.attach(run_id))


class _Seat:
    """In place of a feed: a run, and the one that took its place."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def show(self, run: Any) -> None:
        self.run = run

    def look_closely(self) -> None:
        """The page asks by itself."""


def look(run: Any, args: Mapping[str, Any]) -> dict[str, Any]:
    """What is new of a run after ``after`` (its events) and ``cursor`` (a byte of its output; by default its end)."""
    seen = run.snapshot()
    cursor = args.get("cursor")
    pieces = run.log_pieces(-TAIL_BYTES if cursor is None else int(cursor), READ_BYTES, FRAME_LINES, READ_FRAMES)
    return {
        "snapshot": pictured(seen),
        "ended": seen.terminal,
        "events": [asdict(event) for event in run.events(int(args.get("after") or 0))],
        "pieces": [{"text": piece.text, "start": piece.start} for piece in pieces if piece.text],
        "cursor": pieces[-1].end,
        "more": len(pieces) == READ_FRAMES,
    }
