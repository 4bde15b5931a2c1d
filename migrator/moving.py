"""How fast a run is, and how long the rest takes: worked out of the tallies in its row.

`done` are the settled items, whatever became of them, and say how far it is. `moved` are those that the work carried
over. What the plan itself decided is done in an instant, and what failed was never moved: neither makes a run faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# What a plan decides by itself, by what it is tallied as.
DECIDED = {"skip": "skipped", "omit": "skipped", "refuse": "refused"}


class Amount(NamedTuple):
    """Items, and their bytes."""

    items: float
    size: float


def moved(row: Mapping[str, Any], done: int) -> tuple[int, int]:
    """Items and bytes that the work carried over, in all attempts; of a check what it compared."""
    if row["dry_run"]:
        return 0, 0
    settled = _decided(row, settled=True)
    items = done - settled.items if row["migration"] == "verify" else row["copied"] + row["adopted"]
    return max(0, round(items)), max(0, round(row["bytes_done"] - settled.size))


def seconds_left(row: Mapping[str, Any], done: int) -> float | None:
    """By the later of items and bytes; None while it can't be told.

    What is left fails as often as what was worked off, and an object that failed was of the middle size.
    """
    if row["status"] != "running" or not row["total"]:
        return None
    decided, (carried, carried_size) = _decided(row, settled=False), moved(row, done)
    items, size = row["total"] - decided.items, row["bytes_total"] - decided.size
    worked = done - _decided(row, settled=True).items
    if items <= worked:
        return 0.0
    share = carried / worked if carried and worked > 0 else 1.0
    failed = max(0.0, worked - carried)
    left = size - carried_size - failed * size / items
    times = [left * share / row["byte_rate"]] if left > 0 and row["byte_rate"] else []
    if row["rate"]:  # of large objects none may have ended for a while
        times.append((items - worked) * share / row["rate"])
    return round(max(times), 1) if times and (left <= 0 or row["byte_rate"]) else None


def _decided(row: Mapping[str, Any], *, settled: bool) -> Amount:
    """What the plan decided; of that what is `settled`: shard by shard as they are begun."""
    items = size = 0.0
    for status in ("skipped", "refused"):
        tallies = [tally for action, tally in row["actions"].items() if DECIDED.get(action) == status]
        planned = sum(tally["items"] for tally in tallies)
        part = min(1.0, row[status] / planned) if settled and planned else 1.0
        items += planned * part
        size += sum(tally["bytes"] for tally in tallies) * part
    return Amount(items, size)
