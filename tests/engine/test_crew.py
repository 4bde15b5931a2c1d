"""Threads that lose nothing and leave nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from migrator.engine.control import Control
from migrator.engine.crew import IN_FLIGHT_BYTES, SMALL_BYTES, Crew
from migrator.engine.pace import Pace
from migrator.model import Item

ROWS = [Item(n, str(n)) for n in range(500)]


class Asked(Control):
    """A control that is asked to stop when a test says so."""

    def __init__(self, stopped=lambda: False) -> None:
        super().__init__("r1")
        self._asked = stopped

    def cancelled(self) -> bool:
        return self._asked() or super().cancelled()


def crew(work, threads: int = 8, stopped=lambda: False) -> Crew[int]:
    return Crew(Pace.fixed(threads), Asked(stopped), work)


def copying() -> int:
    return sum(thread.name.startswith("copy-") for thread in threading.enumerate())


def test_every_row_comes_back_once() -> None:
    assert sorted(crew(lambda item: item.item_no).run(ROWS)) == list(range(500))


def test_no_rows_are_no_threads() -> None:
    assert list(crew(lambda item: item.item_no).run([])) == []


class Panic(BaseException):
    """What a Rust panic looks like: no Exception."""


# Mutation: catch Exception instead of BaseException in Crew._loop, and the panic is lost.
@pytest.mark.parametrize("kind", [ValueError, Panic])
def test_an_error_ends_all_and_is_raised_when_nothing_moves(kind: type[BaseException]) -> None:
    def work(item: Item) -> int:
        if item.item_no == 100:
            raise kind("no")
        return item.item_no

    got = []
    with pytest.raises(kind):
        got.extend(crew(work).run(ROWS))
    assert copying() == 0
    assert len(got) == len(set(got)) < 500


def test_what_was_done_before_the_error_is_given() -> None:
    def work(item: Item) -> int:
        if item.item_no == 3:
            raise ValueError
        return item.item_no

    results = crew(work, 1).run(ROWS)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError):
        next(results)


def test_a_stop_ends_it_with_what_is_in_flight() -> None:
    stop = threading.Event()

    def work(item: Item) -> int:
        if item.item_no == 50:
            stop.set()
        return item.item_no

    got = sorted(crew(work, 1, stop.is_set).run(ROWS))
    assert got == list(range(51))


def test_a_taker_who_leaves_early_leaves_no_thread() -> None:
    results = crew(lambda item: (time.sleep(0.01), item.item_no)[1]).run(ROWS)
    next(results)
    results.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert copying() == 0


# Mutation: leave out Budget.take, and far more is held at once.
def test_bytes_in_flight_are_bounded() -> None:
    held, most, lock = 0, 0, threading.Lock()

    def work(item: Item) -> int:
        nonlocal held, most
        with lock:
            held += 2 * item.bytes
            most = max(most, held)
        time.sleep(0.005)
        with lock:
            held -= 2 * item.bytes
        return 1

    rows = [Item(n, str(n), bytes=8 << 20) for n in range(60)]
    assert sum(crew(work, 32).run(rows)) == 60
    assert most <= IN_FLIGHT_BYTES


def few(number: int, at_once: int, most: int | None = None) -> Pace:
    return Pace(lambda: at_once, most or at_once, few=lambda: number)


# Mutations: leave either comparison with SMALL_BYTES, or that of the sources, out of Rows.take.
def test_small_rows_of_one_source_are_done_together_and_others_alone() -> None:
    large = SMALL_BYTES + 1
    sizes = [1, 2, SMALL_BYTES, 3, large, large, 4, 5, 6, 7]
    rows = [Item(n, str(n), bytes=size, source="b" if n == 9 else "a") for n, size in enumerate(sizes)]
    taken: list[list[int]] = []

    def work(items: list[Item]) -> list[int]:
        taken.append([item.item_no for item in items])
        return taken[-1]

    done = Crew[int](few(3, 3), Control("r1"), lambda item: work([item])[0], work).run(rows)
    assert list(done) == list(range(10))
    assert taken == [[0, 1, 2], [3], [4], [5], [6, 7, 8], [9]]


# Mutation: let `run` go by `few`, and two threads are at work in place of eight.
def test_work_that_takes_one_row_has_all_the_threads() -> None:
    together = threading.Barrier(8)
    work = Crew[int](few(4, 8), Control("r1"), lambda item: together.wait(30) * 0 + item.item_no).run(ROWS[:8])
    assert sorted(work) == list(range(8))


# Mutation: leave the limit out of Crew._shape: sixteen are taken at once where three are allowed.
@pytest.mark.parametrize(("limit", "shape"), [(None, (2, 16)), (3, (1, 3)), (20, (2, 10)), (1, (1, 1))])
def test_a_limit_holds_for_all_objects_at_once(limit: int | None, shape: tuple[int, int]) -> None:
    control = Control("r1")
    control.throttle.set({"in_flight": limit})
    crew = Crew[int](few(16, 32), control, lambda item: item.item_no, lambda items: [item.item_no for item in items])
    done = crew.run(ROWS)
    assert sorted(done) == list(range(500))
    assert crew._shape == shape


# Mutation: gather the results of a batch before they are taken, and what was done is lost with what failed.
def test_what_a_batch_did_before_its_error_is_given() -> None:
    def work(items: list[Item]) -> Iterator[int]:
        for item in items:
            if item.item_no == 20:
                raise ValueError
            yield item.item_no

    results = Crew[int](few(8, 8), Control("r1"), lambda item: item.item_no, work).run(ROWS)
    got = []
    with pytest.raises(ValueError):
        got.extend(results)
    assert got == list(range(20))
