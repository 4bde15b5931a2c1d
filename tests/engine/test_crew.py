"""Threads that lose nothing and leave nothing behind."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from migrator.engine.control import Control
from migrator.engine.copy_executor import CopyExecutor
from migrator.engine.crew import AHEAD_BYTES, IN_FLIGHT_BYTES, Crew, Lookout, Rows
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


def crew(threads: int = 8, stopped=lambda: False) -> Crew[int]:
    return Crew(Pace.fixed(threads), Asked(stopped))


def copying() -> int:
    return sum(thread.name.startswith("copy-") for thread in threading.enumerate())


def test_every_row_comes_back_once() -> None:
    assert sorted(crew().run(lambda item: item.item_no, ROWS)) == list(range(500))


def test_no_rows_are_no_threads() -> None:
    assert list(crew().run(lambda item: item.item_no, [])) == []


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
        got.extend(crew().run(work, ROWS))
    assert copying() == 0
    assert len(got) == len(set(got)) < 500


def test_what_was_done_before_the_error_is_given() -> None:
    def work(item: Item) -> int:
        if item.item_no == 3:
            raise ValueError
        return item.item_no

    results = crew(1).run(work, ROWS)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError):
        next(results)


def test_a_stop_ends_it_with_what_is_in_flight() -> None:
    stop = threading.Event()

    def work(item: Item) -> int:
        if item.item_no == 50:
            stop.set()
        return item.item_no

    got = sorted(crew(1, stop.is_set).run(work, ROWS))
    assert got == list(range(51))


def test_a_taker_who_leaves_early_leaves_no_thread() -> None:
    results = crew().run(lambda item: (time.sleep(0.01), item.item_no)[1], ROWS)
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
    assert sum(crew(32).run(work, rows)) == 60
    assert most <= IN_FLIGHT_BYTES


class Sent:
    """What was sent ahead for a row."""

    def __init__(self, item: Item) -> None:
        self.item, self.left = item, False

    def __exit__(self, *_: object) -> None:
        self.left = True


# Mutation: leave `give_back` out of Lookout.leave, and rows are lost.
def test_what_is_sent_for_ahead_is_done_once_though_threads_come_and_go() -> None:
    sizes = iter([8, 1, 6, 2] * 10_000)
    pace, sent, done = Pace(lambda: next(sizes), 8), [], []

    def ahead(item: Item) -> Sent | None:
        if item.item_no % 7 == 0:
            return None
        sent.append(Sent(item))
        return sent[-1]

    def work(item: Item, given: Sent | None) -> int:
        assert given is None or given.item is item
        done.append(given)
        pace.heard(1)  # another size
        return item.item_no

    assert sorted(Crew(pace, Control("r1")).run(work, ROWS, ahead)) == list(range(500))
    assert sum(one is not None for one in done) > 200
    assert {id(one) for one in done if one} | {id(one) for one in sent if one.left} == {id(one) for one in sent}
    assert copying() == 0


# Mutation: leave either comparison with AHEAD_BYTES out of Lookout.take.
def test_who_does_something_large_keeps_nothing_from_the_others() -> None:
    large, small = ROWS[0]._replace(bytes=AHEAD_BYTES + 1), ROWS[1]
    for rows in ([large, small], [small, large]):
        asked: list[Item] = []
        list(crew(1).run(lambda item, _: item.item_no, rows, asked.append))
        assert asked == []


# Mutations: leave `over = False` out of Rows.give_back, or `__exit__` out of Lookout.leave.
def test_who_leaves_gives_back_what_it_had_sent_for_though_the_others_had_come_to_the_end() -> None:
    sent: list[Sent] = []
    queue = Rows(ROWS[:2])
    lookout = Lookout(queue, lambda item: sent.append(Sent(item)) or sent[-1])
    assert lookout.take() == (ROWS[0], None)
    assert queue.next() is None
    queue.over = True  # says who found none
    lookout.leave()
    assert (sent[0].left, queue.over, queue.next()) == (True, False, ROWS[1])


# Mutation: leave `__exit__` out of CopyExecutor._copy.
def test_what_was_sent_for_and_not_opened_is_let_go_where_the_run_stops() -> None:
    control, sent = Control("r1"), Sent(ROWS[0])
    control.stop("cancelled")
    executor: Any = CopyExecutor
    assert executor._copy(None, None, ROWS[0], control, sent) is None
    assert sent.left
