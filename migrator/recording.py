"""Writing a new run down: its workspace, its row with the leases, the plan that it applies; then its process."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import plans
from .config import workspace_root
from .errors import BadInput, MigratorError
from .lifecycle import process
from .lifecycle.detached import import_path
from .lifecycle.early import new_id, word_of
from .lifecycle.leases import take_or_refuse
from .lifecycle.spawn import spawn_runner, watch
from .migrations import Migration, registry
from .model import Mode, Shard
from .state import StateDB, events, queues
from .state import runs as rows


class Taken(MigratorError):
    """Another start with the same key was first; the argument is its run's id."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a run is to be executed, and what people call it."""

    mode: Mode = "streaming"
    dry_run: bool = False
    key: str | None = None
    name: str | None = None
    tags: Sequence[str] = ()
    queue: str = "default"
    priority: int = 0
    not_before: int = 0
    max_attempts: int = 3
    limits: Mapping[str, Any] = field(default_factory=dict)


def new_row(migration: Migration, terms: Terms) -> dict[str, Any]:
    """The row of a new run; its id is made here, before anything else is.

    Raises
    ------
    BadInput
        If it reads or writes what no other process can see.
    """
    if own := [need for need in migration.needs() if need.startswith("memory:")]:
        raise BadInput(
            f"memory://{own[0].partition(':')[2]} lies in the memory of this process, and a run is a process of its "
            "own: copy to a folder or a bucket, or use the store itself, by migrator.stores.open_store."
        )
    run_id = new_id(word_of(type(migration).__name__))
    return asdict(terms) | here() | as_planned(migration, terms.dry_run) | {
        "id": run_id, "name": terms.name or run_id, "title": migration.title, "tags": list(terms.tags),
        "owner": owner(), "migration": registry.reference(type(migration)), "spec": migration.model_dump(mode="json"),
        "source_hash": registry.source_hash(type(migration)), "resumable": migration.resumable,
        "needs": migration.needs(),
    }  # fmt: skip


def here() -> dict[str, Any]:
    """Where this process is, in the columns that say where a runner is to be."""
    return {"interpreter": sys.executable, "cwd": str(Path.cwd()), "import_path": import_path()}


def launch(
    db: StateDB, values: dict[str, Any], plan: Sequence[Shard] = (), within: Any = None, where: str | None = None
) -> str:
    """Workspace, then record, then process: each step finds what it needs from the one before.

    Parameters
    ----------
    plan : sequence of Shard
        What to apply, of the run ``values["plan_run"]``; ``where`` selects rows of it.
    within : sqlalchemy.Connection, optional
        A transaction of the caller's on the state DB, to record the run in; for the queue only.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    BadInput
        If no workspace can be made, or ``where`` is no expression over the plan, or is true for none of it.
    LeaseHeld
        If it is to run now, and a run that lives writes to the same place.
    Taken
        If another start with the same key was first; nothing of this one is left.
    """
    workspace = _make_workspace(workspace_root(db.url) / values["id"])
    values = {**values, "workspace": str(workspace)}
    try:
        if where is None:
            plans.link(plan, values, workspace, db)
        else:
            plan, chosen = plans.select(plan, where, values, workspace, db)
            values |= chosen
        row = _record(within, db, values, plan, where) if within is not None else db.transact(
            lambda connection: _record(connection, db, values, plan, where)
        )  # fmt: skip
    except BaseException:
        shutil.rmtree(workspace, ignore_errors=True)
        raise
    if row["status"] == "starting":
        spawn(db, row)
    return values["id"]


def _record(connection: Any, db: StateDB, values: dict[str, Any], plan: Sequence[Shard], where: str | None) -> rows.Row:
    if values["key"] and (earlier := rows.by_key(connection, values["key"])):
        raise Taken(earlier["id"])
    if values["mode"] == "queue":
        queues.ensure(connection, values["queue"])
        how = {"status": "queued", "place": rows.next_place(connection)}
    else:
        how = rows.starting(connection, process.myself(), db.lease_ms)
    rows.create(connection, **values | how)
    if values.get("plan_run"):
        asked = {"request": "apply", "plan_run": values["plan_run"], "where": where, "by": values["owner"]}
        events.append(connection, values["id"], "request", asked)
    plans.insert(connection, values["id"], plan)
    if values["mode"] != "queue":
        take_or_refuse(connection, values)
    return rows.get(connection, values["id"])


def draft(db: StateDB, values: dict[str, Any]) -> str:
    """Write a run down that is not to be started yet; its id."""
    workspace = workspace_root(db.url) / values["id"]  # made when it starts

    def work(connection: Any) -> None:
        rows.purge_drafts(connection)
        rows.create(connection, **values, status="draft", workspace=str(workspace))

    db.transact(work)
    return values["id"]


def drafted(row: rows.Row, dry_run: bool) -> dict[str, Any]:
    """The columns of a draft that its dry run decides."""
    migration = registry.load(row["migration"]).model_validate(row["spec"])
    return as_planned(migration, dry_run)


def as_planned(migration: Migration, dry_run: bool) -> dict[str, Any]:
    """A dry run ends with its first phase and writes nothing."""
    phases = migration.phases[:1] if dry_run else (*migration.phases, *filter(None, [migration.afterwards]))
    writes = [] if dry_run else [[target.scope, target.path] for target in migration.writes()]
    return {"dry_run": dry_run, "phases": list(phases), "writes": writes}


def begin_again(
    db: StateDB, run_id: str, mode: Mode, *, elsewhere: bool = False, taken: str | None = None
) -> rows.Row | None:
    """Make a draft or an ended run ready for its next attempt; None when somebody else was first.

    Now, and in this process's environment, or in the queue under the one that is recorded;
    ``elsewhere`` keeps to what is recorded in any case; ``taken`` is who took a start that was asked for.

    Raises
    ------
    LeaseHeld
        If it is to run now, and a run that lives writes to the same place.
    """

    def work(connection: Any) -> rows.Row | None:
        if mode == "queue":
            queues.ensure(connection, rows.get(connection, run_id)["queue"])
            how = {"status": "queued", "place": rows.next_place(connection)}
        else:
            how = rows.starting(connection, process.myself(), db.lease_ms) | ({} if elsewhere else here())
        if not rows.restart(connection, run_id, owner(), taken, mode=mode, **how):
            return None
        row = rows.get(connection, run_id)
        if mode != "queue":
            take_or_refuse(connection, row)
        return row

    return db.transact(work)


def begin_now(db: StateDB, run_id: str) -> rows.Row | None:
    """Make a queued run a streaming one, whose process is spawned at once; None when it waits no more.

    Raises
    ------
    LeaseHeld
        If a run that lives writes to the same place; it stays in the queue then.
    """

    def work(connection: Any) -> rows.Row | None:
        if not rows.begin(connection, run_id, process.myself(), db.lease_ms, mode="streaming", **here()):
            return None
        row = rows.get(connection, run_id)
        take_or_refuse(connection, row)
        return row

    return db.transact(work)


def spawn(db: StateDB, row: rows.Row) -> None:
    """Start the process of a run that has been recorded as starting, and see its end."""
    watch(db, row["id"], spawn_runner(db, row))


def _make_workspace(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        why = f"The workspace {folder} can't be made: {error.strerror}"
        raise BadInput(f"{why}. Set MIGRATOR_WORKSPACE to a folder of yours.") from None
    return folder


def owner() -> str:
    """Who asks: the hub's user where there is one."""
    user = os.environ.get("JUPYTERHUB_USER")
    try:
        return user or getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
