"""A run's output, read in pieces: whole lines, and the bytes between which they stand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

CHUNK = 64 << 10


class Piece(NamedTuple):
    """Whole lines of an output, from byte ``start`` to before byte ``end``."""

    text: str
    start: int
    end: int


def after(path: Path, at: int, limit: int = CHUNK, lines: int | None = None) -> Piece:
    """What stands from byte ``at`` on (negative: so many from the end), at most ``limit`` bytes and ``lines`` lines."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = max(0, size + at) if at < 0 else min(at, size)
            file.seek(start)
            data = file.read(limit)
    except FileNotFoundError:
        return Piece("", 0, 0)
    if at < 0 and start > 0:
        cut = data.find(b"\n") + 1
        data, start = data[cut:], start + cut
    # A line still being written comes with the next call, unless it fills a chunk by itself.
    end = data.rfind(b"\n") + 1 or (len(data) if len(data) >= limit else 0)
    kept = data[:end] if lines is None else _first(data[:end], lines)
    return Piece(kept.decode("utf-8", "replace"), start, start + len(kept))


def before(path: Path, at: int, limit: int = CHUNK, lines: int | None = None) -> Piece:
    """The lines that end at byte ``at``: as many as fit into both limits, the last of them."""
    start = max(0, at - limit)
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(at - start)
    except FileNotFoundError:
        return Piece("", 0, 0)
    if start and (cut := data.find(b"\n") + 1) < len(data):  # it began in the middle of a line
        data, start = data[cut:], start + cut
    if lines is not None:
        kept = _last(data, lines)
        start, data = start + len(data) - len(kept), kept
    return Piece(data.decode("utf-8", "replace"), start, start + len(data))


def _first(data: bytes, lines: int) -> bytes:
    parts = data.split(b"\n", lines)
    return data[: len(data) - len(parts[-1])] if len(parts) > lines else data


def _last(data: bytes, lines: int) -> bytes:
    parts = data.rsplit(b"\n", lines + 1)  # the last is what stands behind the last line's end: nothing
    return data[len(parts[0]) + 1 :] if len(parts) > lines + 1 else data
