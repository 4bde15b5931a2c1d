"""A process is known by more than its pid, and a dead one never looks alive."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migrator import feed
from migrator.errors import TokenLost
from migrator.lifecycle import process, reap
from migrator.state import StateDB, dialects, requests, runs

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper():
    child = subprocess.Popen(SLEEPER, start_new_session=True)
    yield child
    child.kill()
    child.wait()


@pytest.fixture
def db(tmp_path: Path) -> StateDB:
    return StateDB(f"sqlite:///{tmp_path / 'state.db'}")


def test_a_living_process_is_recognised(sleeper: subprocess.Popen) -> None:
    identity = process.identify(sleeper.pid)
    assert identity is not None
    assert process.alive(identity)


# Mutation: let process._start_ticks ignore the state field, and this fails.
def test_a_zombie_is_dead(sleeper: subprocess.Popen) -> None:
    identity = process.identify(sleeper.pid)
    assert identity is not None
    sleeper.kill()
    deadline = time.monotonic() + 20
    while process.alive(identity) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.alive(identity) is False
    assert Path(f"/proc/{sleeper.pid}").exists()  # nobody has reaped it


# Mutation: compare pids only, and both of these fail.
@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot_id": "another boot"}])
def test_a_stranger_with_the_same_pid_is_never_signalled(sleeper: subprocess.Popen, change: dict) -> None:
    identity = process.identify(sleeper.pid)
    assert identity is not None
    stranger = dataclasses.replace(identity, **change)
    assert process.alive(stranger) is False
    assert process.send_group(stranger, signal.SIGKILL) is False
    assert sleeper.poll() is None


def test_a_process_of_another_host_is_not_judged_from_here() -> None:
    elsewhere = dataclasses.replace(process.myself(), host="another host")
    assert process.alive(elsewhere) is None
    assert process.send_group(elsewhere, signal.SIGKILL) is False


def claim(db: StateDB, **change: object) -> runs.Claim:
    with db.write() as connection:
        runs.create(connection, id="r1", status="starting")
    return runs.claim(db, "r1", dataclasses.replace(process.myself(), **change))


def move_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The state DB's clock says so many seconds more than it is."""
    monkeypatch.setattr(dialects.time, "time_ns", lambda: int((time.time() + seconds) * 1e9))


def wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + 20
    while process._state(pid) != b"T" and time.monotonic() < deadline:
        time.sleep(0.01)


def status(db: StateDB) -> str:
    reap.reap(db, "r1")
    with db.read() as connection:
        return runs.get(connection, "r1")["status"]


def test_a_living_run_is_left_alone(db: StateDB) -> None:
    claim(db)
    assert status(db) == "running"


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot_id": "before the reboot"}, {"pid": 2**22 - 1}])
def test_a_dead_run_on_this_host_is_interrupted(db: StateDB, change: dict) -> None:
    claim(db, **change)
    assert status(db) == "interrupted"


def test_a_silent_run_of_another_host_keeps_its_lease(db: StateDB, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(db, host="another host")
    assert status(db) == "running"
    move_clock(monkeypatch, 26)
    assert status(db) == "interrupted"


def test_a_clock_that_jumps_kills_nobody_on_this_host(db: StateDB, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(db)
    for hours in (-3, 3):
        move_clock(monkeypatch, hours * 3600)
        assert status(db) == "running"


def test_a_run_whose_starter_died_before_it_spawned_is_seen_at_once(db: StateDB) -> None:
    gone = dataclasses.replace(process.myself(), start_ticks=1)
    for starter, expected in ((process.myself(), "starting"), (gone, "interrupted")):
        with db.write() as connection:
            runs.create(connection, id=expected, **runs.starting(connection, starter, db.lease_ms))
        assert feed.snapshot(db, expected).status == expected
    with pytest.raises(TokenLost):
        runs.claim(db, "interrupted", process.myself())


# Mutation: take `process.stopped(holder)` out of reap.death, and nobody ever takes over.
def test_a_stopped_process_may_be_taken_over_once_its_lease_is_out(
    db: StateDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        identity = process.identify(child.pid)
        assert identity
        claim(db, pid=child.pid, start_ticks=identity.start_ticks)
        child.send_signal(signal.SIGSTOP)
        wait_until_stopped(child.pid)
        assert status(db) == "running"
        move_clock(monkeypatch, 21)
        assert status(db) == "interrupted"
    finally:
        child.kill()
        child.wait()


def test_a_process_of_another_container_is_not_judged_by_its_pid(db: StateDB) -> None:
    here = process.boot_id()
    claim(db, boot_id=here.partition("/")[0] + "/1", pid=2**22 - 1)
    assert status(db) == "running"


def test_a_cancelled_run_that_had_to_be_killed_is_cancelled(db: StateDB) -> None:
    claim(db, start_ticks=1)
    with db.write() as connection:
        requests.cancel(connection, "r1", "me")
    assert status(db) == "cancelled"


def test_a_name_with_brackets_is_read_past(tmp_path: Path) -> None:
    program = tmp_path / "a) R (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(program), "30"])
    try:
        identity = process.identify(child.pid)
        assert identity is not None
        assert 0 < identity.start_ticks < os.times().elapsed * os.sysconf("SC_CLK_TCK") * 10
    finally:
        child.kill()
        child.wait()


# Mutation: let nobody take `_looking` at the end; with MariaDB the command was killed by SIGSEGV once, its copy done.
def test_a_process_does_not_end_while_a_thread_of_it_looks_at_the_state_db() -> None:
    script = """
import subprocess, sys, threading, time
from migrator.lifecycle import reap, spawn
begun = threading.Event()
reap.reap = lambda db, run_id: (begun.set(), time.sleep(0.3), print("looked", flush=True))
spawn.watch(None, "r", subprocess.Popen([sys.executable, "-c", ""]))
begun.wait(20)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "looked\n", "")
