"""One owner at a time: of a target, of a run, and of the right to write."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from driving import (
    Worker,
    command,
    command_here,
    command_json,
    ends,
    gone,
    heeds_cancel,
    keeper_of,
    moving,
    row,
    runner_of,
    starts_of,
    state_file,
    wait_for,
)
from trees import in_folder

from migrator import api
from migrator.config import CANCEL_GRACE_S, HELD_AT
from migrator.errors import BadInput, LeaseHeld
from migrator.migrations import CopyObjects
from migrator.model import SETTLED

SLOW = 40_000  # bytes a second
RESUMER = """
import sys, threading, time
from migrator import api
from migrator.errors import MigratorError
def one():
    begun = time.monotonic()
    try:
        api.attach(sys.argv[1]).resume()
        said = "won"
    except MigratorError as error:
        said = str(error)
    sys.stdout.write(f"{time.monotonic() - begun:.3f} {said}\\n")  # at once: print writes the line's end by itself
    sys.stdout.flush()
api.attach(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=one) for _ in range(5)]
[t.start() for t in threads]; [t.join() for t in threads]
"""


def slow(source: Path, target: Path, **terms: Any) -> api.Run:
    return api.start(CopyObjects(source, target), bytes_per_s=SLOW, **terms)


def last_written(folder: Path) -> float:
    """When the newest file got its name."""
    return max(path.stat().st_ctime for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".part"))


def files_in(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".part"))


# ------------------------------------------------------------------------------------------ targets


# Mutation: leave take_or_refuse out of recording._record, and both write to one place.
@pytest.mark.parametrize("inner", ["", "d00", "d00/s1"])
def test_a_second_run_on_a_part_of_the_target_is_refused_at_once_naming_the_first(
    inner: str, few: Path, tmp_path: Path
) -> None:
    first = slow(few, tmp_path / "out")
    runner = runner_of(first)
    runs_before = len(api.runs())
    begun = time.monotonic()
    with pytest.raises(LeaseHeld) as refused:
        api.start(CopyObjects(few, tmp_path / "out" / inner))
    assert time.monotonic() - begun < 10
    for word in (first.id, str(runner.pid), f"{tmp_path}/out", "mode='queue'"):
        assert word in str(refused.value)
    assert len(api.runs()) == runs_before
    answer = command_here("copy", few, tmp_path / "out" / inner)
    assert answer.code == 1
    assert first.id in answer.err


def test_a_place_beside_the_target_is_free_and_so_is_a_dry_run(few: Path, tmp_path: Path) -> None:
    slow(few, tmp_path / "out")
    assert api.start(CopyObjects(few, tmp_path / "out2")).wait(30).status == "completed"
    dry = api.start(CopyObjects(few, tmp_path / "out"), dry_run=True)
    assert dry.wait(30).status == "completed"
    with pytest.raises(LeaseHeld):
        api.apply(dry)


def test_a_queued_run_waits_for_the_place_and_says_for_whom(few: Path, tmp_path: Path) -> None:
    first = slow(few, tmp_path / "out")
    runner_of(first)
    queued = api.start(CopyObjects(few, tmp_path / "out" / "inner"), mode="queue")
    other = api.start(CopyObjects(few, tmp_path / "other"), mode="queue")
    with Worker():
        assert ends(other) == "completed"  # nobody stands in line behind one that waits for a place
        assert first.id in str(queued.snapshot().waiting_for)
        with pytest.raises(LeaseHeld):
            queued.run_now()
        assert queued.status == "queued"
        first.cancel()
        assert ends(queued) == "completed"


def test_leases_are_listed_and_a_living_owner_keeps_its_own(few: Path, tmp_path: Path) -> None:
    run = slow(few, tmp_path / "out")
    runner = runner_of(run)
    (held,) = command_json("leases")
    assert (held["run"], held["pid"], held["place"]) == (run.id, runner.pid, f"{tmp_path}/out")
    answer = command_here("leases", "break", run.id)
    assert answer.code == 2
    assert "its process lives" in answer.err
    run.cancel()
    assert ends(run) == "cancelled"
    assert command_json("leases") == []
    assert command_here("leases", "break", run.id).code == 2


def test_the_lease_of_a_dead_run_is_in_nobodys_way(few: Path, tmp_path: Path) -> None:
    first = slow(few, tmp_path / "out")
    runner = runner_of(first)
    keeper = keeper_of(runner)
    moving(first)
    runner.suspend()
    keeper.kill()
    runner.kill()
    wait_for(lambda: gone(runner) and gone(keeper), 10, "both are gone")
    second = api.start(CopyObjects(few, tmp_path / "out"))  # who started the first may have seen it die already
    assert row(first)["status"] == "interrupted"
    assert second.wait(60).status == "completed"


# --------------------------------------------------------------------------------------------- runs


def test_of_twenty_resumes_from_four_processes_one_wins_and_the_others_are_told_who(few: Path, tmp_path: Path) -> None:
    run = slow(few, tmp_path / "out")
    runner_of(run)
    moving(run)
    run.cancel()
    assert ends(run) == "cancelled"
    crew = [
        subprocess.Popen(
            [sys.executable, "-c", RESUMER, run.id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outs = []
    for one in crew:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in crew:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in crew:
        outs += one.communicate(timeout=60)[0].splitlines()
    told = [line.partition(" ")[::2] for line in outs]
    assert len(told) == 20
    assert sum(said == "won" for _, said in told) == 1
    losers = [(float(seconds), said) for seconds, said in told if said != "won"]
    assert all(f"Run {run.id} is " in said and "already" in said for _, said in losers)
    print("slowest refusal:", max(seconds for seconds, _ in losers))
    runner_of(run)
    assert row(run)["attempt"] == 2
    assert starts_of(run) == 2


def test_a_run_is_cancelled_from_another_process(few: Path, tmp_path: Path) -> None:
    run_id = command(
        "copy", few, tmp_path / "out", "--no-follow", "--bytes-per-s", str(SLOW)
    ).out.strip()  # its starter is gone
    runner_of(run_id)
    moving(run_id)
    assert command("cancel", run_id, "--wait").code == 0
    assert heeds_cancel(run_id) < 2 * CANCEL_GRACE_S


# ----------------------------------------------------------------------------- the right to write


# Mutation: let Gate.why ignore the lease's end, and files go on appearing.
def test_without_its_keeper_a_runner_stops_writing_before_its_lease_ends_and_goes_on_with_the_next(
    few: Path, tmp_path: Path, lease_s: float
) -> None:
    run = slow(few, tmp_path / "out")
    runner = runner_of(run)
    keeper = keeper_of(runner)
    moving(run)
    keeper.suspend()  # it lives, so that no other is started; and renews nothing
    until = row(run)["lease_until"] / 1000
    wait_for(lambda: "lease" in str(row(run)["held_for"]), lease_s + 10, "it is held")
    time.sleep(max(0.0, until - time.time()) + 1)
    assert last_written(tmp_path / "out") < until
    assert not gone(runner)
    assert run.status == "running"  # it lives: no reader takes it for dead
    keeper.kill()
    run.limit()
    assert run.wait(60).attempt == 1
    assert in_folder(tmp_path / "out") == in_folder(few)


# Mutation: leave _enforce_lease out of the keeper, and the stopped runner is there for ever.
def test_a_runner_that_is_stopped_is_ended_by_its_keeper_before_its_lease(
    few: Path, tmp_path: Path, lease_s: float
) -> None:
    run = slow(few, tmp_path / "out")
    runner = runner_of(run)
    keeper_of(runner)
    moving(run)
    time.sleep(1)
    os.kill(runner.pid, signal.SIGSTOP)
    wait_for(lambda: row(run)["status"] == "interrupted", lease_s + 15, "its death is written down")
    assert gone(runner)


def test_a_pause_that_somebody_makes_by_a_signal_is_survived_if_it_is_short(few: Path, tmp_path: Path) -> None:
    run = slow(few, tmp_path / "out")
    runner = runner_of(run)
    moving(run)
    os.kill(runner.pid, signal.SIGSTOP)
    time.sleep(6)
    assert run.status == "running"
    os.kill(runner.pid, signal.SIGCONT)
    run.limit()
    assert run.wait(60).attempt == 1


# Mutation: drop token and status from runs.fence, and the old one's figures are written over the new one's. (Here that
# one has ended, so either keeps the old one out; the token alone: `test_an_owner_that_lost_its_run_writes_nothing`.)
@pytest.mark.parametrize("leases", [1, pytest.param(3, marks=pytest.mark.soak)])
def test_a_runner_that_slept_through_its_lease_finds_its_run_taken_and_writes_nothing(
    leases: int, few: Path, tmp_path: Path, lease_s: float
) -> None:
    run = slow(few, tmp_path / "out")
    runner = runner_of(run)
    keeper = keeper_of(runner)
    moving(run)
    for process in (keeper, runner):
        os.kill(process.pid, signal.SIGSTOP)
    time.sleep(lease_s * leases + 1)
    assert run.status == "interrupted"  # who looks sees a stopped process whose lease is out
    run.resume()
    run.limit()
    seen = run.wait(60)
    events = run.events()
    for process in (runner, keeper):
        os.kill(process.pid, signal.SIGCONT)
    wait_for(lambda: gone(runner) and gone(keeper), 20, "the old ones end")
    assert run.snapshot() == seen
    assert run.events() == events
    assert in_folder(tmp_path / "out") == in_folder(few)
    assert {item["status"] for item in run.items().df().to_dict("records")} <= SETTLED
    assert not list((tmp_path / "out").rglob("*.part"))


def test_a_state_db_that_is_locked_for_longer_than_a_lease_kills_nobody(
    few: Path, tmp_path: Path, lease_s: float
) -> None:
    run = slow(few, tmp_path / "out")
    runner = runner_of(run)
    moving(run)
    over = threading.Event()

    def lock() -> None:
        connection = sqlite3.connect(state_file(), timeout=30, isolation_level=None)
        connection.execute("begin immediate")
        over.wait(120)
        connection.execute("rollback")
        connection.close()

    locker = threading.Thread(target=lock)
    locker.start()
    try:
        wait_for(lambda: row(run)["lease_until"] / 1000 < time.time(), lease_s + 20, "its lease ran out")
        before = files_in(tmp_path / "out")
        time.sleep(2)  # in which two dozen would be written
        assert files_in(tmp_path / "out") == before  # HELD_AT of the lease, and nothing more
        begun = time.monotonic()
        assert run.status == "running"
        assert time.monotonic() - begun < 10
        assert not gone(runner)
    finally:
        over.set()
        locker.join()
    run.limit()
    assert run.wait(60).attempt == 1
    assert in_folder(tmp_path / "out") == in_folder(few)
    assert HELD_AT < 1


# -------------------------------------------------------------------------------- pause and limits


def test_a_pause_stops_the_writing_and_keeps_the_lease(few: Path, tmp_path: Path) -> None:
    run = slow(few, tmp_path / "out")
    runner_of(run)
    moving(run)
    assert command_here("pause", run.id).code == 0
    wait_for(lambda: row(run)["held_for"] == "paused", 10, "it is held")
    time.sleep(1)  # what was in the middle of a write
    before = files_in(tmp_path / "out")
    assert 0 < before < 300
    time.sleep(2)
    assert files_in(tmp_path / "out") == before
    seen = run.snapshot()
    assert (seen.status, seen.pause_requested, seen.held_for) == ("running", True, "paused")
    assert "paused" in command_here("show", run.id).out
    with pytest.raises(LeaseHeld):
        api.start(CopyObjects(few, tmp_path / "out"))
    assert command_here("unpause", run.id).code == 0
    assert command_here("limit", run.id).code == 0
    assert run.wait(60).status == "completed"
    with pytest.raises(BadInput, match="ended already"):
        run.pause()


def test_a_paused_run_can_be_cancelled(few: Path, tmp_path: Path) -> None:
    run = slow(few, tmp_path / "out")
    runner_of(run)
    moving(run)
    run.pause()
    wait_for(lambda: row(run)["held_for"] == "paused", 20, "it is paused")
    run.cancel()
    assert heeds_cancel(run) < 2 * CANCEL_GRACE_S


def test_a_limit_is_kept_and_can_be_changed_while_it_runs(few: Path, tmp_path: Path) -> None:
    run = slow(few, tmp_path / "out")
    runner_of(run)
    wait_for(lambda: row(run)["bytes_done"] > 5 * SLOW, 30, "it moves as fast as it may")
    took = time.time() - row(run)["started_at"] / 1000
    assert took > 2.5  # a second's worth may be saved up, and each thread is ahead by an object
    assert command_here("limit", run.id, "--bytes-per-s", "50MiB", "--in-flight", "2").code == 0
    begun = time.monotonic()
    seen = run.wait(60)
    assert time.monotonic() - begun < 15  # less than by the limit before
    assert seen.limits == {"bytes_per_s": 50 << 20, "in_flight": 2}
