"""Objects in flight while a store throttles: halved, to one at least, and up again while that brings more."""

from __future__ import annotations

from itertools import pairwise

from migrator.engine.ceiling import BETWEEN_CUTS_S, CALM_S, IDLE_S, Ceiling

LOOK_S = 0.5


class Store:
    """A store that takes ``takes`` objects a second from each that is in flight, up to ``most`` a second.

    Of what is beyond that it refuses each, and of the rest a share ``refuses`` while it throttles.
    """

    def __init__(self, threads: int, takes: float = 10.0, most: float = 1e9, refuses: float = 0.0) -> None:
        self.ceiling, self.now, self.done, self.refused = Ceiling(), 100.0, 0.0, 0.0
        self.threads, self.takes, self.most, self.refuses = threads, takes, most, refuses

    @property
    def in_flight(self) -> int:
        return min(self.threads, self.ceiling.most or self.threads)

    def goes_on(self, seconds: float, *, throttling: bool = False) -> list[int]:
        """The numbers in flight at each look."""
        seen = []
        for _ in range(round(seconds / LOOK_S)):
            self.now += LOOK_S
            asked = LOOK_S * self.takes * self.in_flight
            taken = min(LOOK_S * self.most, asked) * (1 - self.refuses * throttling)
            self.done, self.refused = self.done + taken, self.refused + asked - taken
            self.ceiling.look(
                self.now, throttled=throttling, refused=int(self.refused), at_work=self.in_flight,
                done=int(self.done), size=0,
            )  # fmt: skip
            seen.append(self.in_flight)
        return seen


def test_nothing_is_lowered_while_nobody_asks() -> None:
    store = Store(64)
    assert set(store.goes_on(60)) == {64}
    assert store.ceiling.most is None


# Mutation: cut at every look, and one burst of refusals costs all but one; let it fall to none, and the run stands.
def test_each_cut_halves_and_one_is_left() -> None:
    store = Store(64, most=1)
    assert store.goes_on(LOOK_S, throttling=True) == [32]
    assert store.goes_on(BETWEEN_CUTS_S - LOOK_S, throttling=True)[-1] == 32
    assert store.goes_on(LOOK_S, throttling=True) == [16]
    assert store.goes_on(60, throttling=True)[-1] == 1


# Mutations: let no cut be in vain; look at the rate alone, or at the refusals alone; wait no longer after such a cut.
def test_where_fewer_make_it_slower_and_no_less_refused_half_of_them_go_on() -> None:
    store = Store(64, refuses=0.3)
    seen = store.goes_on(120, throttling=True)
    assert set(seen) == {32, 16}
    assert seen.count(32) > 0.75 * len(seen)
    busy = Store(64, most=40)  # each cut leaves its rate
    assert min(busy.goes_on(30, throttling=True)) <= 4


def test_where_fewer_are_refused_less_they_are_cut_though_it_is_slower() -> None:
    store = Store(64, refuses=0.8)
    seen = []
    for _ in range(6):  # each cut brings as much as it costs
        seen += store.goes_on(BETWEEN_CUTS_S, throttling=True)
        store.refuses /= 2
    assert seen[-1] == 1


# Mutation: let Ceiling._raise give back all at once, or nothing.
def test_it_goes_up_by_steps_when_the_store_is_calm() -> None:
    store = Store(64, most=1)
    store.goes_on(60, throttling=True)
    store.most = 1e9
    assert store.goes_on(CALM_S - LOOK_S)[-1] == 1
    seen = store.goes_on(60)
    assert all(later - now <= max(1, now // 4) for now, later in pairwise(seen))
    assert seen[-1] == 64
    assert store.ceiling.most is None


# Mutation: leave GAIN out of Ceiling._raise.
def test_a_step_that_brings_nothing_is_not_followed_by_others_at_once() -> None:
    store = Store(64, most=40)
    store.goes_on(60, throttling=True)
    store.goes_on(CALM_S + 10)
    held = store.in_flight
    assert 4 <= held < 16
    assert len(set(store.goes_on(IDLE_S - 1))) <= 2
