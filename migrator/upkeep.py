"""Care of a state DB and the workspaces that its runs name."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import state_url
from .lifecycle import process
from .lifecycle.reap import death
from .state import StateDB, journal, now_ms, runs, schema, upkeep

DRY_DAYS = 1  # a dry run's plan is looked at, applied, or forgotten


@dataclass(frozen=True, slots=True)
class Health:
    """What a look at a state DB found: ``damage`` by the database's own check, ``missing`` as (run, file)."""

    state: str
    version: int
    runs: dict[str, int]
    damage: list[str]
    missing: list[tuple[str, str]]

    @property
    def well(self) -> bool:
        return not self.damage and not self.missing


@dataclass(frozen=True, slots=True)
class Old:
    """A run that may be purged."""

    run: str
    status: str
    dry_run: bool
    finished_at: int
    ended_days_ago: float
    workspace: str
    size: int
    kept_because: str | None


def upgrade() -> tuple[str, int]:
    """Bring an older schema to this release's, if no run lives; which state DB it is, and its version now."""
    db = StateDB(state_url(), dead=lambda row: death(row) is not None)
    db.close()
    return db.shown, schema.SCHEMA_VERSION


def check(db: StateDB) -> Health:
    """Whether the database is whole, and every file is there that a run on this host names."""
    with db.read() as connection:
        damage, counts = upkeep.damage(connection), upkeep.counts(connection)
        rows = [row for row in runs.select(connection) if not _elsewhere(row)]
        missing = [(row["id"], file) for row in rows for file in _missing_files(connection, row)]
    return Health(db.shown, schema.SCHEMA_VERSION, counts, damage, missing)


def find_old(db: StateDB, days: float) -> list[Old]:
    """Runs that ended more than so many days ago; a dry run goes after one."""
    with db.read() as connection:
        now = now_ms(connection)
        day = 86_400_000
        rows = upkeep.ended_before(connection, int(now - days * day), int(now - min(days, DRY_DAYS) * day))
    return [_described(row) for row in rows]


def purge(db: StateDB, days: float) -> list[Old]:
    """Take them out: the rows first, and then the folder, so that no row names what is gone."""
    gone = []
    for old in find_old(db, days):
        if old.kept_because is None and db.transact(lambda c, old=old: upkeep.remove(c, old.run, old.finished_at)):
            shutil.rmtree(old.workspace, ignore_errors=True)
            gone.append(old)
    return gone


def _described(row: runs.Row) -> Old:
    folder = Path(row["workspace"])
    size = sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir()) if folder.name else 0
    days = (row["now"] - row["finished_at"]) / 86_400_000
    why = _kept_because(row)
    return Old(row["id"], row["status"], row["dry_run"], row["finished_at"], days, row["workspace"], size, why)


def _kept_because(row: runs.Row) -> str | None:
    if Path(row["workspace"]).name != row["id"]:  # never a folder that we did not make
        return "its workspace has not its name"
    return f"its workspace is on {row['host']}" if _elsewhere(row) else None


def _elsewhere(row: runs.Row) -> bool:
    """Whether its workspace is on another host's own disk."""
    return row["host"] not in (None, process.host()) and not Path(row["workspace"]).exists()


def _missing_files(connection: Any, row: runs.Row) -> list[str]:
    folder = Path(row["workspace"])
    named = [file for s in journal.read_shards(connection, row["id"]) for file in (s.plan_file, *s.receipts)]
    return [str(folder / file) for file in named if not (folder / file).exists()]
