"""As many objects at once as the stores are worth: found by a clock that the tests turn."""

from __future__ import annotations

import pytest

from migrator.engine import pace as module
from migrator.engine.pace import MOST, REST, WINDOW_S, Pace


class Clock:
    """What `time` is to the module."""

    def __init__(self) -> None:
        self.now, self.used = 100.0, 0.0

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.used


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def work(pace: Pace, clock: Clock, windows: int, rate) -> list[int]:
    """The sizes after each window of work that goes at ``rate(size)`` objects a second."""
    sizes = []
    for _ in range(windows):
        clock.now += WINDOW_S
        pace.heard(round(rate(pace.size) * WINDOW_S))
        sizes.append(pace.size)
    return sizes


# Mutation: leave out the third branch of Pace._turn, and it stays at four.
def test_it_goes_up_while_the_rate_grows_and_not_beyond_the_most(clock: Clock) -> None:
    pace = Pace(lambda: 4, 50)
    sizes = work(pace, clock, 12, lambda size: 100 * size)
    assert sizes == sorted(sizes)
    assert sizes[-1] == 50


# Mutation: set WORTH to zero, and chance carries it up to fifty.
def test_a_step_that_is_not_worth_it_is_taken_back_and_tried_again_later(clock: Clock) -> None:
    pace = Pace(lambda: 8, 50)
    chance = iter([1.0, 1.05] * 100)
    sizes = work(pace, clock, REST + 6, lambda size: 1000 * next(chance))
    assert sizes[:2] == [12, 8]
    assert sizes[2 : REST + 2] == [8] * REST
    assert sizes[REST + 2 : REST + 4] == [12, 8]


def test_what_is_found_out_of_the_stores_later_counts_at_once(clock: Clock) -> None:
    known = 4
    pace = Pace(lambda: known, 64)
    assert pace.size == 4
    known = 60
    pace.heard(1)
    assert pace.size == 60


# Mutation: let Pace.begin not begin a window, and an hour between two shards is taken for slowness.
def test_time_without_work_is_no_slowness(clock: Clock) -> None:
    pace = Pace(lambda: 4, 64)
    work(pace, clock, 2, lambda size: 100 * size)
    clock.now += 3600
    pace.begin()
    sizes = work(pace, clock, 3, lambda size: 100 * size)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 9


def test_a_few_large_objects_tell_nothing(clock: Clock) -> None:
    pace = Pace(lambda: 4, 64)
    assert work(pace, clock, 2, lambda size: 6) == [4, 4]


def test_one_that_was_set_stays(clock: Clock) -> None:
    pace = Pace.fixed(3)
    assert set(work(pace, clock, 9, lambda size: 100 * size)) == {3}


class Place:
    def __init__(self, threads: int) -> None:
        self.capabilities = type("Capabilities", (), {"threads": threads})


def test_processes_share_the_most() -> None:
    assert Pace.between(Place(64), Place(4), shares=1).size == 64  # pyright: ignore[reportArgumentType]
    assert Pace.between(Place(64), shares=4).size == MOST // 4  # pyright: ignore[reportArgumentType]


# Mutations: leave `busy > IDLE` out of Pace._turn, and threads are added where they stand in each other's way; add
# nothing where `waiting`, and a folder on a network goes one file at a time.
def test_from_folder_to_folder_it_goes_up_only_while_it_waits(clock: Clock) -> None:
    def at_work(size: int) -> int:
        clock.used += WINDOW_S * share * size
        return 100 * size

    share = 0.6
    busy = Pace.of_files(1, shares=1)
    assert set(work(busy, clock, 8, at_work)) == {1}
    share = 0.01
    idle = Pace.of_files(1, shares=1)
    sizes = work(idle, clock, 12, at_work)
    assert sizes[:5] == [2, 3, 4, 6, 8]
    assert sizes[-1] == sizes[-3] == 39  # where it is busy enough
