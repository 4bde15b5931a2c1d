"""Several processes execute one run's shards: they heed what is asked of it, and any of them may die."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import migrator as mg
from migrator.clocks import boottime
from migrator.engine.control import Control
from migrator.engine.hands import Hands
from migrator.engine.pool import Pool
from migrator.engine.work import Work
from migrator.errors import MigratorError
from migrator.model import Item, Shard

sys.path.insert(0, str(Path(__file__).parent))
from backfill import Backfill


class Crew:
    """Two hands at work on shards of ten rows, in a thread; the runner is played by the test."""

    def __init__(self, folder: Path, shards: int, **fields: Any) -> None:
        self.folder, self.control = folder, Control("run-1")
        self.migration = Backfill(folder=str(folder), days=shards * 10, **fields)
        self.error: BaseException | None = None
        self.done: dict[int, list[int]] = {}
        self._works = [work_of(number) for number in range(shards)]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Crew:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.control.stop("over")
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.hands() == []

    def _run(self) -> None:
        try:
            with Hands(self.migration, 2, self.control) as hands:
                for work, receipts in hands.work_off(iter(self._works)):
                    numbers = self.done.setdefault(work.shard.no, [])
                    for receipt in receipts:
                        self.control.settle(receipt)
                        numbers.append(receipt.item_no)
        except BaseException as error:
            self.error = error

    def wait(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()

    def files(self) -> int:
        return sum(1 for _ in self.folder.iterdir())

    def lines(self) -> int:
        return sum(len(file.read_text().splitlines()) for file in self.folder.iterdir())

    def hands(self) -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if "migrator.engine.hand" in _line_of(child)]

    def settled(self) -> list[int]:
        return sorted(number for numbers in self.done.values() for number in numbers)


def _line_of(process: psutil.Process) -> str:
    """How a process was started; one that is about to be gone has nothing to say."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def work_of(number: int) -> Work:
    rows = [Item(no, f"day-{no:04d}", bytes=10) for no in range(number * 10, number * 10 + 10)]
    return Work(Shard(number, 10, 100, "plan"), rows, {}, list(rows))


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Crew]:
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    )
    folder = tmp_path / "out"
    folder.mkdir()
    return lambda *args, **fields: Crew(folder, *args, **fields)


def until(what: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def still(crew: Crew, seconds: float = 0.5) -> bool:
    before = crew.lines()
    time.sleep(seconds)
    return crew.lines() == before


def test_each_item_is_done_once_and_counted_on_the_way(crew: Callable[..., Crew]) -> None:
    with crew(20, pause_s=0.01) as all_of_it:
        until(lambda: all_of_it.control.tally().done)
        figures = []
        while all_of_it._thread.is_alive():
            figures.append(all_of_it.control.tally().done)
            time.sleep(0.01)
        assert figures == sorted(figures)
        assert all_of_it.settled() == list(range(200))
        assert (all_of_it.lines(), all_of_it.control.tally().bytes_done) == (200, 2_000)


# Mutation: in Hands._recruit, call `self._control.begin_engine()`.
def test_engine_time_begins_with_the_first_object_not_with_the_processes(crew: Callable[..., Crew]) -> None:
    begun = time.monotonic()
    with crew(4, pause_s=0.01) as one:
        until(lambda: one.control.tally().done)
        one.control.mark_engine()
        assert 0 < one.control.engine_ms / 1000 < time.monotonic() - begun - 0.05  # no interpreter is up sooner


# Mutation: in Hands._bury, leave out `self._again.append`.
def test_what_a_killed_hand_was_at_is_done_again(crew: Callable[..., Crew]) -> None:
    with crew(20, pause_s=0.02) as hurt:
        until(lambda: hurt.files() > 20)
        hurt.hands()[0].kill()
        hurt.wait()
        assert hurt.error is None
        assert hurt.settled() == list(range(200))
        assert 200 <= hurt.lines() <= 220
        assert hurt.control.tally().done == 200
        assert "died" in hurt.control.warnings[0]


def test_hands_that_keep_dying_end_the_run_with_a_way_out(crew: Callable[..., Crew]) -> None:
    with crew(20, pause_s=0.05) as dying:
        while dying._thread.is_alive():
            for hand in dying.hands():
                hand.kill()
            time.sleep(0.05)
        assert isinstance(dying.error, MigratorError)
        assert "processes=0" in str(dying.error)


# Mutation: leave out the `why` of Hands._terms.
def test_while_it_is_held_nothing_is_written(crew: Callable[..., Crew]) -> None:
    with crew(20, pause_s=0.02) as paused:
        until(lambda: paused.files() > 20)
        assert not paused.control.gate.quiet
        paused.control.gate.hold("user", "paused")
        until(lambda: paused.control.gate.quiet)
        assert still(paused)
        paused.control.gate.free("user")
        until(lambda: not paused.control.gate.quiet)
        paused.wait()
        assert paused.settled() == list(range(200))
        assert paused.control.gate.quiet


# Mutation: leave out `control.gate.renewed` in hand._heed.
def test_hands_keep_the_end_of_the_lease_though_nobody_tells_them(
    crew: Callable[..., Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    with crew(30, pause_s=0.05) as kept:

        def begun() -> bool:  # however long the two take to load
            kept.control.gate.renewed(boottime() + 2)
            return kept.files() > 5

        until(begun)
        monkeypatch.setattr(Hands, "_tell_terms", lambda _: None)  # as if the runner were stopped
        until(lambda: still(kept))
        assert kept.files() < 100  # twenty a second each, for two seconds; without the end they finish what they have
        monkeypatch.undo()


def test_cancelled_work_keeps_its_receipts(crew: Callable[..., Crew]) -> None:
    with crew(40, pause_s=0.02) as cancelled:
        until(lambda: cancelled.files() > 20)
        cancelled.control.stop("cancelled")
        cancelled.wait()
        assert 20 < cancelled.lines() == len(cancelled.settled()) < 400


# Mutation: let Hands._wanted be self._number.
def test_a_limit_below_the_number_of_hands_lets_some_go(crew: Callable[..., Crew]) -> None:
    with crew(30, pause_s=0.02) as limited:
        until(lambda: limited.files() > 20)
        limited.control.throttle.set({"in_flight": 1})
        until(lambda: len(limited.hands()) == 1)
        limited.control.gate.hold("user", "paused")  # or nothing would be left to do when the other has loaded
        limited.control.throttle.set({})
        until(lambda: len(limited.hands()) == 2)
        limited.control.gate.free("user")
        limited.wait()
        assert limited.settled() == list(range(300))
        assert limited.lines() == 300


# Mutations: let all share to the end in Hands._share, or those that work alone while there is more to hand out.
def test_who_works_on_has_the_limits_of_those_who_have_ended() -> None:
    control = Control("r1")
    control.throttle.set({"bytes_per_s": 100, "in_flight": 9})
    hands = Hands(Any, 2, control)  # pyright: ignore[reportArgumentType]
    at_work, ended = (SimpleNamespace(open=deque(opened), stopping=False) for opened in ([work_of(0)], []))
    hands._links = [ended, at_work]  # pyright: ignore[reportAttributeAccessIssue]

    def limits() -> list[dict[str, Any]]:
        return [hands._terms(link)["limits"] for link in hands._links]

    halves = [{"bytes_per_s": 50, "in_flight": 5}, {"bytes_per_s": 50, "in_flight": 4}]
    assert limits() == halves
    assert list(hands._hand_out(iter(()))) == []
    assert limits() == [halves[0], {"bytes_per_s": 100, "in_flight": 9}]
    hands._again.append(Any)  # one died, and what it had is handed out again
    assert limits() == halves


def test_an_executor_that_breaks_in_a_hand_fails_the_run_with_its_own_words(crew: Callable[..., Crew]) -> None:
    with crew(4) as broken:
        broken.folder.rmdir()
        broken.wait()
        assert type(broken.error).__name__ == "FileNotFoundError"
        assert "day-" in str(broken.error)
        broken.folder.mkdir()


@pytest.fixture
def run(tmp_path: Path, state: str) -> mg.Run:
    (tmp_path / "out").mkdir()
    return mg.start(Backfill(folder=str(tmp_path / "out"), days=9_000, pause_s=0.005, processes=2))


def test_hands_die_with_their_runner(run: mg.Run, tmp_path: Path) -> None:
    until(lambda: len(list((tmp_path / "out").iterdir())) > 50)
    runner = psutil.Process(run.snapshot().holder["pid"])  # type: ignore[index]
    hands = [child for child in runner.children() if "migrator.engine.hand" in " ".join(child.cmdline())]
    assert len(hands) == 2
    runner.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(hands, timeout=20)
    assert alive == []
    until(lambda: run.status == "interrupted")


# Mutation: let `Pool.expect` do nothing, and nobody gets ready; leave `Pool.__exit__` out, and they stay.
def test_hands_get_ready_while_the_plan_is_made_and_leave_when_nothing_comes_of_it(crew: Callable[..., Crew]) -> None:
    watched = crew(1, processes=2)
    with Pool(watched.migration, watched.control) as pool:
        pool.expect(0, 0)
        assert watched.hands() == []
        pool.expect(6000, 6000)
        pool.expect(9000, 9000)
        until(lambda: len(watched.hands()) == 2)
        assert watched.control.gate.quiet
        [(work, receipts)] = pool.hand_out(Any, iter([work_of(0)]), 2)  # pyright: ignore[reportArgumentType]
        assert (work.shard.no, len(list(receipts))) == (0, 10)
        assert watched.hands() == []
    with Pool(watched.migration, watched.control) as pool:
        pool.expect(6000, 6000)
    assert watched.hands() == []
