"""Execute PurgeQuarantine: each object goes if it is still the one that was planned."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

from ..errors import StoreError
from ..migrations import Control, PurgeQuarantine
from ..migrations.purge_quarantine import inside
from ..model import Item, Receipt, Shard
from ..stores import open_store
from .crew import Crew
from .pace import Pace


class PurgeExecutor:
    """Deletes shards of what is kept below one place."""

    def __init__(self, migration: PurgeQuarantine) -> None:
        self._store = open_store(inside(migration.place))
        self._pace: Pace | None = None

    def execute(self, shard: Shard, rows: Sequence[Item], control: Control) -> Iterable[Receipt]:
        self._pace = self._pace or Pace.between(self._store, shares=control.shares)
        yield from Crew(self._pace, control, self._delete).run(rows)
        self._store.sync()

    def close(self) -> None:
        """Take away the folders that are empty now; the run still holds the place."""
        if self._store.location.kind != "local":
            return
        for folder, _, _ in os.walk(str(self._store.location.path), topdown=False):
            with suppress(OSError):
                os.rmdir(folder)

    def _delete(self, item: Item) -> Receipt:
        try:
            status, why = self._delete_if_same(item)
        except StoreError as error:
            status, why = "failed", f"it was not deleted: {error}"
        return Receipt(item.item_no, status, bytes=item.bytes, error=why, at=time.time_ns() // 1_000_000)

    def _delete_if_same(self, item: Item) -> tuple[str, str | None]:
        if self._store.remove(item.key, item.etag or ""):
            return "deleted", None
        if self._store.head(item.key) is None:
            return "skipped", None
        return "refused", "it changed since it was planned, so it stays"
