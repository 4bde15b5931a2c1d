"""Leases on each database: of those who want overlapping places at the same instant one gets them."""

from __future__ import annotations

from typing import Any

import pytest
from crews import CONTEXT, at_once, living

from migrator.lifecycle.leases import take
from migrator.state import StateDB, leases, runs

FULL = pytest.param(500, marks=[pytest.mark.soak, pytest.mark.timeout(900)])
CREW = 4


def _take_each(url: str, number: int, pairs: int, together: Any) -> list[bool]:
    """Take the same place or one inside it as the others do, pair after pair; whether this process got it."""
    db, won = StateDB(url), []
    for pair in range(pairs):
        run_id, path = f"r{pair}-{number}", f"data/{pair}" + ("/inner" if number % 2 else "")
        living(db, run_id, writes=[["s3|here|bucket", path], ["file|host", f"log/{pair}"]][:: (-1) ** number])
        with db.read() as connection:
            row = runs.get(connection, run_id)
        together.wait()
        won.append(db.transact(lambda connection, row=row: take(connection, row)) is None)
        together.wait()
        db.transact(lambda connection, run_id=run_id: runs.end(connection, run_id, None, "completed"))
    db.close()
    return won


# Mutation: leave out _lock_scopes in state.leases.take; on PostgreSQL and MariaDB two then hold nested prefixes.
@pytest.mark.parametrize("pairs", [25, FULL])
def test_of_nested_prefixes_at_the_same_instant_one_is_held(db: StateDB, pairs: int) -> None:
    together = CONTEXT.Barrier(CREW)
    won = at_once(_take_each, [(db.url, number, pairs, together) for number in range(CREW)], timeout=800)
    holders = [sum(mine) for mine in zip(*won, strict=True)]
    assert holders == [1] * pairs
    with db.read() as connection:
        assert leases.held(connection) == []


@pytest.mark.parametrize(
    ("mine", "theirs", "meet"),
    [("a/b", "a", True), ("a", "a/b", True), ("a", "", True), ("a", "a", True), ("a", "ab", False),
     ("a/b", "a/c", False), ("A", "a", False), ("a ", "a", False)],
)  # fmt: skip
def test_places_meet_by_whole_segments(db: StateDB, mine: str, theirs: str, meet: bool) -> None:
    living(db, "r1", writes=[["s3|here|bucket", theirs]])
    living(db, "r2", writes=[["s3|here|bucket", mine]])
    with db.write() as connection:
        assert take(connection, runs.get(connection, "r1")) is None
        holder = take(connection, runs.get(connection, "r2"))
    assert (holder is not None) == meet


# Mutation: let leases.places give scopes as they are.
def test_a_scope_of_any_length_is_held(db: StateDB) -> None:
    long = "s3|https://" + "x" * 400
    for run_id, scope in (("r1", long + "a"), ("r2", long + "a"), ("r3", long + "b")):
        living(db, run_id, writes=[[scope, "data"]])
    with db.write() as connection:
        holders = [take(connection, runs.get(connection, run_id)) for run_id in ("r1", "r2", "r3")]
    assert [holder and holder["id"] for holder in holders] == [None, "r1", None]
