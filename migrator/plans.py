"""The plan of a dry run, made another run's own: its files, its rows, and whether they are what they were."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import BadInput
from .model import Shard, Snapshot
from .state import StateDB, schema
from .state import runs as rows


def link(plan: Sequence[Shard], values: dict[str, Any], workspace: Path, db: StateDB) -> None:
    """Give a run its own names for the files of the plan that it applies: purging one keeps the other."""
    if not values.get("plan_run"):
        return
    origin = _workspace_of(values["plan_run"], db)
    (workspace / "plan").mkdir()
    for shard in plan:
        try:
            os.link(origin / shard.plan_file, workspace / shard.plan_file)
        except OSError:  # another file system, or one without links
            shutil.copyfile(origin / shard.plan_file, workspace / shard.plan_file)


def select(
    plan: Sequence[Shard], where: str, values: Mapping[str, Any], workspace: Path, db: StateDB
) -> tuple[Sequence[Shard], dict[str, Any]]:
    """Write a part of another run's plan as this one's; its shards, and the columns that it decides."""
    from .engine import selecting

    origin = _workspace_of(values["plan_run"], db)
    files = [origin / shard.plan_file for shard in plan]
    shards, actions, digest = selecting.select(files, where, workspace, "0-selected")
    figures = {name: sum(getattr(shard, name) for shard in shards) for name in ("items", "bytes")}
    return shards, {
        "plan_hash": digest, "actions": actions, "total": figures["items"], "bytes_total": figures["bytes"],
    }  # fmt: skip


def insert(connection: Any, run_id: str, plan: Sequence[Shard]) -> None:
    """Name the files of its plan in the rows of a new run."""
    if plan:
        columns = ("no", "items", "bytes", "plan_file")
        values = [{"run_id": run_id} | {name: getattr(shard, name) for name in columns} for shard in plan]
        connection.execute(schema.shards.insert(), values)


def check(seen: Snapshot, files: Sequence[Path]) -> None:
    """Raise BadInput unless these are the files that the run's plan hash was made of."""
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).hexdigest().encode())
    except OSError as error:
        raise BadInput(f"The plan of run {seen.id} can't be read: {error}. Make the dry run again.") from None
    if digest.hexdigest() != seen.plan_hash:
        raise BadInput(f"The plan of run {seen.id} is not what it was when it was made. Make the dry run again.")


def _workspace_of(run_id: str, db: StateDB) -> Path:
    with db.read() as connection:
        return Path(rows.get(connection, run_id)["workspace"])
