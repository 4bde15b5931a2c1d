"""The one front door: start, attach, runs, apply; and the handle of a run, with its verbs."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Generator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import feed
from .config import state_url, workspace_root
from .errors import BadInput, KeyConflict, MigratorError, RunNotCompleted
from .lifecycle.spawn import spawn_runner
from .migrations import Migration, registry
from .model import LIVE, RESUMABLE, Event, ItemStatus, Mode, Snapshot
from .state import StateDB, journal, schema
from .state import runs as rows

if TYPE_CHECKING:
    import duckdb

WAIT_S = 0.2


def start(
    migration: Migration,
    mode: Mode = "streaming",
    dry_run: bool = False,
    key: str | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
) -> Run:
    """Start a migration in a process of its own, and return at once.

    Parameters
    ----------
    migration : Migration
        What to do, for example ``CopyObjects("/data/in", "s3://lake/in")``.
    mode : {"streaming"}
        ``streaming`` runs it now. (``queue`` comes with a later release.)
    dry_run : bool
        Stop after the plan; `apply` executes that very plan.
    key : str, optional
        Makes the start idempotent: a run that was started with this key is attached to while it
        lives, returned when it completed, and resumed otherwise.
    name, tags : optional
        For people, to find the run again.

    Returns
    -------
    Run
        A handle. The run goes on without it.

    Raises
    ------
    BadInput, StoreError
        If this can't work as it is asked; nothing was written then.
    KeyConflict
        If ``key`` names a run with another specification.
    """
    _check_arguments(migration, mode, tags)
    migration = migration.resolve()
    if key is not None and (earlier := _earlier(open_state(), key, migration, dry_run)):
        return earlier
    migration.check()
    db = open_state()
    values = _record(migration, mode, dry_run, key, name, tags)
    return _launch(db, values, ())


def attach(run_id: str) -> Run:
    """The handle of a run, from any process and at any time.

    Raises
    ------
    UnknownRun
        If there is none of that id in the state DB.
    """
    run = Run(run_id, open_state())
    run.snapshot()
    return run


def runs(limit: int = 50) -> list[Run]:
    """Runs, newest first."""
    db = open_state()
    return [Run(snapshot.id, db) for snapshot in feed.snapshots(db, limit)]


def apply(run: Run | str, *, name: str | None = None, tags: Sequence[str] = ()) -> Run:
    """Execute a dry run's plan, that very list, as a new run.

    Raises
    ------
    BadInput
        If the run is no finished dry run, or its plan is no longer what it was.
    """
    planned = run if isinstance(run, Run) else attach(run)
    db = planned.state
    seen = planned.snapshot()
    if not seen.dry_run or seen.status != "completed":
        what = f"is {seen.status}" if seen.dry_run else "is no dry run"
        raise BadInput(f"Run {seen.id} {what}; only the plan of a completed dry run can be applied.")
    with db.read() as connection:
        row = rows.get(connection, seen.id)
        shards = journal.read_shards(connection, seen.id)
    migration = registry.load(row["migration"]).model_validate(row["spec"])
    migration.check()
    values = _record(migration, "streaming", False, None, name or row["name"], tags or row["tags"])
    copied = ("title", "migration", "source_hash", "spec", "plan_hash", "actions", "total", "bytes_total")
    values |= {column: row[column] for column in copied} | {"plan_run": seen.id}
    _check_plan(seen, [Path(seen.workspace) / shard.plan_file for shard in shards])
    return _launch(db, values, shards)


@cache
def _state(url: str) -> StateDB:
    return StateDB(url)


def open_state(url: str | None = None) -> StateDB:
    """The state DB that this process uses: ``MIGRATOR_STATE``, or the default place."""
    return _state(state_url(url))


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

    def items(self, status: ItemStatus | None = None) -> duckdb.DuckDBPyRelation:
        """The plan joined with the receipts, as a DuckDB relation: ``.df()``, ``.pl()``, ``.arrow()``.

        It is a fixed picture of this moment, with a connection of its own.

        Parameters
        ----------
        status : str, optional
            Only items of this status.
        """
        if status is not None and status not in get_args(ItemStatus):
            raise BadInput(f"There is no item status {status!r}; there are {', '.join(get_args(ItemStatus))}.")
        from .engine import duck

        with self.state.read() as connection:
            folder = Path(rows.get(connection, self.id)["workspace"])
            shards = journal.read_shards(connection, self.id)
        receipts = [folder / file for shard in shards for file in shard.receipts]
        return duck.relate_items(folder / "scratch", [folder / s.plan_file for s in shards], receipts, status)

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
        that does not is terminated after a grace.

        Raises
        ------
        BadInput
            If it has ended already.
        """
        seen = self.snapshot()
        if seen.terminal:
            raise BadInput(f"Run {self.id} has ended already ({seen.status}); there is nothing to cancel.")
        with self.state.write() as connection:
            rows.request_cancel(connection, self.id, _owner())

    def resume(self) -> Run:
        """Carry an interrupted, cancelled, failed or partial run on, as a new attempt.

        What has its receipt stays; what failed is tried again.

        Raises
        ------
        BadInput
            If it lives (naming its process), completed, or can't be carried on.
        """
        with self.state.write() as connection:
            won = rows.restart(connection, self.id, sys.executable, _owner())
            row = rows.get(connection, self.id)
        if not won:
            raise BadInput(_why_not_resumed(row))
        spawn_runner(self.state, self.id, row["workspace"])
        return self

    def __repr__(self) -> str:
        seen = self.snapshot()
        far = f", {seen.done:,} of {seen.total:,}" if seen.total else ""
        return f"Run {self.id}: {seen.status}{' (dry run)' if seen.dry_run else ''}{far} — {seen.title}"

    def _repr_html_(self) -> str:
        from .reprs import as_table

        return as_table(self.snapshot())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (other.id, other.state.url) == (self.id, self.state.url)

    def __hash__(self) -> int:
        return hash(self.id)


def _check_arguments(migration: object, mode: str, tags: object) -> None:
    if not isinstance(migration, Migration):
        what = type(migration).__name__
        raise BadInput(f"start() takes a migration such as CopyObjects(source, target), not {what}.")
    if mode != "streaming":
        raise BadInput(f"There is no mode {mode!r} yet; 'streaming' is what this release has.")
    if isinstance(tags, str):
        raise BadInput(f"tags is a list of words: tags=[{tags!r}].")


def _earlier(db: StateDB, key: str, migration: Migration, dry_run: bool) -> Run | None:
    """The run that this key stands for, carried on if need be."""
    with db.read() as connection:
        row = rows.by_key(connection, key)
    if row is None:
        return None
    _check_same(row, migration, dry_run)
    run = Run(row["id"], db)
    if run.status in RESUMABLE:
        try:
            return run.resume()
        except BadInput:  # another caller with the same key was first
            if run.status not in LIVE:
                raise
    return run


def _check_same(row: Any, migration: Migration, dry_run: bool) -> None:
    asked = migration.model_dump(mode="json") | {
        "migration": registry.reference(type(migration)), "dry_run": dry_run,
    }  # fmt: skip
    known = row["spec"] | {"migration": row["migration"], "dry_run": row["dry_run"]}
    differing = _differences(known, asked)
    if differing:
        raise KeyConflict(
            f"key={row['key']!r} belongs to run {row['id']}, which was started differently: {'; '.join(differing)}. "
            "Use another key, or the same arguments."
        )


def _differences(known: Any, asked: Any, path: str = "") -> list[str]:
    if isinstance(known, dict) and isinstance(asked, dict):
        names = dict.fromkeys([*known, *asked])
        found = (_differences(known.get(n), asked.get(n), f"{path}.{n}" if path else n) for n in names)
        return [difference for differences in found for difference in differences]
    return [] if known == asked else [f"{path} was {known!r} and is {asked!r}"]


def _record(
    migration: Migration, mode: str, dry_run: bool, key: str | None, name: str | None, tags: Sequence[str]
) -> dict[str, Any]:
    """The row of a new run; its id is made here, before anything else is."""
    run_id = _new_id(type(migration))
    phases = migration.phases[:1] if dry_run else migration.phases
    return {
        "id": run_id, "name": name or run_id, "title": migration.title, "tags": list(tags), "owner": _owner(),
        "key": key, "migration": registry.reference(type(migration)), "spec": migration.model_dump(mode="json"),
        "source_hash": registry.source_hash(type(migration)), "mode": mode, "dry_run": dry_run,
        "resumable": migration.resumable, "status": "starting", "phases": list(phases),
        "interpreter": sys.executable, "cwd": str(Path.cwd()),
    }  # fmt: skip


def _launch(db: StateDB, values: dict[str, Any], plan: Sequence[Any]) -> Run:
    """Workspace, then record, then process: each step finds what it needs from the one before."""
    workspace = workspace_root(db.url) / values["id"]
    workspace.mkdir(mode=0o700, parents=True)
    try:
        _link_plan(plan, values, workspace, db)
        with db.write() as connection:
            if values["key"] and (earlier := rows.by_key(connection, values["key"])):
                raise _Taken(earlier["id"])
            rows.create(connection, **values, workspace=str(workspace))
            _insert_plan(connection, values["id"], plan)
    except BaseException as error:
        shutil.rmtree(workspace, ignore_errors=True)
        if isinstance(error, _Taken):  # two starts with one key at the same time: the other one's run
            return Run(str(error), db)
        raise
    spawn_runner(db, values["id"], str(workspace))
    return Run(values["id"], db)


class _Taken(MigratorError):
    """Another start with the same key was first."""


def _link_plan(plan: Sequence[Any], values: dict[str, Any], workspace: Path, db: StateDB) -> None:
    """Give a run its own names for the files of the plan that it applies: purging one keeps the other."""
    if not values.get("plan_run"):
        return
    with db.read() as connection:
        origin = Path(rows.get(connection, values["plan_run"])["workspace"])
    (workspace / "plan").mkdir()
    for shard in plan:
        try:
            os.link(origin / shard.plan_file, workspace / shard.plan_file)
        except OSError:  # another file system, or one without links
            shutil.copyfile(origin / shard.plan_file, workspace / shard.plan_file)


def _insert_plan(connection: Any, run_id: str, plan: Sequence[Any]) -> None:
    if plan:
        columns = ("no", "items", "bytes", "plan_file")
        values = [{"run_id": run_id} | {name: getattr(shard, name) for name in columns} for shard in plan]
        connection.execute(schema.shards.insert(), values)


def _check_plan(seen: Snapshot, files: Sequence[Path]) -> None:
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).hexdigest().encode())
    except OSError as error:
        raise BadInput(f"The plan of run {seen.id} can't be read: {error}. Make the dry run again.") from None
    if digest.hexdigest() != seen.plan_hash:
        raise BadInput(f"The plan of run {seen.id} is not what it was when it was made. Make the dry run again.")


def _new_id(kind: type[Migration]) -> str:
    """Short enough to say, unlikely enough to be alone: ``k7f2q-copy-0311``."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()
    word = "copy" if word == "copy-objects" else word[:24]
    letters = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(5))
    return f"{letters}-{word}-{time.strftime('%m%d')}"


def _owner() -> str:
    user = os.environ.get("JUPYTERHUB_USER")
    try:
        return user or getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def _why_not_resumed(row: Any) -> str:
    run_id, status = row["id"], row["status"]
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
