"""A run's plan and receipts as tables: DuckDB relations, pages, and files for other runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import feed
from .errors import BadInput, StateError
from .model import ItemStatus, Shard
from .quarantines import read_manifest
from .state import StateDB, journal
from .state import runs as rows

if TYPE_CHECKING:
    import duckdb


class Tables:
    """Reads what one run planned and what came of it, item by item: a fixed picture of the moment of each call."""

    def __init__(self, run_id: str, state: StateDB) -> None:
        self.id = run_id
        self.state = state

    def plan(self) -> duckdb.DuckDBPyRelation:
        """Every intended action with its reason, as a DuckDB relation: ``.df()``, ``.filter("size > 1e6")``.

        Its columns are those that ``where=`` of `migrator.apply` may use: ``key target_key action reason size mtime
        etag before detail source`` (``size`` in bytes, ``mtime`` a timestamp in UTC; ``source`` where there are
        several).
        """
        from .engine import duck

        folder, shards = self._files()
        return duck.relate_plan(folder / "scratch", [folder / shard.plan_file for shard in shards])

    def items(self, status: ItemStatus | None = None) -> duckdb.DuckDBPyRelation:
        """The plan joined with the receipts, as a DuckDB relation: ``.df()``, ``.pl()``, ``.arrow()``.

        It is a fixed picture of this moment, with a connection of its own. ``detail`` is JSON, or null; of a file whose
        name is not UTF-8, and so stands escaped in ``key``, it has the bytes in hexadecimal as ``key_bytes``.

        Parameters
        ----------
        status : str, optional
            Only items of this status.
        """
        _check_statuses([] if status is None else [status])
        from .engine import duck

        return duck.relate_items(self._files()[0] / "scratch", *self._items_files(), status)

    def key_map(self) -> duckdb.DuckDBPyRelation:
        """The objects that stand at the target now, and under which name: ``key target_key status etag source``.

        From it references to them are rewritten: ``.df()``, ``.write_parquet("map.parquet")``. Several keys may have
        one name, where the same bytes were copied once. ``source`` says which of several sources has the key.
        """
        held = "status in ('copied', 'adopted', 'skipped') and action != 'omit'"
        columns = "key, coalesce(target_key, key) as target_key, status, coalesce(written_etag, etag) as etag, source"
        # What was to be there under another one's name is not, where that one was not copied.
        items = self.items()
        missed = items.filter("status in ('pending', 'failed', 'refused')").project("target_key as missed").distinct()
        there = items.filter(held).join(missed.set_alias("m"), "target_key = m.missed", how="anti")
        return there.project(columns)

    def duplicates(self) -> duckdb.DuckDBPyRelation:
        """Objects of the same bytes under several keys, largest first: ``content size key target_key source copies``.

        ``content`` is the hash by which they are the same: found out in the plan with ``duplicates="report"`` or
        ``"once"``, else that of a receipt or of the source's listing. Empty where none is known.
        """
        from .engine import duck

        return duck.relate_duplicates(self._files()[0] / "scratch", *self._items_files())

    def compare(self, other: Tables) -> duckdb.DuckDBPyRelation:
        """Where two runs differ: the keys that only one has, or that came out differently, and how.

        The columns: ``key``, then ``action status size etag error`` of this run, and of the ``other_`` one.
        """
        from .engine import duck

        mine, others = (run._items_files() for run in (self, other))
        return duck.relate_difference(self._files()[0] / "scratch", mine, others)

    def kept(self) -> duckdb.DuckDBPyRelation:
        """What this run keeps in quarantine, as it wrote it down before it replaced or deleted anything.

        The columns: ``at attempt because key kept_as size mtime etag kept_etag digest evidence`` and, as JSON,
        ``headers metadata tags``; times are milliseconds since the epoch.

        Raises
        ------
        BadInput
            If it kept nothing.
        StoreError
            If it is not there any more, or can't be read.
        """
        from .engine import duck

        return duck.relate_table(self._files()[0] / "scratch", read_manifest(feed.snapshot(self.state, self.id)))

    def page(
        self, status: Sequence[ItemStatus] = (), text: str = "", offset: int = 0, limit: int = 100, reason: str = ""
    ) -> list[dict[str, Any]]:
        """A page of the items as dictionaries, quick also where there are millions.

        Parameters
        ----------
        status : sequence of str
            Only items of these: the first one's, then the next one's; in the plan's order.
        text : str
            Only items with this in their key, whatever the case.
        offset, limit : int
            From which one on, and how many at most.
        reason : str
            Only items that failed or were refused for this one of `reasons`.
        """
        return [row for rows in self.item_batches(status, text, offset, limit, reason) for row in rows]

    def item_batches(
        self, status: Sequence[ItemStatus] = (), text: str = "", offset: int = 0, limit: int | None = None,
        reason: str = "",
    ) -> Iterator[list[dict[str, Any]]]:  # fmt: skip
        """The same in batches, by default to the end, so that memory stays flat."""
        _check_statuses(status)
        from .engine import paging

        return paging.find_items(*self._files(), status, text, max(0, offset), limit, reason)

    def manifest(self, *statuses: ItemStatus) -> Path:
        """The keys of the items of these statuses as a Parquet file, which ``manifest=`` of another run takes.

        Raises
        ------
        BadInput
            If there are none.
        """
        _check_statuses(statuses)
        chosen = self.items().filter(f"status in ({', '.join(map(repr, statuses))})").select("key", "source")
        nothing = f"Run {self.id} has no items that are {' or '.join(statuses)}."
        return self._written(chosen, f"manifest-{'-'.join(statuses)}", nothing)

    def proved(self, source: str | None = None) -> Path:
        """What this copy has proved, as a Parquet file: ``key target_key size mtime etag written_etag evidence``.

        With ``source`` only of this one of several sources.

        Raises
        ------
        BadInput
            If it proved nothing.
        """
        from .engine import duck

        of = "source is null" if source is None else f"source = {duck.listed([source])}[1]"
        proof = "status in ('copied', 'adopted') and evidence in ('server-hash', 're-read') and action != 'omit'"
        columns = "key, coalesce(target_key, key) as target_key, size, null::bigint as mtime, etag, written_etag,"
        found = self.items().filter(f"{of} and {proof}").project(f"{columns} evidence")
        nothing = f"Run {self.id} has copied nothing by evidence of server-hash or re-read."
        return self._written(found, "proved", nothing)

    def _written(self, rows: duckdb.DuckDBPyRelation, name: str, nothing: str) -> Path:
        """Rows as a Parquet file of the workspace; BadInput, which says ``nothing``, where there are none."""
        if not rows.limit(1).fetchall():
            raise BadInput(nothing)
        path = self._files()[0] / f"{name}-{time.time_ns()}.parquet"
        rows.write_parquet(str(path))
        return path

    def _items_files(self) -> tuple[list[Path], list[Path]]:
        """The files of its plan and of its receipts."""
        folder, shards = self._files()
        receipts = [folder / file for shard in shards for file in shard.receipts]
        return [folder / shard.plan_file for shard in shards], receipts

    def _files(self) -> tuple[Path, list[Shard]]:
        """The workspace, and what of it the state DB names. Raises StateError where somebody removed it."""
        folder = Path(self._row()["workspace"])
        with self.state.read() as connection:
            shards = journal.read_shards(connection, self.id)
        if shards and not (folder / shards[0].plan_file).exists():
            raise StateError(
                f"What run {self.id} kept in {folder} is not there: somebody removed it, or it is on another machine. "
                "What became of each item is not known without it."
            )
        return folder, shards

    def _row(self) -> rows.Row:
        with self.state.read() as connection:
            return rows.get(connection, self.id)


def _check_statuses(given: Sequence[str]) -> None:
    known = get_args(ItemStatus)
    for status in given:
        if status not in known:
            raise BadInput(f"There is no item status {status!r}; there are {', '.join(known)}.")
