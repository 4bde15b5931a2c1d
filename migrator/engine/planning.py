"""From a migration's rows to a durable plan: numbered, cut into shards, hashed."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from ..config import SHARD_BYTES, SHARD_ITEMS
from ..migrations import Migration
from ..migrations.choosing import Choosing
from ..model import Shard
from ..stores import Location, ObjectInfo, Store, open_store
from ..stores.local import LocalStore
from . import duck, files
from .sieve import Sieve

if TYPE_CHECKING:
    from .control import Control

log = logging.getLogger("migrator")

LISTING = pa.schema(
    [
        ("key", pa.string()), ("size", pa.int64()), ("mtime", pa.int64()), ("etag", pa.string()),
        ("problem", pa.string()),
    ]
)  # fmt: skip

Actions = dict[str, dict[str, int]]
Plan: TypeAlias = tuple[list[Shard], Actions, str]
Refusal: TypeAlias = Callable[[str, int], str | None]


class Planning:
    """The context that a migration plans with. Satisfies ``migrations.PlanContext``."""

    def __init__(self, workspace: Path, control: Control, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self._scratch = workspace / "scratch"
        self._scratch.mkdir(exist_ok=True)
        self._control = control

    def open(self, location: Location) -> Store:
        return open_store(location)

    def diff(self, source: Store, target: Store, choosing: Choosing | None = None) -> Iterator[pa.Table]:
        sieve = _sieve(choosing) if choosing else None
        here = self._list(source, "source", must_exist=True, refusal=target.refusal, sieve=sieve)
        there = self._list(target, "target", must_exist=False)
        with duck.connect(self._scratch) as connection:
            folding = target.folding() if isinstance(target, LocalStore) else None
            yield from duck.join_listings(connection, here, there, folding)

    def cancelled(self) -> bool:
        return self._control.cancelled()

    def warn(self, text: str) -> None:
        self._control.warn(text)

    def clear(self) -> None:
        self._control.listed_items = 0
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _list(
        self, store: Store, name: str, *, must_exist: bool, refusal: Refusal | None = None, sieve: Sieve | None = None
    ) -> Path:
        """A listing on disk, so that memory stays flat whatever its length.

        ``refusal`` says what of it the target can't hold: such a key is in no other key's way. ``sieve`` leaves out
        what was not chosen.
        """
        listed = chosen = 0
        path = self._scratch / f"{name}.parquet"
        absent = not must_exist and store.location.kind == "local" and not Path(str(store.location.path)).exists()
        with pq.ParquetWriter(path, LISTING) as writer:
            for page in () if absent else store.list():
                self._control.check()
                self._control.listed(len(page) if must_exist else 0)
                listed += len(page)
                if sieve and page:
                    page = [page[place] for place in sieve.choose(_seen(page))]
                chosen += len(page)
                if refusal:
                    page = [one._replace(problem=why) if (why := _problem(one, refusal)) else one for one in page]
                columns = zip(*page, strict=True) if page else ([] for _ in LISTING)
                writer.write_table(
                    pa.table([files.column(c, f.type) for c, f in zip(columns, LISTING, strict=True)], LISTING)
                )
        if sieve:
            log.info("plan: %s of %s listed objects are chosen", f"{chosen:,}", f"{listed:,}")
            if listed and not chosen:
                self._control.warn(f"None of the {listed:,} objects listed at {store.location} is chosen.")
        return path


def _sieve(choosing: Choosing) -> Sieve | None:
    conditions = choosing.conditions(datetime.now(UTC))
    return Sieve(choosing.where, conditions) if conditions or choosing.where is not None else None


def _seen(page: Sequence[ObjectInfo]) -> pa.Table:
    """Listed objects as people name their columns."""
    keys, sizes, times, etags, _ = zip(*page, strict=True)
    return pa.table({
        "key": files.column(keys, pa.string()), "size": pa.array(sizes, pa.int64()),
        "mtime": pa.array(times, pa.timestamp("ms")), "etag": files.column(etags, pa.string()),
    })  # fmt: skip


def _problem(one: ObjectInfo, refusal: Refusal) -> str | None:
    return one.problem or refusal(one.key, one.size)


def make_plan(migration: Migration, planning: Planning, workspace: Path, label: str, control: Control) -> Plan:
    """Write a plan's files; nothing names them yet.

    Returns
    -------
    tuple
        The shards, the tally of intended actions, and the plan's hash.
    """
    return write_plan(_number(migration.plan(planning), control), workspace, label)


def write_plan(tables: Iterator[pa.Table], workspace: Path, label: str) -> Plan:
    """The same of rows that are numbered already."""
    folder = workspace / "plan"
    folder.mkdir(exist_ok=True)
    shards: list[Shard] = []
    actions: Actions = {}
    digest = hashlib.sha256()
    for table in _shard(tables):
        name = f"plan/{len(shards):05d}-{label}.parquet"
        digest.update(files.write_durably(table, workspace / name).encode())
        shards.append(Shard(len(shards), table.num_rows, sum(table["bytes"].to_pylist()), name))
        _tally(table, actions)
    return shards, actions, digest.hexdigest()


def _number(batches: Iterator, control: Control) -> Iterator[pa.Table]:
    number = 0
    for batch in batches:
        control.check()
        table = files.plan_table(batch, number)
        number += table.num_rows
        yield table


def _shard(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Re-cut tables so that each holds at most SHARD_ITEMS rows and about SHARD_BYTES bytes.

    A row larger than that is a shard by itself.
    """
    held: list[pa.Table] = []
    items = size = 0
    for table in tables:
        start = 0
        for row, row_bytes in enumerate(table["bytes"].to_pylist()):
            if items and (items == SHARD_ITEMS or size + row_bytes > SHARD_BYTES):
                yield pa.concat_tables([*held, table.slice(start, row - start)])
                held, items, size, start = [], 0, 0, row
            items, size = items + 1, size + row_bytes
        held.append(table.slice(start))
    if items:
        yield pa.concat_tables(held)


def _tally(table: pa.Table, actions: Actions) -> None:
    sums = table.group_by("action").aggregate([("bytes", "sum"), ("item_no", "count")])
    for row in sums.to_pylist():
        tally = actions.setdefault(row["action"], {"items": 0, "bytes": 0})
        tally["items"] += row["item_no_count"]
        tally["bytes"] += row["bytes_sum"]
