"""The queue on each database: every run is taken once, in its turn, and within the limit."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from crews import at_once, queued

from migrator.lifecycle import process, queue, reap
from migrator.migrations import CopyObjects
from migrator.recording import Terms, launch, new_row
from migrator.state import StateDB, now_ms, queues, requests, runs, schema, servers

FULL = pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])


def claim(db: StateDB, name: str = "default") -> str | None:
    row = queue.claim(db, name)
    return row["id"] if row else None


def _unlimited(db: StateDB) -> None:
    with db.write() as connection:
        queues.change(connection, "default", max_running=None)


def _claim_all(url: str, hold_s: float) -> list[tuple[str, int, int]]:
    """Claim and end runs until none is left: id, and from when to when it was held."""
    db, held = StateDB(url), []
    while True:
        row = queue.claim(db, "default")
        begun = time.monotonic_ns()
        if row is None and not _left(db):
            db.close()
            return held
        if row:
            time.sleep(hold_s)
            held.append((row["id"], begun, time.monotonic_ns()))
            db.transact(lambda connection, run_id=row["id"]: runs.end(connection, run_id, None, "completed"))


def _left(db: StateDB) -> bool:
    with db.read() as connection:
        return next(queues.waiting(connection, "default"), None) is not None


# Mutation: let queue._claim lock nothing (twice `lock=False`) and runs.begin any status begin: runs are taken twice.
@pytest.mark.parametrize("count", [60, FULL])
def test_six_claimers_take_every_run_once(db: StateDB, count: int) -> None:
    ids = [f"r{number}" for number in range(count)]
    queued(db, *ids)
    _unlimited(db)
    begun = time.monotonic()
    taken = at_once(_claim_all, [(db.url, 0.0)] * 6, timeout=800)
    print(f"{count} claims in {time.monotonic() - begun:.1f} s, by claimer: {[len(mine) for mine in taken]}")
    assert sorted(run_id for mine in taken for run_id, _, _ in mine) == sorted(ids)


# Mutation: let queues.settings ignore `lock`; on PostgreSQL and MariaDB two are then held at once.
def test_a_limit_of_one_is_one_over_all_claimers(db: StateDB) -> None:
    queued(db, *(f"r{number}" for number in range(40)))
    taken = at_once(_claim_all, [(db.url, 0.01)] * 4)
    spans = sorted((begun, ended) for mine in taken for _, begun, ended in mine)
    assert len(spans) == 40
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))


def test_a_higher_priority_goes_first_then_age(db: StateDB) -> None:
    queued(db, "old")
    queued(db, "urgent", priority=5)
    queued(db, "young", "younger")
    queued(db, "late", priority=-1)
    _unlimited(db)
    with db.read() as connection:
        order = [row["id"] for row in queues.waiting(connection, "default")]
        assert [queues.position(connection, runs.get(connection, run_id)) for run_id in order] == [1, 2, 3, 4, 5]
        assert queues.ahead(connection, runs.get(connection, "young"), 5) == ["urgent", "old"]
    assert order == ["urgent", "old", "young", "younger", "late"]
    assert [claim(db) for _ in range(6)] == [*order, None]


def test_pages_leave_nobody_out(db: StateDB) -> None:
    ids = [f"r{number:03}" for number in range(90)]
    place = 5
    queued(db, *ids[:40], place=place)  # of the same age: by id
    queued(db, *ids[40:])
    with db.read() as connection:
        assert [row["id"] for row in queues.waiting(connection, "default")] == ids


# Mutation: let runs.requeue set `place` anew.
def test_a_crash_keeps_the_place(db: StateDB) -> None:
    queued(db, "first", "second", "third")
    assert claim(db) == "first"
    with db.write() as connection:
        assert reap.bury(connection, runs.get(connection, "first"), "it crashed")
        row = runs.get(connection, "first")
        assert (row["status"], row["crashes"], queues.position(connection, row)) == ("queued", 1, 1)
    assert claim(db) == "first"


def _cancel_all(url: str, ids: list[str]) -> list[tuple[str, int, int]]:
    db = StateDB(url)
    for run_id in ids:
        db.transact(lambda connection, run_id=run_id: requests.cancel(connection, run_id, "me"))
    db.close()
    return []


def test_what_was_cancelled_in_the_queue_never_starts(db: StateDB) -> None:
    ids = [f"r{number}" for number in range(60)]
    queued(db, *ids)
    _unlimited(db)
    backwards = ids[::-1]
    crew = [(_claim_all, (db.url, 0.0)), (_claim_all, (db.url, 0.0)), (_cancel_all, (db.url, backwards))]
    taken = {run_id for mine in at_once(_either, crew) for run_id, _, _ in mine}
    with db.read() as connection:
        rows = [runs.get(connection, run_id) for run_id in ids]
    never = {row["id"] for row in rows if row["status"] == "cancelled" and row["pid"] is None}
    print(f"{len(taken)} taken, {len(never)} cancelled in the queue")
    assert never | taken == set(ids)
    assert not never & taken


def _either(work: Any, arguments: Any) -> Any:
    return work(*arguments)


# Mutation: let runs.begin any status begin.
def test_only_a_queued_run_begins(db: StateDB) -> None:
    queued(db, "r1", "r2")
    with db.write() as connection:
        requests.cancel(connection, "r1", "me")
        begun = [runs.begin(connection, run_id, process.myself(), 1000) for run_id in ("r1", "r2", "r2")]
        assert begun == [False, True, False]


# Mutation: let queue.unanswered look at nothing, and death() not ask UNSTARTED_MS.
def test_a_claim_whose_answer_was_lost_is_found(db: StateDB) -> None:
    queued(db, "r1")
    claim(db)
    found = queue.unanswered(db, known=())
    assert found
    assert found["id"] == "r1"
    assert queue.unanswered(db, known={"r1"}) is None
    lost = found["lease_until"] + reap.UNSTARTED_MS
    assert reap.death(found | {"now": lost}) is None
    assert "was to start it, and did not" in str(reap.death(found | {"now": lost + 1}))


def test_not_before_its_time(db: StateDB) -> None:
    with db.read() as connection:
        now = now_ms(connection)
    queued(db, "later", not_before=now + 60_000)
    queued(db, "past", not_before=now - 1)
    _unlimited(db)
    assert (claim(db), claim(db)) == ("past", None)
    with db.write() as connection:  # its time has come
        connection.execute(sa.update(schema.runs).where(schema.runs.c.id == "later").values(not_before=now - 1))
    assert claim(db) == "later"


def test_a_paused_queue_starts_nothing(db: StateDB) -> None:
    queued(db, "r1")
    with db.write() as connection:
        queues.change(connection, "default", paused_at=1)
    assert claim(db) is None
    with db.write() as connection:
        queues.change(connection, "default", paused_at=None)
    assert claim(db) == "r1"


def test_a_run_is_there_if_the_caller_commits(db: StateDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATOR_WORKSPACE", str(tmp_path / "runs"))
    (tmp_path / "source").mkdir()
    migration = CopyObjects(tmp_path / "source", tmp_path / "target").resolve()
    theirs = _their_engine(db.url)
    ids = []
    for commits in (False, True):
        with theirs.connect() as connection:
            ids.append(launch(db, new_row(migration, Terms(mode="queue")), within=connection))
            connection.commit() if commits else connection.rollback()
    with db.read() as connection:
        assert [row["id"] for row in queues.waiting(connection, "default")] == ids[1:]
    theirs.dispose()


# Mutation: let dialects.insert_missing insert without looking; MariaDB's claim then waits for the caller.
def test_a_caller_who_takes_his_time_keeps_no_claim_waiting(db: StateDB) -> None:
    if db.sqlite:
        pytest.skip("SQLite has one writer at a time")
    queued(db, "first")
    theirs = _their_engine(db.url)
    with theirs.connect() as connection, ThreadPoolExecutor(1) as crew:
        queues.ensure(connection, "default")
        runs.create(connection, id="mine", mode="queue", status="queued")
        assert crew.submit(claim, db).result(20) == "first"
        connection.rollback()
    theirs.dispose()


def _their_engine(url: str) -> sa.Engine:
    """As somebody else would make it: with MariaDB's own dialect, and its usual isolation."""
    return sa.create_engine(servers.parse(url).render_as_string(False).replace("mysql+", "mariadb+"))
