"""One process owns a run, and one that lost it writes nothing more."""

from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from crews import CONTEXT

from migrator.errors import NewerSchema, StateError, TokenLost, UnknownRun
from migrator.lifecycle import process, reap
from migrator.model import Counts, Item, Receipt, Shard
from migrator.state import Journal, StateDB, requests, runs
from migrator.state.journal import read_exceptions

ME = process.myself()


def make(db: StateDB, run_id: str = "r1", **values: object) -> str:
    with db.write() as connection:
        runs.create(connection, **({"id": run_id, "status": "starting", "phases": ["plan", "copy"]} | values))
    return run_id


def claimed(db: StateDB) -> Journal:
    return Journal(db, runs.claim(db, make(db), ME))


def _claim(url: str, gate, results) -> None:
    db = StateDB(url)
    gate.wait()
    try:
        results.put(runs.claim(db, "r1", process.myself()).token)
    except TokenLost:
        results.put(None)


def test_of_many_claimers_one_wins(db: StateDB) -> None:
    make(db)
    gate, results = CONTEXT.Barrier(6), CONTEXT.Queue()
    crew = [CONTEXT.Process(target=_claim, args=(db.url, gate, results)) for _ in range(6)]
    for one in crew:
        one.start()
    tokens = [results.get(timeout=60) for _ in crew]
    for one in crew:
        one.join()
    assert sum(token is not None for token in tokens) == 1


# Mutation: let runs._claim raise whenever it did not win.
def test_a_claim_whose_answer_was_lost_is_asked_for_again(db: StateDB) -> None:
    make(db)
    first, again = (runs.claim(db, "r1", ME, "my-token") for _ in range(2))
    assert (first.token, first.attempt) == (again.token, again.attempt) == ("my-token", 1)
    with pytest.raises(TokenLost):
        runs.claim(db, "r1", ME)


# Mutation: drop `runs.c.token == token` from runs.fence, and each of the three below fails.
def test_an_owner_that_lost_its_run_writes_nothing(db: StateDB) -> None:
    journal = claimed(db)
    with db.write() as connection:
        runs.end(connection, "r1", journal._claim.token, "interrupted")
        runs.restart(connection, "r1", "me", status="starting")
    runs.claim(db, "r1", ME)
    shard = Shard(0, 1, 1, "plan/x")
    for write in (
        lambda: journal.enter("copy"),
        lambda: journal.planned([shard], {}, "hash"),
        lambda: journal.commit(shard, "receipts/x", Counts(copied=1), []),
        lambda: journal.pulse(Counts(), (None, None), 0),
        lambda: journal.warn("late"),
    ):
        with pytest.raises(TokenLost):
            write()
    assert journal.end("completed") is False
    with db.read() as connection:
        assert runs.get(connection, "r1")["status"] == "running"


def test_a_late_death_notice_does_not_end_the_next_attempt(db: StateDB) -> None:
    old = claimed(db)._claim
    with db.write() as connection:
        assert runs.end(connection, "r1", old.token, "interrupted")
        runs.restart(connection, "r1", "me", status="starting")
    runs.claim(db, "r1", ME)
    with db.write() as connection:
        assert runs.end(connection, "r1", old.token, "interrupted") is False


# Mutation: leave `holder` out of what reap.bury compares.
def test_a_late_death_notice_does_not_end_the_next_attempt_before_its_claim_either(db: StateDB) -> None:
    make(db)
    dead = replace(ME, pid=2**22 - 1, start_ticks=1)
    with db.write() as connection:
        runs.note_child(connection, "r1", dead)
        seen = runs.get(connection, "r1")
        why = reap.death(seen)
        assert "ended before it began" in str(why)
        assert reap.bury(connection, seen, str(why))
        assert runs.restart(connection, "r1", "me", **runs.starting(connection, ME, 1000))
        assert not reap.bury(connection, seen, str(why))
        assert runs.get(connection, "r1")["status"] == "starting"


def test_of_two_resumes_one_wins(db: StateDB) -> None:
    make(db, status="interrupted")
    with db.write() as connection:
        assert [runs.restart(connection, "r1", "me", status="starting") for _ in range(2)] == [True, False]


def test_a_terminal_status_changes_only_by_a_new_attempt(db: StateDB) -> None:
    journal = claimed(db)
    assert journal.end("completed")
    with db.write() as connection:
        assert not runs.restart(connection, "r1", "me", status="starting")
        requests.cancel(connection, "r1", "me")
        assert runs.get(connection, "r1")["cancel_requested_at"] is None
        assert not runs.end(connection, "r1", None, "failed")


def test_commit_sums_shards_and_replaces_exceptions(db: StateDB) -> None:
    journal = claimed(db)
    shards = [Shard(0, 2, 20, "plan/0"), Shard(1, 1, 10, "plan/1")]
    journal.planned(shards, {"create": {"items": 3, "bytes": 30}}, "hash")
    failed = (Item(1, "b"), Receipt(1, "failed", error="no"))
    journal.commit(shards[0], "receipts/0-1", Counts(copied=1, failed=1, bytes_done=20), [failed])
    journal.commit(shards[1], "receipts/1-1", Counts(copied=1, bytes_done=10), [])
    assert journal.counts() == Counts(copied=2, failed=1, bytes_done=30)
    again = journal.shards()[0]
    journal.commit(again, "receipts/0-2", Counts(copied=2, bytes_done=20), [])
    assert journal.shards()[0].receipts == ("receipts/0-1", "receipts/0-2")
    with db.read() as connection:
        assert read_exceptions(connection, "r1", 10) == []
        assert runs.get(connection, "r1")["copied"] == 3


def test_a_listing_counts_until_there_is_a_plan_and_never_after(db: StateDB) -> None:
    journal = claimed(db)
    journal.pulse(Counts(), (None, None), 0, listed=500)
    with db.read() as connection:
        assert runs.get(connection, "r1")["total"] == 500
    journal.planned([Shard(0, 3, 30, "plan/0")], {}, "hash")
    journal.pulse(Counts(), (None, None), 0, listed=500)
    with db.read() as connection:
        assert runs.get(connection, "r1")["total"] == 3


def test_events_are_numbered_without_gaps(db: StateDB) -> None:
    journal = claimed(db)
    for text in ("one", "two"):
        journal.warn(text)
    with db.read() as connection:
        from migrator.state import events

        assert [event.seq for event in events.after(connection, "r1", 0)] == [1, 2, 3, 4]
        assert [event.data.get("text") for event in events.after(connection, "r1", 2)] == ["one", "two"]


def test_the_file_is_private_and_durable(tmp_path: Path) -> None:
    path = tmp_path / "made" / "state.db"
    db = StateDB(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with db.read() as connection:
        ask = lambda name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()  # noqa: E731
        assert (ask("journal_mode"), ask("synchronous"), ask("foreign_keys")) == ("wal", 2, 1)
    for suffix in ("-wal", "-shm"):
        assert stat.S_IMODE(Path(str(path) + suffix).stat().st_mode) == 0o600


# Mutation: leave out the listener on the pool, and it goes back to one that closes nothing any more.
def test_what_a_thread_uses_as_the_state_db_is_closed_is_closed_after_it(tmp_path: Path) -> None:
    db = StateDB(f"sqlite:///{tmp_path / 'state.db'}")
    with db.read() as connection:
        used = connection.connection.dbapi_connection
        db.close()
        assert connection.exec_driver_sql("select 1").scalar() == 1
    assert isinstance(used, sqlite3.Connection)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        used.execute("select 1")


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    StateDB(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("update meta set value = '99' where name = 'schema_version'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NewerSchema, match="Upgrade jupyter-migrator"):
        StateDB(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(StateError, match="MIGRATOR_STATE"):
        StateDB(f"sqlite:///{path}")
    assert path.read_bytes() == b"not a database " * 100


# Mutation: let reap.reap raise UnknownRun, and the thread that waited for the run's process says so in a traceback.
def test_an_unknown_run_says_how_to_find_one(db: StateDB) -> None:
    reap.reap(db, "gone")
    with db.read() as connection, pytest.raises(UnknownRun, match="migrator runs"):
        runs.get(connection, "nobody")


def test_a_rolled_back_write_leaves_nothing(db: StateDB) -> None:
    def write_and_fail() -> None:
        with db.write() as connection:
            runs.create(connection, id="r9", status="starting")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with db.read() as connection, pytest.raises(UnknownRun):
        runs.get(connection, "r9")


@pytest.mark.parametrize("tag", ["nightly", "größe", 'with "quotes" and \\', "100%_"])
def test_a_run_is_found_by_its_whole_tag(db: StateDB, tag: str) -> None:
    make(db, "r1", tags=[tag, "other"])
    make(db, "r2", tags=[f"{tag}-not"])
    with db.read() as connection:
        assert [row["id"] for row in runs.newest(connection, 5, tag=tag)] == ["r1"]


# Mutation: take `before_id` out of the comparison in runs.newest.
def test_pages_leave_out_none_of_one_millisecond_and_repeat_none(db: StateDB) -> None:
    for name in "abcd":
        make(db, name, created_at=1000)
    with db.read() as connection:
        first = [row["id"] for row in runs.newest(connection, 2)]
        rest = [row["id"] for row in runs.newest(connection, 5, before=1000, before_id=first[-1])]
        assert (first, rest) == (["d", "c"], ["b", "a"])
        assert runs.newest(connection, 5, before=1000) == []
