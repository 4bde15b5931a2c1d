"""How fast a source can be read: some of a plan's objects, for two seconds at most, so that a time can be told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import StoreError
from ..migrations import CopyObjects
from ..model import Item
from ..stores import open_store
from ..words import counted, lasting, sized

OBJECTS, AT_ONCE, MOST_S, MOST_BYTES = 32, 8, 2.0, 8 << 20


def probe(migration: CopyObjects, rows: Sequence[Item]) -> dict[str, Any] | None:
    """Read some of these rows' objects, the first bytes of large ones; writes nothing.

    Returns
    -------
    dict, optional
        ``objects``, ``bytes``, ``seconds``; None where nothing was read.
    """
    written = [row for row in rows if row.action in ("create", "overwrite")]
    taken = written[:: max(1, len(written) // OBJECTS)][:OBJECTS]
    sources = {name: open_store(place) for name, place in migration.named().items()}
    over = time.monotonic() + MOST_S

    def read(row: Item) -> int:
        size = 0
        if time.monotonic() > over:
            return -1
        try:
            with sources[row.source].open(row.key, row.etag) as body:
                for chunk in body.chunks(1 << 20):
                    size += len(chunk)
                    if size >= MOST_BYTES or time.monotonic() > over:
                        break
        except StoreError:
            return -1  # the copy meets it again, and says so
        return size

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sizes = [size for size in pool.map(read, taken) if size >= 0]
    seconds = max(time.monotonic() - began, 0.001)
    return {"objects": len(sizes), "bytes": sum(sizes), "seconds": round(seconds, 4)} if sizes else None


def told_time(measured: dict[str, Any], objects: int, size: int) -> str:
    """How long a plan of so many objects and bytes takes to read at this rate."""
    large = size >= objects * MOST_BYTES  # of those the probe read only the beginnings
    by_bytes = size / measured["bytes"] if measured["bytes"] else 0.0
    share = by_bytes if large else max(by_bytes, objects / measured["objects"])
    rate = measured["objects"] / measured["seconds"], sized(measured["bytes"] / measured["seconds"])
    return (
        f"Time: about {lasting(max(1.0, measured['seconds'] * share))} to read, by a probe of "
        f"{counted(measured['objects'], 'object')}, {AT_ONCE} at once: {rate[0]:,.0f} and {rate[1]} a second. Writing "
        "comes on top."
    )
