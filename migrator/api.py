"""The one front door: start, attach, runs, apply, queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import feed
from .config import QUARANTINE, default_mode, state_url
from .errors import BadInput, KeyConflict
from .handle import Run
from .limits import read_limits
from .migrations import CopyObjects, Migration, forms, registry
from .migrations.choosing import read_time
from .migrations.stakes import stakes
from .model import LIVE, RESUMABLE, Mode, Snapshot
from .queueing import Queue
from .recording import Taken, Terms, check_plan, launch, new_row
from .recording import draft as record_draft
from .state import StateDB, journal
from .state import runs as rows

if TYPE_CHECKING:
    import sqlalchemy

__all__ = [
    "Queue",
    "Run",
    "apply",
    "attach",
    "default_mode",
    "draft",
    "forms",
    "open_state",
    "plan_again",
    "queue",
    "restore",
    "runs",
    "stakes_of",
    "start",
]


def start(
    migration: Migration,
    mode: Mode | None = None,
    dry_run: bool = False,
    key: str | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
    *,
    queue: str = "default",
    priority: int = 0,
    not_before: datetime | None = None,
    max_attempts: int = 3,
    bytes_per_s: float | str | None = None,
    in_flight: int | None = None,
    connection: sqlalchemy.Connection | None = None,
) -> Run:
    """Start a migration in a process of its own, or put it into a queue, and return at once.

    Parameters
    ----------
    migration : Migration
        What to do, for example ``CopyObjects("/data/in", "s3://lake/in")``.
    mode : {"streaming", "queue"}, optional
        ``streaming`` runs it now; ``queue`` when its turn comes, by a worker (``migrator worker``).
        By default what ``MIGRATOR_MODE`` or the configuration file says, else ``streaming``.
    dry_run : bool
        Stop after the plan; `apply` executes that very plan.
    key : str, optional
        Makes the start idempotent: a run that was started with this key is attached to while it
        lives, returned when it completed, and resumed otherwise.
    name, tags : optional
        For people, to find the run again.
    queue, priority, not_before, max_attempts : optional
        For a queued run: which queue; its priority (higher goes first, then age); the time before
        which it does not start; after how many crashes it is given up.
    bytes_per_s, in_flight : optional
        Limits, as for `Run.limit`.
    connection : sqlalchemy.Connection, optional
        A transaction of yours on the state DB's database: the queued run is there if you commit.

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
    LeaseHeld
        If it is to run now, and a run that lives writes to the same place.
    """
    terms = Terms(
        mode or default_mode(), dry_run, key, name, tags, queue, priority, _ms(not_before), max_attempts,
        read_limits(bytes_per_s, in_flight),
    )  # fmt: skip
    _check_arguments(migration, terms, connection)
    migration = migration.resolve()
    if key is not None and (earlier := _earlier(open_state(), key, migration, dry_run)):
        return earlier
    migration.check()
    db = open_state()
    try:
        return Run(launch(db, new_row(migration, terms), within=connection), db)
    except Taken as other:
        return _earlier(db, str(key), migration, dry_run) or Run(str(other), db)


def draft(migration: Migration, **terms: Any) -> Run:
    """Write a run down that somebody may start later, from a panel; forgotten after a day.

    Parameters
    ----------
    **terms
        As for `start`; without ``key`` and ``connection``.
    """
    made = Terms(
        terms.pop("mode", None) or default_mode(),
        limits=read_limits(terms.pop("bytes_per_s", None), terms.pop("in_flight", None)),
        **terms,
    )
    _check_arguments(migration, made, None)
    db = open_state()
    return Run(record_draft(db, new_row(migration.resolve(), made)), db)


def stakes_of(migration: Migration) -> tuple[str, ...]:
    """What a migration of ours would destroy, as far as its specification tells; a sentence each."""
    name = next((name for name, kind in registry.BUILT_IN.items() if type(migration) is kind), None)
    return stakes(name, migration.model_dump(), {}) if name else ()


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


def runs(limit: int = 50, *, status: Sequence[str] | str = (), text: str = "", tag: str | None = None) -> list[Run]:
    """Runs, newest first.

    Parameters
    ----------
    status : str or sequence of str, optional
        Only runs with one of these.
    text : str
        Only runs with this in their id, name or title, whatever the case.
    tag : str, optional
        Only runs with this tag.
    """
    db = open_state()
    status = (status,) if isinstance(status, str) else status
    return [Run(snapshot.id, db) for snapshot in feed.snapshots(db, limit, status=status, text=text, tag=tag)]


def apply(
    run: Run | str, where: str | None = None, *, max_cost: float | None = None, max_age: str = "1d",
    mode: Mode | None = None, name: str | None = None, tags: Sequence[str] = (),
) -> Run:  # fmt: skip
    """Execute a dry run's plan, that very list, as a new run; ``mode`` as for `start`.

    What changed since the plan is not touched: a source of another version, or a target that is not as it was, fails
    or is left alone for its row, with the reason.

    Parameters
    ----------
    where : str, optional
        Only the rows for which this is true: one expression of SQL over the columns of `Run.plan`.
    max_cost : float, optional
        Nothing is done when the whole plan would cost more, as `Run.plan_summary` has it.
    max_age : str
        A plan older than this (``12h``, ``7d``) is not what is true any more, and refused.

    Raises
    ------
    BadInput
        If the run is no finished dry run, its plan is no longer what it was, or ``where`` is no expression over it.
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
    terms = Terms(mode or default_mode(), name=name or row["name"], tags=tags or row["tags"], queue=row["queue"])
    values = new_row(migration, terms)
    copied = ("title", "migration", "source_hash", "spec", "plan_hash", "actions", "total", "bytes_total")
    values |= {column: row[column] for column in copied} | {"plan_run": seen.id}
    _check_worth(planned, seen, max_cost, max_age)
    check_plan(seen, [Path(seen.workspace) / shard.plan_file for shard in shards])
    return Run(launch(db, values, shards, where=where), db)


def plan_again(run: Run | str, mode: Mode | None = None) -> Run:
    """A dry run of those objects alone that failed or were refused in a copy, looked at anew.

    Raises
    ------
    BadInput
        If nothing failed or was refused in it, or it copied no objects.
    """
    earlier = run if isinstance(run, Run) else attach(run)
    return start(CopyObjects.retry(earlier), mode, dry_run=True)


def restore(run: Run | str, **terms: Any) -> Run:
    """Bring back what a run replaced, as a run of its own; what stands there now is kept in quarantine in turn.

    Parameters
    ----------
    run : Run or str
        A run of `CopyObjects` with ``before="keep"``.
    **terms
        As for `start`: ``dry_run=True`` shows first what would be done.

    Raises
    ------
    BadInput
        If it is no such run, or replaced nothing.
    """
    seen = (run if isinstance(run, Run) else attach(run)).snapshot()
    if seen.migration != "copy-objects" or not seen.actions.get("overwrite") or seen.spec.get("before") != "keep":
        raise BadInput(f"Run {seen.id} kept nothing in quarantine, so there is nothing to bring back.")
    made = CopyObjects.model_validate(seen.spec)
    return start(
        CopyObjects(made.target.below(f"{QUARANTINE}{seen.id}"), made.target, overwrite="if-different"), **terms
    )


def queue(name: str = "default") -> Queue:
    """A queue, to look at and to steer: its runs, limit, pause and workers."""
    return Queue(name, open_state())


def take_starts(run_ids: Sequence[str]) -> list[str]:
    """Start those of these runs that somebody asked for, here; the ids of those that were ours to start."""
    db = open_state()
    with db.read() as connection:
        asked = rows.asked_for(connection, list(run_ids))
    return [run_id for run_id in asked if Run(run_id, db).take_start()]


@cache
def _state(url: str) -> StateDB:
    return StateDB(url)


def open_state(url: str | None = None) -> StateDB:
    """The state DB that this process uses: ``MIGRATOR_STATE``, or the default place."""
    return _state(state_url(url))


def _ms(moment: datetime | None) -> int:
    """Milliseconds since the epoch; a time without a zone is local."""
    return 0 if moment is None else int(moment.timestamp() * 1000)


def _check_arguments(migration: object, terms: Terms, connection: object) -> None:
    if not isinstance(migration, Migration):
        what = type(migration).__name__
        raise BadInput(f"start() takes a migration such as CopyObjects(source, target), not {what}.")
    if terms.mode not in get_args(Mode):
        raise BadInput(f"There is no mode {terms.mode!r}; there are 'streaming' (now) and 'queue' (at its turn).")
    if isinstance(terms.tags, str):
        raise BadInput(f"tags is a list of words: tags=[{terms.tags!r}].")
    if not terms.queue or len(terms.queue) > 64:
        raise BadInput(f"A queue's name has 1 to 64 characters, not {terms.queue!r}.")
    if terms.max_attempts < 1:
        raise BadInput(f"max_attempts is at least 1, not {terms.max_attempts}.")
    if connection is not None and terms.mode != "queue":
        raise BadInput(
            "connection= is for mode='queue': a process can't be started in a transaction that may be undone."
        )


def _check_worth(planned: Run, seen: Snapshot, max_cost: float | None, max_age: str) -> None:
    made = datetime.fromtimestamp((seen.finished_at or 0) / 1000, UTC).replace(tzinfo=None)
    if made < read_time(max_age, datetime.now(UTC)):
        raise BadInput(
            f"The plan of run {seen.id} is of {made:%Y-%m-%d %H:%M} UTC, older than {max_age}. Make the dry run again, "
            "or allow it by max_age."
        )
    cost = None if max_cost is None else planned.plan_summary().cost
    if cost is not None and max_cost is not None and cost.total > max_cost:
        raise BadInput(f"The plan of run {seen.id} costs {cost}; max_cost allows {max_cost:g}. Nothing was done.")


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
