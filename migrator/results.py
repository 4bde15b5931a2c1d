"""What is true of a run, and what its plan and receipts say, as data: the reading half of its handle."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import feed, transcript
from .config import EXCEPTION_ROWS
from .errors import BadInput
from .migrations import CopyObjects
from .model import Event, ItemStatus, Shard, Snapshot
from .quarantines import expiry, keeps, place_of, read_manifest
from .reasons import grouped
from .state import StateDB, journal
from .state import runs as rows

if TYPE_CHECKING:
    import duckdb

    from .engine.summary import PlanSummary
    from .report import Report
    from .stores import Preflight


class Results:
    """Reads what is true of one run: its picture, its plan, its items and what they come to."""

    def __init__(self, run_id: str, state: StateDB) -> None:
        self.id = run_id
        self.state = state

    @property
    def status(self) -> str:
        """The run's status at this moment."""
        return self.snapshot().status

    def snapshot(self) -> Snapshot:
        """The present picture of the run."""
        return feed.snapshot(self.state, self.id)

    def events(self, after: int = 0) -> list[Event]:
        """Facts with a number above ``after``, oldest first."""
        return feed.events_after(self.state, self.id, after)

    def log(self, after: int = 0, limit: int = transcript.CHUNK) -> tuple[str, int]:
        """Whole lines of the run's output from byte ``after``, and the cursor for the next call.

        A negative ``after`` means that many bytes from the end.
        """
        piece = transcript.after(self._output, after, limit)
        return piece.text, piece.end

    def log_pieces(self, after: int, limit: int, lines: int, most: int) -> list[transcript.Piece]:
        """The output from byte ``after`` (negative: from the end) in pieces of so many bytes and lines.

        There are ``most`` at most, and always one, which may be empty.
        """
        path, found = self._output, list[transcript.Piece]()
        while len(found) < most:
            found.append(transcript.after(path, found[-1].end if found else after, limit, lines))
            if not found[-1].text:
                break
        return found if len(found) == 1 or found[-1].text else found[:-1]

    def log_before(self, before: int, limit: int = transcript.CHUNK, lines: int | None = None) -> transcript.Piece:
        """The lines that end at byte ``before``, as many as fit into both limits."""
        return transcript.before(self._output, before, limit, lines)

    def exceptions(self, limit: int = 200) -> list[dict[str, object]]:
        """The first items that failed or were refused: ``item_no key status error``."""
        return feed.failures(self.state, self.id, limit)

    def reasons(self, most: int = 8) -> list[dict[str, Any]]:
        """Why items failed or were refused, the most frequent reasons: ``status gist items``.

        What differs from one item to the next is left out of a ``gist``. Of the items that the state DB keeps, the
        first ten thousand.
        """
        return grouped(feed.failures(self.state, self.id, EXCEPTION_ROWS), most)

    def preflight(self) -> Preflight:
        """Try what it needs of its two places, as `migrator.preflight` does; what is written for that is taken back.

        Raises
        ------
        BadInput
            If it is not between two places.
        """
        from .stores import Location, preflight

        spec = self.snapshot().spec
        if not {"source", "target"} <= spec.keys():
            raise BadInput(f"Run {self.id} is not between two places; there is nothing to try.")
        sources = [Location.parse(place) for place in (spec["source"], *spec.get("more_sources", ()))]
        return preflight(sources, Location.parse(spec["target"]))

    def plan(self) -> duckdb.DuckDBPyRelation:
        """Every intended action with its reason, as a DuckDB relation: ``.df()``, ``.filter("size > 1e6")``.

        Its columns are those that ``where=`` of `migrator.apply` may use: ``key target_key action reason size mtime
        etag before detail source`` (``size`` in bytes, ``mtime`` a timestamp in UTC; ``source`` where there are
        several).
        """
        from .engine import duck

        folder, shards = self._files()
        return duck.relate_plan(folder / "scratch", [folder / shard.plan_file for shard in shards])

    def plan_summary(self) -> PlanSummary:
        """The plan by action and reason, with the biggest objects and some of each; it prints well."""
        from .engine.summary import summarize

        folder, shards = self._files()
        row = self._row()
        spec = CopyObjects.model_validate(row["spec"]) if row["migration"] == "copy-objects" else None
        places, more = spec and (spec.named(), spec.target), filter(None, [spec and spec.deletes])
        measured = next((dict(one.data) for one in reversed(self.events()) if one.kind == "probe"), None)
        plans = [folder / shard.plan_file for shard in shards]
        return summarize(self.id, folder / "scratch", plans, places, more, measured)

    def report(self) -> Report:
        """The run's record on one page: what, by whom, by which plan, what came of it and by which evidence.

        ``.to_html()``, ``.to_markdown()`` and ``.to_json()`` give it away; a notebook shows it.
        """
        from .engine.reporting import tally
        from .report import Report

        tallies = tally(self._files()[0] / "scratch", *self._items_files())
        told = [{"at": one.at, "kind": one.kind, "data": dict(one.data)} for one in self.events()]
        seen = self.snapshot()
        kept = str(place_of(seen)[0]) if keeps(seen) else None
        expires = expiry(seen.finished_at) if kept else None
        return Report(seen, tallies, tuple(one for one in told if one["kind"] in Report.KINDS), kept, expires)

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

        return duck.relate_table(self._files()[0] / "scratch", read_manifest(self.snapshot()))

    def compare(self, other: Results) -> duckdb.DuckDBPyRelation:
        """Where two runs differ: the keys that only one has, or that came out differently, and how.

        The columns: ``key``, then ``action status size etag error`` of this run, and of the ``other_`` one.
        """
        from .engine import duck

        mine, others = (run._items_files() for run in (self, other))
        return duck.relate_difference(self._files()[0] / "scratch", mine, others)

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

    @cached_property
    def _output(self) -> Path:
        """Where it is written never changes, and a view asks for it twice a second."""
        return feed.output(self.state, self.id)

    def _written(self, rows: duckdb.DuckDBPyRelation, name: str, nothing: str) -> Path:
        """Rows as a Parquet file of the workspace; BadInput, which says ``nothing``, where there are none."""
        if not rows.limit(1).fetchall():
            raise BadInput(nothing)
        path = self._files()[0] / f"{name}-{time.time_ns()}.parquet"
        rows.write_parquet(str(path))
        return path

    def _files(self) -> tuple[Path, list[Shard]]:
        """The workspace, and what of it the state DB names."""
        folder = Path(self._row()["workspace"])
        with self.state.read() as connection:
            return folder, journal.read_shards(connection, self.id)

    def _items_files(self) -> tuple[list[Path], list[Path]]:
        """The files of its plan and of its receipts."""
        folder, shards = self._files()
        receipts = [folder / file for shard in shards for file in shard.receipts]
        return [folder / shard.plan_file for shard in shards], receipts

    def _row(self) -> rows.Row:
        with self.state.read() as connection:
            return rows.get(connection, self.id)


def _check_statuses(given: Sequence[str]) -> None:
    known = get_args(ItemStatus)
    for status in given:
        if status not in known:
            raise BadInput(f"There is no item status {status!r}; there are {', '.join(known)}.")
