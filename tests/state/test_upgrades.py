"""A state DB of an older release: taken along with its runs, unless one of them may be at work."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from migrator.errors import StateError
from migrator.lifecycle import process
from migrator.state import StateDB, events, journal, runs, schema, upgrades

# What release 0.1 of November 2026 left after a copy and a dry run, by `.dump`; the dry run was then interrupted.
VERSION_1 = (Path(__file__).parent / "fixtures" / "version_1.sql").read_text(encoding="utf-8")
NEW = ("place", "not_before", "max_attempts", "crashes", "import_path", "needs", "writes", "held_for", "step",
       "throttled_by", "throttled_since", "retries")  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)
    return path


def shape(db: StateDB) -> dict[str, object]:
    """Tables with their columns and indexes."""
    with db.read() as connection:
        look = sa.inspect(connection)
        return {
            table: (
                {column["name"]: (str(column["type"]), column["nullable"]) for column in look.get_columns(table)},
                {index["name"] for index in look.get_indexes(table)},
            )
            for table in look.get_table_names()
        }


def test_a_state_db_of_version_1_is_taken_along(old: Path, tmp_path: Path) -> None:
    db, new = StateDB(f"sqlite:///{old}"), StateDB(f"sqlite:///{tmp_path / 'new.db'}")
    upgraded, made = shape(db), shape(new)
    assert {table: (set(columns), indexes) for table, (columns, indexes) in upgraded.items()} == {
        table: (set(columns), indexes) for table, (columns, indexes) in made.items()
    }
    with db.read() as connection:
        done = runs.by_key(connection, "old one")
        assert done
        assert (done["status"], done["copied"], done["max_attempts"], done["writes"]) == ("partial", 3, 3, [])
        assert [event.kind for event in events.after(connection, done["id"], 0)][-1] == "status"
        assert len(journal.read_shards(connection, done["id"])) == 1
        [waits] = runs.select(connection, runs.runs.c.status == "interrupted")
    with db.write() as connection:  # and a run from then goes on now
        assert runs.restart(connection, waits["id"], "me", status="starting")
    pen = journal.Journal(db, runs.claim(db, waits["id"], process.myself()))
    pen.warn("hello")
    assert pen.end("completed")
    assert StateDB(f"sqlite:///{old}").state_id == db.state_id


# Mutation: let upgrades.upgrade not ask who is at work.
def test_no_upgrade_under_a_run_that_may_live(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("update runs set status = 'running', pid = 1 where status = 'interrupted'")
        connection.commit()
    with pytest.raises(StateError, match=r"has schema 1.*older release may still run.*`migrator state upgrade`"):
        StateDB(f"sqlite:///{old}")
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("select value from meta where name = 'schema_version'").fetchone() == ("1",)
        assert "place" not in {row[1] for row in connection.execute("pragma table_info(runs)")}
    assert StateDB(f"sqlite:///{old}", dead=lambda row: row["pid"] == 1).state_id


# Mutation: take the looks out of _add_columns or _exchange_index; what was cut off can then not be done again.
@pytest.mark.parametrize("cut_off_after", [0, 4, len(NEW)])
def test_an_upgrade_that_was_cut_off_is_done_again(state_url: str, cut_off_after: int) -> None:
    db = StateDB(state_url)
    made = shape(db)
    with db.write() as connection:
        runs.create(connection, id="r1", status="completed", name="kept")
        for index in schema.runs.indexes if cut_off_after < len(NEW) else ():
            if index.name in ("runs_turn", "runs_status"):
                index.drop(connection)
        for name in NEW[cut_off_after:]:
            connection.exec_driver_sql(f"alter table runs drop column {name}")
        connection.exec_driver_sql("update meta set value = '1' where name = 'schema_version'")
    db.close()
    again = StateDB(state_url)
    upgraded = shape(again)
    assert {name: nullable for name, (_, nullable) in upgraded["runs"][0].items()} == {
        name: nullable for name, (_, nullable) in made["runs"][0].items()
    }
    assert upgraded["runs"][1] == made["runs"][1]
    with again.read() as connection:
        row = runs.get(connection, "r1")
        assert (row["name"], row["writes"], row["place"], row["max_attempts"]) == ("kept", [], 0, 3)
    again.close()


def test_there_is_a_step_for_each_version() -> None:
    assert sorted(upgrades.STEPS) == list(range(2, schema.SCHEMA_VERSION + 1))


def test_an_upgrade_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrades, "_exchange_index", lambda *_: Path("/not/there").stat())
    with pytest.raises(StateError):
        StateDB(f"sqlite:///{old}")
    with closing(sqlite3.connect(old)) as connection:
        assert "place" not in {row[1] for row in connection.execute("pragma table_info(runs)")}
