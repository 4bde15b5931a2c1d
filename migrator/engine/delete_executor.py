"""Executes DeleteSource: each object is looked at once more, on both sides, and then deleted."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence

from ..errors import StoreError
from ..migrations import Control
from ..migrations.delete_source import DeleteSource
from ..model import Item, Receipt, Shard
from ..stores import Attributes, open_store
from .crew import Crew
from .quarantine import Quarantine


class DeleteExecutor:
    """Deletes shards of objects from a source whose target stays."""

    def __init__(self, migration: DeleteSource) -> None:
        self._migration = migration
        self._source = open_store(migration.source)
        self._target = open_store(migration.target)
        self._apart = False

    def execute(self, shard: Shard, rows: Sequence[Item], control: Control) -> Iterable[Receipt]:
        self._tell_apart(control)
        threads = max(1, self._source.capabilities.threads // control.shares)
        if self._migration.before == "keep":
            rows, failed = Quarantine(self._source, control, replaced=("delete",)).keep(rows, threads)
            yield from failed
        crew: Crew[Receipt] = Crew(threads, control)
        yield from crew.run(self._delete, rows)
        self._source.sync()

    def close(self) -> None:
        """Nothing is held that the end of the process does not free."""

    def _tell_apart(self, control: Control) -> None:
        """One place under two names would lose the only copy: what is written to the one must not be in the other."""
        if self._apart:
            return
        name = f".migrator-trial-{control.run_id}-{control.attempt}-{os.getpid()}"
        written = self._source.put(name, b"one", Attributes(), before=None, mtime=None, scratch=name)
        try:
            if self._target.head(name) is not None:
                raise StoreError(
                    f"{self._migration.source} and {self._migration.target} are the same place under two names: to "
                    "delete the source would delete the copy. Nothing was deleted."
                )
        finally:
            self._source.remove(name, written.etag or "")
        self._apart = True

    def _delete(self, item: Item) -> Receipt:
        try:
            return self._delete_if_proved(item)
        except StoreError as error:
            return _receipt(item, "failed", f"it was not deleted: {error}")

    def _delete_if_proved(self, item: Item) -> Receipt:
        here = self._source.head(item.key)
        if here is None:
            return _receipt(item, "skipped")
        if here.etag != item.etag:
            return _receipt(item, "refused", "it changed since it was copied, so it stays")
        there = self._target.head(item.target_key or item.key)
        if there is None or there.etag != json.loads(item.before or "{}")["etag"]:
            what = "is gone" if there is None else "is another version now"
            return _receipt(item, "refused", f"its copy {what}, so it stays")
        if not self._source.remove(item.key, here.etag or ""):
            return _receipt(item, "refused", "it changed just now, so it stays")
        return _receipt(item, "deleted")


def _receipt(item: Item, status: str, error: str | None = None) -> Receipt:
    evidence = json.loads(item.detail or "{}").get("evidence") if status == "deleted" else None
    return Receipt(item.item_no, status, evidence, None, item.bytes, None, None, error, time.time_ns() // 1_000_000)
