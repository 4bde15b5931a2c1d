"""The one front door: start, attach, runs, apply, queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import feed, plans, reprs
from .admission import bounded, check_arguments, check_choice, check_unneeded, check_worth, earlier
from .config import default_mode, state_url
from .errors import BadInput
from .handle import Run
from .limits import read_limits
from .migrations import CopyObjects, Migration, forms, registry
from .migrations.stakes import stakes
from .model import Mode, Status
from .quarantines import Kept, look, place_of
from .queueing import Queue
from .recording import Taken, Terms, launch, new_row
from .recording import draft as record_draft
from .state import StateDB, journal, requests
from .state import runs as rows
from .stores import Location

if TYPE_CHECKING:
    import sqlalchemy

__all__ = [
    "Kept",
    "Queue",
    "Run",
    "apply",
    "attach",
    "default_mode",
    "draft",
    "forms",
    "open_state",
    "plan_again",
    "quarantine",
    "queue",
    "reprs",
    "restore",
    "runs",
    "stakes_of",
    "start",
]


def start(
    migration: Migration, mode: Mode | None = None, dry_run: bool = False, key: str | None = None,
    name: str | None = None, tags: Sequence[str] = (), *, queue: str = "default", priority: int = 0,
    not_before: datetime | None = None, max_attempts: int = 3, bytes_per_s: float | str | None = None,
    in_flight: int | None = None, connection: sqlalchemy.Connection | None = None,
) -> Run:  # fmt: skip
    """Start a migration in a process of its own, or put it into a queue, and return at once.

    Parameters
    ----------
    migration : Migration
        What to do, for example ``CopyObjects("/data/in", "s3://lake/in")``.
    mode : {"streaming", "queue"}, optional
        Now, or when its turn comes, by a worker (``migrator worker``). By default what ``MIGRATOR_MODE`` or the
        configuration file says, else ``streaming``.
    dry_run : bool
        Stop after the plan; `apply` executes that very plan.
    key : str, optional
        Makes the start idempotent: a run of this key is attached to while it lives, returned when it completed, and
        resumed otherwise.
    name, tags : optional
        For people, to find the run again.
    queue, priority, not_before, max_attempts : optional
        For a queued run: which queue; its priority (higher goes first, then age); the time before which it does not
        start; after how many crashes it is given up.
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
    check_arguments(migration, terms, connection)
    migration = migration.resolve()
    if key is not None and (before := earlier(open_state(), key, migration, dry_run)):
        return before
    check_choice(migration)
    migration.check()
    db = open_state()
    check_unneeded(db, migration, dry_run)
    try:
        return Run(launch(db, new_row(migration, terms), within=connection), db)
    except Taken as other:
        return earlier(db, str(key), migration, dry_run) or Run(str(other), db)


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
    check_arguments(migration, made, None)
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

    Raises
    ------
    BadInput
        If there is no such status.
    """
    status = (status,) if isinstance(status, str) else status
    if unknown := sorted(set(status) - set(get_args(Status))):
        raise BadInput(f"There is no run status {unknown[0]!r}; there are {', '.join(get_args(Status))}.")
    db = open_state()
    return [Run(snapshot.id, db) for snapshot in feed.snapshots(db, limit, status=status, text=text, tag=tag)]


def apply(
    run: Run | str, where: str | None = None, *, max_drift: int | None = None, max_cost: float | None = None,
    max_age: str = "1d", mode: Mode | None = None, name: str | None = None, tags: Sequence[str] = (),
) -> Run:  # fmt: skip
    """Execute a dry run's plan, that very list, as a new run; ``mode`` as for `start`.

    What changed since the plan is not touched: where the source is another version, or the target not as it was, the
    row is refused, with the reason, and the others are done.

    Parameters
    ----------
    where : str, optional
        Only the rows for which this is true: one expression of SQL over the columns of `Run.plan`.
    max_drift : int, optional
        Both places are listed again before the first write, and nothing is done when more rows than this have changed
        since the plan: 0 applies it whole or not at all. By default no limit.
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
        raise BadInput(f"Run {seen.id} {what}; only the plan of a completed dry run can be plans.")
    with db.read() as connection:
        row = rows.get(connection, seen.id)
        shards = journal.read_shards(connection, seen.id)
    migration = registry.load(row["migration"]).model_validate(row["spec"])
    migration.check()
    terms = Terms(mode or default_mode(), name=name or row["name"], tags=tags or row["tags"], queue=row["queue"])
    check_unneeded(db, migration, dry_run=False)
    migration = bounded(migration, max_drift)
    values = new_row(migration, terms)
    copied = ("title", "migration", "source_hash", "plan_hash", "actions", "total", "bytes_total")
    values |= {column: row[column] for column in copied} | {"plan_run": seen.id}
    check_worth(planned, seen, max_cost, max_age)
    plans.check(seen, [Path(seen.workspace) / shard.plan_file for shard in shards])
    return Run(launch(db, values, shards, where=where), db)


def plan_again(run: Run | str, mode: Mode | None = None) -> Run:
    """A dry run of those objects alone that failed or were refused in a copy, looked at anew.

    Raises
    ------
    BadInput
        If nothing failed or was refused in it, or it copied no objects.
    """
    first = run if isinstance(run, Run) else attach(run)
    return start(CopyObjects.retry(first), mode, dry_run=True)


def restore(run: Run | str, **terms: Any) -> Run:
    """Bring back what a run replaced or deleted, as a run of its own; what stands there now is kept in its turn.

    Parameters
    ----------
    run : Run or str
        A run with ``before="keep"``: of `CopyObjects`, `DeleteSource` or `DeleteExtra`.
    **terms
        As for `start`: ``dry_run=True`` shows first what would be done.

    Raises
    ------
    BadInput
        If it is no such run, or replaced and deleted nothing.
    """
    kept, place = place_of((run if isinstance(run, Run) else attach(run)).snapshot())
    return start(CopyObjects(kept, place, overwrite="if-different"), **terms)


def quarantine(place: str | Path | Location) -> list[Kept]:
    """What runs keep at a place of what they replaced or deleted there, the oldest first.

    `restore` brings it back, `Run.kept` tells what it is, and ``start(PurgeQuarantine(place))`` lets go of it.

    Parameters
    ----------
    place : str or path or Location
        Where they wrote: their target, or for a move with quarantine its source.

    Raises
    ------
    StoreError
        If it can't be listed.
    """
    return look(open_state(), place if isinstance(place, Location) else Location.parse(str(place)))


def queue(name: str = "default") -> Queue:
    """A queue, to look at and to steer: its runs, limit, pause and workers."""
    return Queue(name, open_state())


def take_starts(run_ids: Sequence[str]) -> list[str]:
    """Start those of these runs that somebody asked for, here; the ids of those that were ours to start."""
    db = open_state()
    with db.read() as connection:
        asked = requests.wanted(connection, list(run_ids))
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
