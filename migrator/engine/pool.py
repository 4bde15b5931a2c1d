"""Who executes a shard: this process in turn, or several hands at once. Only the caller commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain

from ..migrations import Executor, Migration
from .control import Control
from .hands import Handed, Hands
from .work import Work


class Pool:
    """The processes of one attempt. Leave it by ``with``, and none of the hands is left."""

    def __init__(self, migration: Migration, control: Control) -> None:
        self._migration, self._control = migration, control
        self._hands: Hands | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def expect(self, items: int, size: int) -> None:
        """So much at least will be to do: the hands for it get ready meanwhile, which takes them most of a second."""
        number = self._migration.processes_for(items, size) if items else 0
        if number and self._hands is None and not self._control.stopped:
            self._get(number).get_ready()

    def hand_out(self, executor: Executor, works: Iterator[Work], processes: int) -> Iterator[Handed]:
        """Each shard with the receipts that it gives."""
        for work in works:
            if work.todo:
                works = chain([work], works)
                break
            self._control.begin_engine()
            yield work, ()  # the plan itself decided all of it, and nobody is called for that
        else:
            return
        if not processes:
            self._control.begin_engine()
            yield from ((work, executor.execute(work.shard, work.todo, self._control)) for work in works)
            return
        try:
            yield from self._get(processes).work_off(works)
        finally:
            self._stack.close()

    def _get(self, number: int) -> Hands:
        self._hands = self._hands or self._stack.enter_context(Hands(self._migration, number, self._control))
        return self._hands
