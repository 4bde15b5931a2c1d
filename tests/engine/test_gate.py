"""Nobody writes while the gate is shut, and it is known when nobody is in the middle of writing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from migrator.clocks import boottime
from migrator.engine import room
from migrator.engine.control import Control
from migrator.engine.crew import Crew
from migrator.engine.pace import Pace
from migrator.errors import DiskFull
from migrator.model import Item

ROWS = [Item(n, str(n)) for n in range(2000)]  # so many that nobody is through before it is looked at


@pytest.fixture
def control() -> Iterator[Control]:
    made = Control("r1")
    yield made
    made.stop("the test is over")


class Work:
    """Copies of nothing, slowly, that say how many were made."""

    def __init__(self, control: Control, threads: int = 4) -> None:
        self.done, self.pause_s = 0, 0.02
        self._control, self._threads = control, threads
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._control.writing():  # as the engine's own thread is counted while it executes
            for _ in Crew(Pace.fixed(self._threads), self._control, self._one).run(ROWS):
                pass

    def _one(self, item: Item) -> int:
        time.sleep(self.pause_s)
        self.done += 1
        return item.item_no

    def join(self) -> None:
        self.pause_s = 0.0
        self._thread.join(60)
        assert not self._thread.is_alive()


def wait_for(look: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def stands_still(work: Work) -> bool:
    before = work.done
    time.sleep(0.3)
    return work.done == before


# Mutation: let Control.cancelled not wait at the gate, and the first assertion of both fails.
def test_a_pause_stops_all_and_its_end_lets_all_go_on(control: Control) -> None:
    work = Work(control)
    wait_for(lambda: work.done > 5)
    control.gate.hold("user", "paused")
    wait_for(lambda: control.gate.quiet)
    assert stands_still(work)
    assert work.done < len(ROWS)
    assert control.gate.why == "paused"
    control.gate.free("user")
    work.join()
    assert work.done == len(ROWS)


def test_a_lease_that_is_not_renewed_shuts_by_itself_and_opens_when_it_is(control: Control) -> None:
    work = Work(control)

    def begun() -> bool:
        control.gate.renewed(boottime() + 0.1)
        return work.done > 0

    wait_for(begun)
    wait_for(lambda: control.gate.why is not None)
    wait_for(lambda: control.gate.quiet)
    assert 0 < work.done < len(ROWS)
    assert stands_still(work)
    control.gate.renewed(boottime() + 60)
    work.join()
    assert work.done == len(ROWS)


# Mutation: leave `aside` out of Crew.run, and it is never quiet.
def test_it_is_not_quiet_while_somebody_is_in_the_middle(control: Control) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def write(item: Item) -> int:
        inside.set()
        go_on.wait(60)
        return item.item_no

    crew = Crew(Pace.fixed(1), control, write).run(ROWS[:2])
    taker = threading.Thread(target=lambda: list(crew), daemon=True)
    taker.start()
    assert inside.wait(20)
    control.gate.hold("user", "paused")
    time.sleep(0.1)
    assert not control.gate.quiet
    go_on.set()
    wait_for(lambda: control.gate.quiet)
    control.gate.free("user")
    taker.join(20)
    assert not taker.is_alive()


def test_who_is_asked_to_stop_does_not_wait(control: Control) -> None:
    work = Work(control)
    control.gate.hold("user", "paused")
    control.stop("cancelled")
    work.join()
    assert work.done < len(ROWS)


def test_objects_at_once_can_be_changed_while_they_are_copied(control: Control) -> None:
    now, most, pause_s = 0, 0, 0.03
    lock = threading.Lock()

    def one(item: Item) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(pause_s)
        with lock:
            now -= 1
        return item.item_no

    got: list[int] = []
    taker = threading.Thread(target=lambda: got.extend(Crew(Pace.fixed(8), control, one).run(ROWS)), daemon=True)
    taker.start()
    wait_for(lambda: most > 2)
    control.throttle.set({"in_flight": 2})
    wait_for(lambda: sum(thread.name.startswith("copy-") for thread in threading.enumerate()) <= 2)
    most, before = 0, len(got)
    wait_for(lambda: len(got) > before + 10)
    assert 1 <= most <= 2
    control.throttle.set({})
    wait_for(lambda: most > 2)
    pause_s = 0.0
    taker.join(60)
    assert len(got) == len(ROWS)


# Mutation: let Throttle.take give 0.0, and it takes no time at all.
def test_bytes_a_second_hold_over_all_threads_and_a_change_is_heeded_at_once(control: Control) -> None:
    control.throttle.set({"bytes_per_s": 1_000_000})
    begun = time.monotonic()
    threads = [threading.Thread(target=control.spend, args=(100_000,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.6 < time.monotonic() - begun < 20
    waiting = threading.Thread(target=control.spend, args=(100_000_000,))
    waiting.start()
    time.sleep(0.1)
    control.throttle.set({})
    waiting.join(20)
    assert not waiting.is_alive()


def test_work_waits_for_room_and_goes_on(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 0
    monkeypatch.setattr(room, "free_bytes", lambda _path: free)
    monkeypatch.setattr(room, "LOOK_S", 0.05)
    monkeypatch.setattr(room, "SPARE_BYTES", 0)
    answers: list[bool] = []
    error = DiskFull("/nowhere/big", 10 << 20)
    waiting = threading.Thread(target=lambda: answers.append(control.until_room(error)))
    waiting.start()
    wait_for(lambda: control.gate.why is not None)
    assert control.gate.why == "Disk full: it needs 10.5 MB more at '/'."
    free = 1 << 40
    waiting.join(20)
    assert answers == [True]
    assert control.gate.why is None


def test_a_run_that_waits_for_room_can_be_cancelled(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _path: 0)
    threading.Timer(0.1, control.stop, args=("cancelled",)).start()
    assert control.until_room(DiskFull("/nowhere", 1)) is False


# Mutation: let `Gate.free` clear all holds, and a pause ends with the disk's.
def test_what_one_holds_only_that_one_frees(control: Control) -> None:
    for who in ("user", "disk 7"):
        control.gate.hold(who, f"for {who}")
    control.gate.free("disk 7")
    assert control.gate.why == "for user"
    control.gate.free("user")
    assert control.gate.why is None
