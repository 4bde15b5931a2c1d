"""Executes Verify: a crew compares a shard's objects, each difference is a receipt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..migrations import Control
from ..migrations.verify import Verify
from ..model import Item, Receipt, Shard
from ..stores import open_store
from .comparing import Comparer, Stopped
from .crew import Crew
from .pace import Pace


class VerifyExecutor:
    """Compares shards of objects between two stores that stay open."""

    def __init__(self, migration: Verify) -> None:
        self._migration = migration
        self._source = open_store(migration.source)
        self._target = open_store(migration.target)
        self._pace: Pace | None = None

    def execute(self, shard: Shard, rows: Sequence[Item], control: Control) -> Iterable[Receipt]:
        comparer = Comparer(self._source, self._target, control, metadata=self._migration.metadata)
        given, shares = self._migration.in_flight, control.shares
        self._pace = self._pace or Pace.between(self._source, self._target, shares=shares, given=given)
        return Crew(self._pace, control, lambda item: _compare(comparer, item)).run(rows)

    def close(self) -> None:
        """Nothing is held that the end of the process does not free."""


def _compare(comparer: Comparer, item: Item) -> Receipt | None:
    try:
        return comparer.compare(item)
    except Stopped:
        return None
