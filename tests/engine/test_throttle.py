"""Limits that several processes keep to together, and what a lull saves up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from migrator.engine import throttle as module
from migrator.engine.throttle import Throttle


# Mutations: give each process the whole rate, or none what is left over of the objects in flight.
@pytest.mark.parametrize(("in_flight", "of"), [(8, 3), (7, 2), (9, 9), (5, 1)])
def test_the_shares_of_all_processes_are_the_limit(in_flight: int, of: int) -> None:
    throttle = Throttle()
    throttle.set({"in_flight": in_flight, "bytes_per_s": 1000.0})
    shares = [throttle.share(number, of) for number in range(of)]
    assert sum(share["in_flight"] for share in shares) == in_flight
    assert sum(share["bytes_per_s"] for share in shares) == pytest.approx(1000)


# Mutation: take the higher of the two.
def test_what_people_ask_for_and_what_stores_take_both_hold() -> None:
    throttle = Throttle()
    assert throttle.in_flight is None
    throttle.set({"in_flight": 8})
    for ceiling, most in ((None, 8), (3, 3), (20, 8)):
        throttle.ceiling = ceiling
        assert throttle.in_flight == most
    assert Throttle().share(0, 2) == {}


# Mutation: let Throttle.take save up without end.
def test_a_lull_saves_up_no_more_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    throttle = Throttle()
    throttle.set({"bytes_per_s": 1000})
    assert throttle.take(500) == pytest.approx(0.5)
    clock.now += 3600
    assert throttle.take(1000) == 0.0
    assert throttle.take(1000) == pytest.approx(1.0)
