"""PostgreSQL crashes again and again while runs copy and a queue is worked off: all of it ends, once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from databases import PostgreSQL, postgresql_programs

from migrator import api
from migrator.errors import StateError
from migrator.lifecycle.leases import list_held
from migrator.migrations import CopyObjects
from migrator.model import TERMINAL

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
WORKER = [sys.executable, "-c", "from migrator.cli import main; main(['worker', '--concurrency', '2'])"]
FULL = pytest.param(300, marks=[pytest.mark.soak, pytest.mark.timeout(900)])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgreSQL]:
    if postgresql_programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with PostgreSQL() as server:
        own = {"STATE": server.fresh(), "WORKSPACE": tmp_path / "runs", "CONFIG": tmp_path / "migrator.toml"}
        for name, value in own.items():
            monkeypatch.setenv(f"MIGRATOR_{name}", str(value))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        yield server


# Mutation: let Journal._patiently try once, or runner._claim; with either it fails.
@pytest.mark.parametrize("seconds", [10, FULL])
def test_nothing_is_stranded_lost_or_doubled(server: PostgreSQL, tmp_path: Path, seconds: int) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    source, few = _files(tmp_path / "source", 60, 1 << 18), _files(tmp_path / "few", 6, 1000)
    long = api.start(CopyObjects(source, tmp_path / "long"), bytes_per_s=(60 << 18) / seconds)
    api.queue().limit(2)
    crashes, queued = 0, []
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(WORKER, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while "Serving the queue" not in (tmp_path / "worker.log").read_text():  # one that can't begin gives up
            assert worker.poll() is None, (tmp_path / "worker.log").read_text()
            time.sleep(0.05)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            queued.append(_insist(partial(_enqueue, few, tmp_path / f"to-{len(queued)}", len(queued))))
            time.sleep(dice.uniform(1, 4))
            crashes += _crash(server, dice)
        runs = [long, *queued]
        _wait(runs, seconds=90)
    finally:
        worker.terminate()
        worker.wait(20)
    print(f"{crashes} crashes, {len(runs)} runs, attempts {[run.snapshot().attempt for run in runs]}")
    _check(long, tmp_path / "long", source)
    for number, run in enumerate(queued):
        _check(run, tmp_path / f"to-{number}", few)
    assert len(api.runs(500)) == len(runs)
    assert list_held(api.open_state()) == []
    api.open_state().close()


def _files(folder: Path, count: int, size: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.bin").write_bytes(number.to_bytes(2) * (size // 2))
    return folder


def _enqueue(source: Path, target: Path, number: int) -> api.Run:
    return api.start(CopyObjects(source, target), mode="queue", key=f"run {number}")


def _crash(server: PostgreSQL, dice: random.Random) -> int:
    """Stop it at once, sometimes again while it recovers."""
    times = dice.choice([1, 1, 2])
    for _ in range(times):
        server.stop_immediately()
        time.sleep(dice.uniform(0, 2))
        server.start()
    return times


def _insist(work: Callable[[], T]) -> T:
    """What a patient user does: the same again, with the same key."""
    for _ in range(60):
        try:
            return work()
        except StateError:
            time.sleep(0.5)
    raise AssertionError("the state DB did not come back")


def _wait(runs: list[api.Run], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := [run for run in runs if run.status not in TERMINAL]:
        assert time.monotonic() < deadline, [(run, run.events()[-3:], run.log(-3000)[0]) for run in left]
        time.sleep(0.5)


def _check(run: api.Run, target: Path, source: Path) -> None:
    seen = run.snapshot()
    story = (run, [event.data for event in run.events()], run.log(-5000)[0])
    assert seen.status == "completed", story
    assert (seen.copied + seen.adopted + seen.skipped, seen.failed) == (seen.total, 0), story
    ended = [event for event in run.events() if event.data.get("status") == "completed"]
    assert len(ended) == 1, story
    assert {one.name: one.read_bytes() for one in target.iterdir()} == {
        one.name: one.read_bytes() for one in source.iterdir()
    }
    assert seen.crashes == 0, story
