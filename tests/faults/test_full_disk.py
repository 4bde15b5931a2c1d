"""A disk that is full, under the target, the workspace or the state DB: the run waits, says why, and goes on."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from disks import tmpfs
from driving import moving, row, wait_for
from injury import ask, assert_as_if_never_hurt, runners_under

from migrator import CopyObjects, api
from migrator.errors import StateFull

SIZE = 4 << 20
HELD_S = 2  # looked at for so long
SLOW = 20_000  # bytes a second: a quarter of a minute, in which it is to be held
FULL = r"Disk full: it needs (about )?[\d.]+ [kMG]?B more at '{}'"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with tmpfs(tmp_path / "disk", SIZE) as place:
        yield place


@contextmanager
def filled(disk: Path, but: int = 0) -> Iterator[None]:
    """While inside, there is no room left on it, but for so many bytes."""
    ballast = disk / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        os.posix_fallocate(descriptor, 0, shutil.disk_usage(disk).free - but)
        yield
    finally:
        os.close(descriptor)
        ballast.unlink()


def held(run: api.Run, folder: Path) -> str:
    """Why a run is held, once it is for want of room in a folder."""
    wanted = re.compile(FULL.format(f"{folder}[^']*"))
    return wait_for(
        lambda: str(run.snapshot().held_for or "") if wanted.match(str(row(run)["held_for"])) else "", 20, "held"
    )


def log_of(run: api.Run) -> str:
    return (Path(row(run)["workspace"]) / "output.log").read_text()


def tried(trace: Path) -> int:
    """How many writes were refused for want of room."""
    return trace.read_text().count("ENOSPC")


# Mutation: let CopyExecutor._copy take DiskFull for any StoreError, and every object fails; let wait_for_room not look
# for room (end its loop at once), and it is tried hundreds of times.
@pytest.mark.parametrize("processes", [0, 2])
def test_a_full_target_holds_the_run_until_there_is_room(
    processes: int, tree: Path, disk: Path, tmp_path: Path, clean: dict[str, tuple[int, str]]
) -> None:
    trace = tmp_path / "trace"
    strace = f"strace -D -f -qq -Z -e trace=copy_file_range,sendfile,write,pwrite64,openat,mkdir -o {trace}".split()
    with runners_under(tmp_path, strace):
        with filled(disk):
            run = api.start(CopyObjects(tree, disk / "out", processes=processes))
            print(held(run, disk))
            time.sleep(HELD_S)
            assert (run.status, run.snapshot().failed) == ("running", 0)
            assert 1 <= tried(trace) <= 3 * max(1, processes)
        run.wait(60)
    assert 1 <= log_of(run).count("Disk full") <= max(1, processes)
    assert_as_if_never_hurt(run, tree, disk / "out", clean)


# Mutation: leave the removal of half a plan out of Attempt._make_plan, and the second try of "half a plan" fails.
@pytest.mark.parametrize(("phase", "but"), [("plan", 24 << 10), ("copy", 0)], ids=["half a plan", "copy"])
def test_a_full_workspace_holds_the_run_until_there_is_room(
    phase: str,
    but: int,
    tree: Path,
    disk: Path,
    tmp_path: Path,
    clean: dict[str, tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIGRATOR_WORKSPACE", str(disk))
    with runners_under(tmp_path):
        if phase == "copy":
            run = api.start(CopyObjects(tree, tmp_path / "out"), bytes_per_s=SLOW)
            moving(run)
        with filled(disk, but):
            if phase == "plan":
                run = api.start(CopyObjects(tree, tmp_path / "out"))
            print(held(run, disk))
            time.sleep(HELD_S)
            assert run.status == "running"
            assert row(run)["phase"] == phase
        if phase == "copy":
            run.limit()
        run.wait(60)
    assert "Traceback" not in log_of(run)
    assert_as_if_never_hurt(run, tree, tmp_path / "out", clean)


# Mutation: let Pulse log each StateError, and the log has a line each half second.
@pytest.mark.parametrize("processes", [0, 2])
def test_a_full_state_db_holds_the_run_until_there_is_room(
    processes: int,
    tree: Path,
    disk: Path,
    tmp_path: Path,
    clean: dict[str, tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIGRATOR_STATE", str(disk / "state.db"))
    monkeypatch.setenv("MIGRATOR_WORKSPACE", str(tmp_path / "runs"))
    target = tmp_path / "out"
    with runners_under(tmp_path):
        run = api.start(CopyObjects(tree, target, processes=processes), bytes_per_s=SLOW)
        moving(run)
        with filled(disk):
            wait_for(lambda: re.search(FULL.format(disk), log_of(run)), 20, "the log says why")
            time.sleep(1)
            before = sorted(target.rglob("*"))
            time.sleep(HELD_S)
            assert sorted(target.rglob("*")) == before
            assert run.status == "running"
            with pytest.raises(StateFull, match=FULL.format(disk)):
                run.cancel()
            assert log_of(run).count("Disk full") == 1
        run.limit()
        run.wait(60)
    assert ask("pragma integrity_check") == [{"integrity_check": "ok"}]
    assert_as_if_never_hurt(run, tree, target, clean)
