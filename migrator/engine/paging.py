"""A page of a run's items from few of its files: a run may have millions, and a page shows fifty.

Shards stand in the plan's order and their rows say how many items of each status they hold. So most of
them are passed over unread, and those that are read come in batches that grow until the page is full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..model import SETTLED, TALLIED_AS, Shard
from ..reasons import matching
from . import duck

MOST_SHARDS = 32  # in one batch: about 160,000 items
Row = dict[str, Any]


def find_items(
    workspace: Path,
    shards: Sequence[Shard],
    statuses: Sequence[str],
    text: str,
    skip: int,
    limit: int | None,
    reason: str = "",
) -> Iterator[list[Row]]:
    """Items in batches: those of the first status, then of the next; in the plan's order.

    Parameters
    ----------
    statuses : sequence of str
        None at all stands for any.
    text : str
        Only items with this in their key, whatever the case.
    skip : int
        So many are left out first.
    limit : int, optional
        So many at most; by default all.
    reason : str
        Only items that failed or were refused for this, as `migrator.reasons` words it.
    """
    why = matching(reason) if reason else None
    with duck.connect(workspace / "scratch") as connection:
        for status in statuses or (None,):
            first, skip = (0, skip) if text or reason else _pass_over(shards, status, skip)
            for batch in _batches([shard for shard in shards[first:] if _held(shard, status) != 0]):
                most = None if limit is None else skip + limit
                duck.relate(connection, *_files(workspace, batch), text)
                rows = duck.fetch_items(connection, status, most, why)
                yield rows[skip:]
                if limit is not None and (limit := limit - len(rows[skip:])) <= 0:
                    return
                skip = max(0, skip - len(rows))


def _pass_over(shards: Sequence[Shard], status: str | None, skip: int) -> tuple[int, int]:
    """The shard where a page begins that far in, and what is to be left out from there on."""
    for number, shard in enumerate(shards):
        held = _held(shard, status)
        if held is None or held > skip:
            return number, skip
        skip -= held
    return len(shards), skip


def _held(shard: Shard, status: str | None) -> int | None:
    """How many items of this status it holds, where its row tells."""
    if status is None:
        return shard.items
    settled = status in SETTLED
    if shard.state == "done":
        return getattr(shard.counts, TALLIED_AS.get(status, status)) if settled else 0
    return 0 if not shard.receipts and status in ("copied", "adopted", "failed", "cancelled") else None


def _batches(shards: Sequence[Shard]) -> Iterator[Sequence[Shard]]:
    """One shard, then two, four and so on: the first page comes at once, a long search reads much at a time."""
    start, size = 0, 1
    while start < len(shards):
        yield shards[start : start + size]
        start, size = start + size, min(size * 2, MOST_SHARDS)


def _files(workspace: Path, shards: Sequence[Shard]) -> tuple[list[Path], list[Path]]:
    receipts = [workspace / name for shard in shards for name in shard.receipts]
    return [workspace / shard.plan_file for shard in shards], receipts
