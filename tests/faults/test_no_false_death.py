"""What lives is never taken for dead: not while C code holds the interpreter, not when the wall clock jumps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clocks import WallClock
from driving import command_json, ends, in_phase, moving, row, runner_of, starts_of, wait_for
from gripping import Gripping
from trees import in_folder

from migrator import CopyObjects, api
from migrator.lifecycle.reap import sweep

SLOW = 8_000  # bytes a second


def looks(run: api.Run) -> set[int]:
    """Look at a run while it is running; the ends of its lease that were seen."""
    leases = set()
    while run.status == "running":
        sweep(run.state)
        leases.add(row(run)["lease_until"])
        time.sleep(0.2)
    return leases


def assert_lives(run: api.Run, seconds: float) -> None:
    """Look at a run for so long: it is running at each look."""
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        sweep(run.state)
        assert run.status == "running", row(run)["error"]
        time.sleep(0.2)


@contextmanager
def under(clock: WallClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes that are started inside, and runs, have this clock."""
    with monkeypatch.context() as there:
        there.syspath_prepend(clock.folder)  # it is on the import path that the run records
        for name, value in clock.env.items():
            there.setenv(name, value)
        yield


# Mutation: let the keeper not renew, and it kills the runner before the lease ends.
@pytest.mark.parametrize("hold_s", [10, pytest.param(60, marks=pytest.mark.soak)])
def test_a_runner_that_holds_the_interpreter_for_longer_than_a_lease_is_not_taken_for_dead(
    hold_s: int, lease_s: float
) -> None:
    assert hold_s > lease_s
    run = api.start(Gripping(hold_s=hold_s))
    runner = runner_of(run)
    leases = looks(run)  # who takes it for dead ends it, or begins another attempt
    assert len(leases) >= hold_s / lease_s * 4 - 3  # renewed each quarter of its length
    seen = run.wait(60)
    assert seen.finished_at - seen.started_at > hold_s * 1000  # type: ignore[operator]
    assert (seen.attempt, seen.holder["pid"], seen.copied, starts_of(run)) == (1, runner.pid, 3, 1)  # type: ignore[index]


# Mutation: let reap.death go by the lease for a process of this host that lives and is not stopped, and a reader
# whose clock is ahead of the runner's buries the run.
@pytest.mark.parametrize("hours", [3, -3])
def test_a_clock_that_is_moved_by_three_hours_kills_nobody(
    hours: int, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock(tmp_path)
    with under(clock, monkeypatch):
        run = api.start(CopyObjects(tree, tmp_path / "out"), bytes_per_s=SLOW)
    moving(run)
    clock.move(hours)  # for the runner and its keeper, in the middle of their work
    assert abs(clock.ahead() - hours) < 0.1
    wait_for(lambda: abs(row(run)["lease_until"] / 3.6e6 - time.time() / 3600 - hours) < 0.1, 15, "it is renewed")
    assert_lives(run, 1)
    with under(clock, monkeypatch):  # and for a reader
        assert command_json("show", run.id)["status"] == "running"
        clock.move(-hours)
        assert command_json("show", run.id)["status"] == "running"
    assert_lives(run, 1)
    run.limit()
    assert run.wait(60).attempt == 1
    assert in_folder(tmp_path / "out") == in_folder(tree)


# Mutation: let the keeper measure by the state DB's time (`row["now"] - asked`), and it kills at once.
def test_a_clock_that_is_ahead_leaves_a_cancelled_runner_its_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock(tmp_path)
    with under(clock, monkeypatch):
        run = api.start(Gripping(hold_s=2))
    in_phase(run, "run")
    clock.move(3)
    run.cancel()  # by this process's clock, three hours ago for the keeper
    assert ends(run) == "cancelled"
    assert row(run)["error"] is None  # it ended by itself
