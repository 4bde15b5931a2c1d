"""Objects in flight while a store throttles: halved, to one at least, and up again while that brings more."""

from __future__ import annotations

from itertools import pairwise

from migrator.engine.ceiling import BETWEEN_CUTS_S, CALM_S, IDLE_S, Ceiling

LOOK_S = 0.5


class Store:
    """A store that takes ``takes`` objects a second from each that is in flight, up to ``most`` a second."""

    def __init__(self, threads: int, takes: float = 10.0, most: float = 1e9) -> None:
        self.ceiling, self.now, self.done = Ceiling(), 100.0, 0.0
        self.threads, self.takes, self.most = threads, takes, most

    @property
    def in_flight(self) -> int:
        return min(self.threads, self.ceiling.most or self.threads)

    def goes_on(self, seconds: float, *, throttling: bool = False) -> list[int]:
        """The numbers in flight at each look."""
        seen = []
        for _ in range(round(seconds / LOOK_S)):
            self.now += LOOK_S
            self.done += LOOK_S * min(self.most, self.takes * self.in_flight)
            self.ceiling.look(self.now, throttled=throttling, at_work=self.in_flight, done=int(self.done), size=0)
            seen.append(self.in_flight)
        return seen


def test_nothing_is_lowered_while_nobody_asks() -> None:
    store = Store(64)
    assert set(store.goes_on(60)) == {64}
    assert store.ceiling.most is None


# Mutation: cut at every look, and one burst of refusals costs all but one; let it fall to none, and the run stands.
def test_each_cut_halves_and_one_is_left() -> None:
    store = Store(64)
    assert store.goes_on(LOOK_S, throttling=True) == [32]
    assert store.goes_on(BETWEEN_CUTS_S - LOOK_S, throttling=True)[-1] == 32
    assert store.goes_on(LOOK_S, throttling=True) == [16]
    assert store.goes_on(60, throttling=True)[-1] == 1


# Mutation: let Ceiling._raise give back all at once, or nothing.
def test_it_goes_up_by_steps_when_the_store_is_calm() -> None:
    store = Store(64)
    store.goes_on(60, throttling=True)
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
