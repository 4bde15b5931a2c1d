"""Execute DeleteSource and DeleteExtra: each object is looked at once more, on both sides, and then deleted."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence

from ..errors import StoreError
from ..migrations import Control
from ..migrations.delete_extra import DeleteExtra
from ..migrations.delete_source import DeleteSource
from ..model import Item, Receipt, Shard
from ..stores import Attributes, Store, open_store
from .crew import Crew
from .pace import Pace
from .quarantine import Quarantine
from .standing import name_of


class DeleteExecutor:
    """Deletes shards of objects from one of two places, by what the other one holds."""

    def __init__(self, migration: DeleteSource | DeleteExtra) -> None:
        self._migration = migration
        places = open_store(migration.source), open_store(migration.target)
        self._from, self._other = places if isinstance(migration, DeleteSource) else reversed(places)
        self._objection = _copy_is_lost if isinstance(migration, DeleteSource) else _has_come_back
        self._apart = False
        self._pace: Pace | None = None

    def execute(self, shard: Shard, rows: Sequence[Item], control: Control) -> Iterable[Receipt]:
        self._tell_apart(control)
        self._pace = self._pace or Pace.between(self._from, shares=control.shares)
        if self._migration.before == "keep":
            rows, failed = Quarantine(self._from, control, replaced=("delete",)).keep(rows, self._pace)
            yield from failed
        yield from Crew(self._pace, control, self._delete).run(rows)
        self._from.sync()

    def close(self) -> None:
        """Nothing is held that the end of the process does not free."""

    def _tell_apart(self, control: Control) -> None:
        """One place under two names would lose the only copy: what is written to the one must not be in the other."""
        if self._apart:
            return
        name = f".migrator-trial-{control.run_id}-{control.attempt}-{os.getpid()}"
        written = self._from.put(name, b"one", Attributes(), before=None, mtime=None, scratch=name)
        try:
            if self._other.head(name) is not None:
                raise StoreError(
                    f"{self._from.location} and {self._other.location} are the same place under two names: to delete "
                    "from the one would delete from the other. Nothing was deleted."
                )
        finally:
            self._from.remove(name, written.etag or "")
        self._apart = True

    def _delete(self, item: Item) -> Receipt:
        try:
            return self._delete_if_right(item)
        except StoreError as error:
            return _receipt(item, "failed", f"it was not deleted: {error}")

    def _delete_if_right(self, item: Item) -> Receipt:
        standing = self._from.head(item.key)
        if standing is None:
            return _receipt(item, "skipped")
        if standing.etag != item.etag:
            return _receipt(item, "refused", "it changed since it was planned, so it stays")
        if objection := self._objection(item, self._other):
            return _receipt(item, "refused", f"{objection}, so it stays")
        if not self._from.remove(item.key, standing.etag or ""):
            return _receipt(item, "refused", "it changed just now, so it stays")
        return _receipt(item, "deleted")


def _copy_is_lost(item: Item, target: Store) -> str | None:
    there = target.head(name_of(item))
    if there is None:
        return "its copy is gone"
    return None if there.etag == json.loads(item.before or "{}")["etag"] else "its copy is another version now"


def _has_come_back(item: Item, source: Store) -> str | None:
    # By its own name only: what a renamed object of the source would be called is in the plan's listing.
    return "the source has it by now" if source.head(item.key) is not None else None


def _receipt(item: Item, status: str, error: str | None = None) -> Receipt:
    evidence = json.loads(item.detail or "{}").get("evidence") if status == "deleted" else None
    return Receipt(item.item_no, status, evidence, None, item.bytes, None, None, error, time.time_ns() // 1_000_000)
