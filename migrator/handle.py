"""The handle of a run: reads what is true, writes down what is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import feed
from .errors import BadInput, MigratorError, RunNotCompleted
from .limits import read_limits
from .migrations import registry
from .model import LIVE, TERMINAL, Event, ItemStatus, Mode, Shard, Snapshot
from .recording import begin_again, begin_now, drafted, owner, spawn
from .state import StateDB, journal
from .state import runs as rows

if TYPE_CHECKING:
    import duckdb

    from .engine.summary import PlanSummary
    from .report import Report

WAIT_S = 0.2


class Run:
    """A handle on a run: reads what is true, writes down what is asked.

    ``await run`` and ``run.wait()`` read the state DB, so they work in any kernel, and interrupting
    them does not touch the run.
    """

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

    def log(self, after: int = 0, limit: int = feed.LOG_CHUNK) -> tuple[str, int]:
        """Whole lines of the run's output from byte ``after``, and the cursor for the next call.

        A negative ``after`` means that many bytes from the end.
        """
        return feed.output(self.state, self.id, after, limit)

    def exceptions(self, limit: int = 200) -> list[dict[str, object]]:
        """The first items that failed or were refused: ``item_no key status error``."""
        return feed.failures(self.state, self.id, limit)

    def plan(self) -> duckdb.DuckDBPyRelation:
        """Every intended action with its reason, as a DuckDB relation: ``.df()``, ``.filter("size > 1e6")``.

        Its columns are those that ``where=`` of `migrator.apply` may use: ``key target_key action reason size mtime
        etag before detail`` (``size`` in bytes, ``mtime`` a timestamp in UTC).
        """
        from .engine import duck

        folder, shards = self._files()
        return duck.relate_plan(folder / "scratch", [folder / shard.plan_file for shard in shards])

    def plan_summary(self) -> PlanSummary:
        """The plan by action and reason, with the biggest objects and some of each; it prints well."""
        from .engine.summary import summarize

        folder, shards = self._files()
        return summarize(self.id, folder / "scratch", [folder / shard.plan_file for shard in shards])

    def report(self) -> Report:
        """The run's record on one page: what, by whom, by which plan, what came of it and by which evidence.

        ``.to_html()``, ``.to_markdown()`` and ``.to_json()`` give it away; a notebook shows it.
        """
        from .engine.reporting import tally
        from .report import Report

        folder, shards = self._files()
        receipts = [folder / file for shard in shards for file in shard.receipts]
        tallies = tally(folder / "scratch", [folder / shard.plan_file for shard in shards], receipts)
        told = [{"at": one.at, "kind": one.kind, "data": dict(one.data)} for one in self.events()]
        return Report(self.snapshot(), tallies, tuple(one for one in told if one["kind"] in Report.KINDS))

    def key_map(self) -> duckdb.DuckDBPyRelation:
        """The objects that stand at the target now, and under which name: ``key target_key status etag``.

        From it references to them are rewritten: ``.df()``, ``.write_parquet("map.parquet")``. Several keys may have
        one name, where the same bytes were copied once.
        """
        held = "status in ('copied', 'adopted', 'skipped') and action != 'omit'"
        columns = "key, coalesce(target_key, key) as target_key, status, coalesce(written_etag, etag) as etag"
        return self.items().filter(held).project(columns)

    def manifest(self, *statuses: ItemStatus) -> Path:
        """The keys of the items of these statuses as a Parquet file, which ``manifest=`` of another run takes.

        Raises
        ------
        BadInput
            If there are none.
        """
        _check_statuses(statuses)
        folder, _ = self._files()
        chosen = self.items().filter(f"status in ({', '.join(repr(status) for status in statuses)})").select("key")
        if not chosen.limit(1).fetchall():
            raise BadInput(f"Run {self.id} has no items that are {' or '.join(statuses)}.")
        path = folder / f"manifest-{'-'.join(statuses)}-{time.time_ns()}.parquet"
        chosen.write_parquet(str(path))
        return path

    def proved(self) -> Path:
        """What this copy has proved, as a Parquet file: ``key target_key size mtime etag written_etag evidence``.

        Raises
        ------
        BadInput
            If it proved nothing.
        """
        folder, _ = self._files()
        proof = "status in ('copied', 'adopted') and evidence in ('server-hash', 're-read') and action != 'omit'"
        columns = "key, coalesce(target_key, key) as target_key, size, null::bigint as mtime, etag, written_etag,"
        found = self.items().filter(proof).project(f"{columns} evidence")
        if not found.limit(1).fetchall():
            raise BadInput(f"Run {self.id} has copied nothing by evidence of server-hash or re-read.")
        path = folder / f"proved-{time.time_ns()}.parquet"
        found.write_parquet(str(path))
        return path

    def items(self, status: ItemStatus | None = None) -> duckdb.DuckDBPyRelation:
        """The plan joined with the receipts, as a DuckDB relation: ``.df()``, ``.pl()``, ``.arrow()``.

        It is a fixed picture of this moment, with a connection of its own.

        Parameters
        ----------
        status : str, optional
            Only items of this status.
        """
        _check_statuses([] if status is None else [status])
        from .engine import duck

        folder, shards = self._files()
        receipts = [folder / file for shard in shards for file in shard.receipts]
        return duck.relate_items(folder / "scratch", [folder / s.plan_file for s in shards], receipts, status)

    def page(
        self, status: Sequence[ItemStatus] = (), text: str = "", offset: int = 0, limit: int = 100
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
        """
        return [row for rows in self.item_batches(status, text, offset, limit) for row in rows]

    def item_batches(
        self, status: Sequence[ItemStatus] = (), text: str = "", offset: int = 0, limit: int | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """The same in batches, by default to the end, so that memory stays flat."""
        _check_statuses(status)
        from .engine import paging

        return paging.find_items(*self._files(), status, text, max(0, offset), limit)

    def _files(self) -> tuple[Path, list[Shard]]:
        """The workspace, and what of it the state DB names."""
        folder = Path(self._row()["workspace"])
        with self.state.read() as connection:
            return folder, journal.read_shards(connection, self.id)

    def wait(self, timeout: float | None = None, check: bool = True) -> Snapshot:
        """Block until the run ends. Interrupting this does not touch the run.

        Parameters
        ----------
        timeout : float, optional
            Seconds; TimeoutError when they are over.
        check : bool
            Raise RunNotCompleted unless it ends ``completed``.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (seen := self.snapshot()).terminal:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"Run {self.id} is still {seen.status} after {timeout:g} s; it goes on.")
            time.sleep(WAIT_S)
        return _checked(seen) if check else seen

    async def finished(self, timeout: float | None = None, check: bool = True) -> Snapshot:
        """`wait` for coroutines; ``await run`` is this with its defaults."""
        async with asyncio.timeout(timeout):
            while not (seen := await asyncio.to_thread(self.snapshot)).terminal:
                await asyncio.sleep(WAIT_S)
        return _checked(seen) if check else seen

    def __await__(self) -> Generator[Any, None, Snapshot]:
        return self.finished().__await__()

    def cancel(self) -> None:
        """Ask the run to stop. It finishes or aborts what is in flight, records, and stops; one
        that does not is terminated after a grace. One that waits in a queue never starts.

        Raises
        ------
        BadInput
            If it has ended already.
        """
        self._live("cancel")
        self.state.transact(lambda connection: rows.request_cancel(connection, self.id, owner()))

    def pause(self) -> None:
        """Stop writing until `unpause`. The run keeps its process and its lease.

        Raises
        ------
        BadInput
            If it does not run.
        """
        self._live("pause", "starting", "running")
        self.state.transact(lambda connection: rows.request_pause(connection, self.id, owner(), pause=True))

    def unpause(self) -> None:
        """Go on after `pause`."""
        self._live("unpause", "starting", "running")
        self.state.transact(lambda connection: rows.request_pause(connection, self.id, owner(), pause=False))

    def limit(self, bytes_per_s: float | str | None = None, in_flight: int | None = None) -> None:
        """Set what the run may use, at once and while it runs. What is not given has no limit of its own.

        Parameters
        ----------
        bytes_per_s : number or str, optional
            Such as ``20e6`` or ``"20MiB"``.
        in_flight : int, optional
            Objects at once.

        Raises
        ------
        BadInput
            If the run has ended, or a figure makes no sense.
        """
        limits = read_limits(bytes_per_s, in_flight)
        self._live("limit")
        self.state.transact(lambda connection: rows.request_limits(connection, self.id, owner(), limits))

    def resume(self, mode: Mode | None = None) -> Run:
        """Carry an interrupted, cancelled, failed or partial run on, as a new attempt.

        What has its receipt stays; what failed is tried again.

        Parameters
        ----------
        mode : {"streaming", "queue"}, optional
            ``streaming`` goes on now, in this process's interpreter, environment and working
            directory (also when credentials have expired where it ran before); ``queue`` at its
            turn, where it was enqueued. By default as it ran.

        Raises
        ------
        BadInput
            If it lives (naming its process), completed, or can't be carried on.
        LeaseHeld
            If another run that lives writes to the same place.
        """
        row = begin_again(self.state, self.id, mode or self.snapshot().mode)  # pyright: ignore[reportArgumentType]
        if row is None:
            raise BadInput(_why_not_resumed(self._row()))
        if row["status"] == "starting":
            spawn(self.state, row)
        return self

    def ask_start(
        self, mode: Mode | None = None, dry_run: bool | None = None, limits: Mapping[str, Any] | None = None
    ) -> Run:
        """Ask for a draft or an ended run to be started, by the kernel that shows it or else by the server.

        Parameters
        ----------
        mode, dry_run, limits : optional
            As for ``start``; ``dry_run`` and ``limits`` are a draft's alone.

        Raises
        ------
        BadInput
            If it lives, or completed.
        """
        row = self._row()
        values: dict[str, Any] = {} if mode is None else {"mode": mode}
        if row["status"] == "draft":
            values |= drafted(row, row["dry_run"] if dry_run is None else dry_run)
            values |= {} if limits is None else {"limits": dict(limits)}
        if not self.state.transact(lambda connection: rows.request_start(connection, self.id, owner(), **values)):
            raise BadInput(_why_not_resumed(self._row()))
        return self

    def take_start(self, *, elsewhere: bool = False) -> bool:
        """Start this run here if somebody asked for that and nobody else has done it.

        What stands in the way is written down on the run, for whoever asked.

        Parameters
        ----------
        elsewhere : bool
            Start it with the interpreter, folder and import path that are recorded, not this process's.
        """
        if not self.state.transact(lambda connection: rows.take_request(connection, self.id)):
            return False
        try:
            self._check_draft()
            row = begin_again(self.state, self.id, self._row()["mode"], elsewhere=elsewhere)
        except MigratorError as error:
            why = str(error)
            self.state.transact(lambda connection: rows.refuse_start(connection, self.id, why))
            return False
        if row is not None and row["status"] == "starting":
            spawn(self.state, row)
        return row is not None

    def _check_draft(self) -> None:
        row = self._row()
        if row["status"] == "draft":
            registry.load(row["migration"]).model_validate(row["spec"]).check()

    def run_now(self) -> Run:
        """Take a run out of its queue and start it at once, in a process of its own, here.

        Raises
        ------
        BadInput
            If it does not wait in a queue.
        LeaseHeld
            If another run that lives writes to the same place; it stays in the queue then.
        """
        row = begin_now(self.state, self.id)
        if row is None:
            raise BadInput(f"Run {self.id} is {self.status}; only a queued run can be started now.")
        spawn(self.state, row)
        return self

    def _live(self, verb: str, *statuses: str) -> None:
        status = self.status
        if status not in (statuses or LIVE):
            what = "has ended already" if status in TERMINAL else "has no process yet"
            raise BadInput(f"Run {self.id} {what} ({status}); there is nothing to {verb}.")

    def _row(self) -> rows.Row:
        with self.state.read() as connection:
            return rows.get(connection, self.id)

    def __repr__(self) -> str:
        seen = self.snapshot()
        far = f", {seen.done:,} of {seen.total:,}" if seen.total else ""
        far = f", place {seen.position}, waiting for {seen.waiting_for}" if seen.position else far
        return f"Run {self.id}: {seen.status}{' (dry run)' if seen.dry_run else ''}{far} — {seen.title}"

    def _repr_html_(self) -> str:
        from .reprs import as_table

        return as_table(self.snapshot())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (other.id, other.state.url) == (self.id, self.state.url)

    def __hash__(self) -> int:
        return hash(self.id)


def _check_statuses(given: Sequence[str]) -> None:
    known = get_args(ItemStatus)
    for status in given:
        if status not in known:
            raise BadInput(f"There is no item status {status!r}; there are {', '.join(known)}.")


def _why_not_resumed(row: Any) -> str:
    run_id, status = row["id"], row["status"]
    if status == "queued":
        return f"Run {run_id} is queued already. `migrator run-now {run_id}` starts it at once."
    if status in ("starting", "running"):
        who = f"attempt {row['attempt']}, pid {row['pid']} on {row['host']}" if row["pid"] else "its process starts"
        return f"Run {run_id} is {status} already ({who}). `migrator follow {run_id}` shows it."
    return f"Run {run_id} is {status}; there is nothing to resume."


def _checked(seen: Snapshot) -> Snapshot:
    if seen.status == "completed":
        return seen
    counts = f"{seen.failed:,} failed, {seen.refused:,} refused" if seen.failed or seen.refused else ""
    why = seen.error or counts or "see its output"
    raise RunNotCompleted(f"Run {seen.id} ended {seen.status}: {why}", seen)
