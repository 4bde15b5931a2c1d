"""Who executes a shard: this process in turn, or several hands at once. Only the caller commits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..migrations import Executor, Migration
from .control import Control
from .hands import Handed, Hands
from .work import Work


def hand_out(
    migration: Migration, executor: Executor, works: Iterator[Work], control: Control, processes: int
) -> Iterator[Handed]:
    """Each shard with the receipts that it gives."""
    for work in works:
        if work.todo:
            works = chain([work], works)
            break
        yield work, ()  # the plan itself decided all of it, and nobody is called for that
    else:
        return
    if not processes:
        yield from ((work, executor.execute(work.shard, work.todo, control)) for work in works)
        return
    with Hands(migration, processes, control) as hands:
        yield from hands.work_off(works)
