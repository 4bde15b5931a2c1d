"""From a migration's rows to a durable plan: numbered, cut into shards, hashed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from ..config import SHARD_BYTES, SHARD_ITEMS
from ..migrations import Migration
from ..migrations.choosing import Choosing
from ..migrations.renaming import Renaming
from ..model import Shard
from ..stores import Location, Store, open_store
from ..stores.local import LocalStore
from . import duck, files, manifests
from .joining import Terms, join_listings
from .listings import Expect, Listings, View, sieve_of

if TYPE_CHECKING:
    import duckdb

    from ..migrations.choices import Duplicates
    from .control import Control

Actions = dict[str, dict[str, int]]
Plan: TypeAlias = tuple[list[Shard], Actions, str]


class Planning:
    """The context that a migration plans with. Satisfies ``migrations.PlanContext``."""

    def __init__(
        self, workspace: Path, control: Control, *, dry_run: bool = False, expect: Expect = lambda _items, _size: None
    ) -> None:
        self.dry_run, self._expect = dry_run, expect
        self._scratch = workspace / "scratch"
        self._scratch.mkdir(exist_ok=True)
        self._control = control

    def open(self, location: Location) -> Store:
        return open_store(location)

    def diff(
        self, source: Store | Sequence[Store], target: Store, choosing: Choosing | None = None,
        renaming: Renaming | None = None, *, extras: bool = False, duplicates: Duplicates = "copy",
    ) -> Iterator[pa.Table]:  # fmt: skip
        listings = Listings(self._scratch, self._control, self._expect)
        manifest = choosing.manifest if choosing else None
        named = manifests.fetch(manifest, self._scratch) if manifest else None
        whole = extras or manifest is not None
        sources = source if isinstance(source, Sequence) else [source]
        # A sieve each: they are listed at the same time.
        views = [View(sieve_of(choosing), renaming, target.refusal, whole, place) for place in range(len(sources))]
        seen = View(sieve_of(choosing), whole=True) if extras else View()
        *here, there = listings.all([*zip(sources, views, strict=True)], (target, seen))
        terms = Terms(
            target.folding() if isinstance(target, LocalStore) else None, bool(renaming and renaming.renames),
            renaming.collisions if renaming else "refuse", extras, manifest is not None,
            tuple(str(store.location) for store in sources) if len(sources) > 1 else (),
            None if duplicates == "copy" else partial(self._find_contents, sources), duplicates == "once",
        )  # fmt: skip
        with duck.connect(self._scratch) as connection:
            if manifest and named:
                manifests.load(connection, named, manifest, terms.sources)
            yield from join_listings(connection, here, there, terms)

    def _find_contents(self, sources: Sequence[Store], connection: duckdb.DuckDBPyConnection) -> None:
        from .doubles import find_contents

        find_contents(connection, sources, self._scratch, self._control)

    def cancelled(self) -> bool:
        return self._control.cancelled()

    def warn(self, text: str) -> None:
        self._control.warn(text)

    def clear(self) -> None:
        self._control.listed_items = 0
        shutil.rmtree(self._scratch, ignore_errors=True)


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
    for action, size in zip(table["action"].to_pylist(), table["bytes"].to_pylist(), strict=True):
        tally = actions.setdefault(action, {"items": 0, "bytes": 0})
        tally["items"] += 1
        tally["bytes"] += size
