"""Care of a state DB on each database: what is wrong is named, what is old goes, what is used stays."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from crews import living

from migrator import upkeep
from migrator.cli import main
from migrator.lifecycle import process
from migrator.model import Shard
from migrator.state import Journal, StateDB, now_ms, runs
from migrator.state.schema import SCHEMA_VERSION
from migrator.state.upkeep import give_back

DAY = 86_400_000


def ended(db: StateDB, folder: Path, run_id: str, days: float, **values: object) -> Path:
    """A run that ended so long ago, with a workspace that has a plan and a receipt."""
    workspace = folder / "runs" / run_id
    for name in ("plan/0.parquet", "receipts/0.parquet"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_bytes(b"x" * 500)
    living(db, run_id, workspace=str(workspace))
    journal = Journal(db, runs.claim(db, run_id, process.myself()))
    journal.planned([Shard(0, 1, 1, "plan/0.parquet")], {}, "hash")
    journal.end("completed")
    with db.write() as connection:
        then = int(now_ms(connection) - days * DAY)
        change = {"finished_at": then, "status": "completed"} | values
        connection.execute(runs.runs.update().where(runs.runs.c.id == run_id).values(**change))
    return workspace


# Mutation: take `table.c.id.not_in(live)`, the two ages or the status out of state.upkeep.ended_before.
def test_what_is_old_goes_and_what_is_used_stays(db: StateDB, tmp_path: Path) -> None:
    old, young = ended(db, tmp_path, "old", 91), ended(db, tmp_path, "young", 89)
    dry, used = (ended(db, tmp_path, name, 2, dry_run=True) for name in ("dry", "used"))
    today = ended(db, tmp_path, "today", 0.5, dry_run=True)
    resumed = ended(db, tmp_path, "resumed", 100, status="running")
    living(db, "user", plan_run="used", status="queued", pid=None)
    assert [one.run for one in upkeep.find_old(db, 90)] == ["old", "dry"]
    assert all(folder.exists() for folder in (old, dry))
    assert [one.run for one in upkeep.purge(db, 90)] == ["old", "dry"]
    assert [folder.exists() for folder in (old, dry, young, used, today, resumed)] == [False] * 2 + [True] * 4
    with db.read() as connection:
        assert {row["id"] for row in runs.select(connection)} == {"young", "used", "today", "resumed", "user"}
    give_back(db)


# Mutation: let state.upkeep.remove delete by the id alone.
def test_a_run_that_is_resumed_meanwhile_stays(db: StateDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ended(db, tmp_path, "old", 91, status="failed")
    found = upkeep.find_old(db, 90)
    monkeypatch.setattr(upkeep, "find_old", lambda *_: found)
    with db.write() as connection:
        runs.restart(connection, "old", "me", status="starting")
    assert upkeep.purge(db, 90) == []
    with db.write() as connection:  # and has ended again, today
        assert runs.end(connection, "old", None, "completed")
    assert upkeep.purge(db, 90) == []
    assert folder.exists()


# Mutation: let upkeep._kept_because be None always.
def test_a_folder_that_is_not_ours_to_remove_stays(db: StateDB, tmp_path: Path) -> None:
    ended(db, tmp_path, "odd", 91, workspace=str(tmp_path))
    ended(db, tmp_path, "far", 91, workspace="/not/here/far", host="another")
    kept = {one.run: one.kept_because for one in upkeep.find_old(db, 90)}
    assert kept == {"odd": "its workspace has not its name", "far": "its workspace is on another"}
    assert upkeep.purge(db, 90) == []
    assert tmp_path.exists()


def test_check_names_what_is_missing(db: StateDB, tmp_path: Path) -> None:
    workspace = ended(db, tmp_path, "r1", 1)
    assert upkeep.check(db).well
    (workspace / "plan" / "0.parquet").unlink()
    health = upkeep.check(db)
    assert (health.well, health.runs, health.damage) == (False, {"completed": 1}, [])
    assert health.missing == [("r1", str(workspace / "plan" / "0.parquet"))]
    assert dataclasses.asdict(health)


def test_check_names_damage(tmp_path: Path) -> None:
    db = StateDB(f"sqlite:///{tmp_path / 'state.db'}")
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("insert into events values ('nobody', 1, 1, 'status', '{}')")
        connection.commit()
    assert upkeep.check(db).damage == ["events: a row of no runs"]


def test_the_commands(state_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATOR_STATE", state_url)
    db = StateDB(state_url)
    folder = ended(db, tmp_path, "old", 91)
    lines = "check", "purge", "purge --older-than 13w --json", "purge --yes", "vacuum", "upgrade", "check --json"
    said = [CliRunner().invoke(main, ["state", *line.split()]) for line in lines]
    assert [one.exit_code for one in said] == [0] * 7, [one.output for one in said]
    assert "1 run, 1.0 kB would be removed. `--yes` removes it." in said[1].output
    assert [one["run"] for one in json.loads(said[2].output)] == ["old"]
    assert "1 run, 1.0 kB removed" in said[3].output
    assert f"schema {SCHEMA_VERSION}" in said[5].output
    assert json.loads(said[6].output)["well"]
    assert not folder.exists()
    wrong = CliRunner().invoke(main, ["state", "purge", "--older-than", "soon"])
    assert (wrong.exit_code, "90d" in wrong.output) == (2, True)
    db.close()
    from migrator import api

    api.open_state().close()
