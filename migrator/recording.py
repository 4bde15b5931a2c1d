"""Writing a new run down: its row, its workspace, the plan that it applies; then its process."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .config import workspace_root
from .errors import BadInput, MigratorError
from .lifecycle.spawn import spawn_runner
from .migrations import Migration, registry
from .model import Shard, Snapshot
from .state import StateDB, schema
from .state import runs as rows


class Taken(MigratorError):
    """Another start with the same key was first; the argument is its run's id."""


def new_row(
    migration: Migration, mode: str, dry_run: bool, key: str | None, name: str | None, tags: Sequence[str]
) -> dict[str, Any]:
    """The row of a new run; its id is made here, before anything else is."""
    run_id = _new_id(type(migration))
    phases = migration.phases[:1] if dry_run else migration.phases
    return {
        "id": run_id, "name": name or run_id, "title": migration.title, "tags": list(tags), "owner": owner(),
        "key": key, "migration": registry.reference(type(migration)), "spec": migration.model_dump(mode="json"),
        "source_hash": registry.source_hash(type(migration)), "mode": mode, "dry_run": dry_run,
        "resumable": migration.resumable, "status": "starting", "phases": list(phases),
        "interpreter": sys.executable, "cwd": str(Path.cwd()),
    }  # fmt: skip


def launch(db: StateDB, values: dict[str, Any], plan: Sequence[Shard] = ()) -> str:
    """Workspace, then record, then process: each step finds what it needs from the one before.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    BadInput
        If no workspace can be made.
    Taken
        If another start with the same key was first; nothing of this one is left.
    """
    workspace = _make_workspace(workspace_root(db.url) / values["id"])
    try:
        _link_plan(plan, values, workspace, db)
        with db.write() as connection:
            if values["key"] and (earlier := rows.by_key(connection, values["key"])):
                raise Taken(earlier["id"])
            rows.create(connection, **values, workspace=str(workspace))
            _insert_plan(connection, values["id"], plan)
    except BaseException:
        shutil.rmtree(workspace, ignore_errors=True)
        raise
    spawn_runner(db, values["id"], str(workspace))
    return values["id"]


def _make_workspace(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        why = f"The workspace {folder} can't be made: {error.strerror}"
        raise BadInput(f"{why}. Set MIGRATOR_WORKSPACE to a folder of yours.") from None
    return folder


def _link_plan(plan: Sequence[Shard], values: dict[str, Any], workspace: Path, db: StateDB) -> None:
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


def _insert_plan(connection: Any, run_id: str, plan: Sequence[Shard]) -> None:
    if plan:
        columns = ("no", "items", "bytes", "plan_file")
        values = [{"run_id": run_id} | {name: getattr(shard, name) for name in columns} for shard in plan]
        connection.execute(schema.shards.insert(), values)


def check_plan(seen: Snapshot, files: Sequence[Path]) -> None:
    """Raise BadInput unless these are the files that the run's plan hash was made of."""
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


def owner() -> str:
    """Who asks: the hub's user where there is one."""
    user = os.environ.get("JUPYTERHUB_USER")
    try:
        return user or getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
