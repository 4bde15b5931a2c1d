"""What stores tell of themselves while they are used, and who waits for them.

A process has one weather at a time: a run's, whose engine holds the run while a store can't be used, or this one,
which is nobody's: it sleeps between two tries, and gives up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from ..errors import StoreError, Throttled


class Weather:
    """Counts what went wrong and passed. Shared by threads.

    Attributes
    ----------
    endures : bool
        Whether a store that can't be used is waited for, however long.
    hurries : bool
        Whether a store that throttles is given no more time than one that fails.
    retried, throttled : int
        Requests that were sent again; those of them that a store wanted later.
    throttler : str
        Which store wanted that last, and its words: ``s3://lake (503 SlowDown)``.
    """

    endures = False
    hurries = False

    def __init__(self) -> None:
        self.retried = self.throttled = 0
        self.throttler = ""
        self._counting = threading.Lock()

    def count(self, place: str, error: StoreError) -> None:
        """A request is sent again."""
        with self._counting:
            self.retried += 1
            if isinstance(error, Throttled):
                self.throttled += 1
                self.throttler = f"{place} ({error.cause})" if error.cause else place

    def rest(self, seconds: float) -> None:
        """Wait between two tries. Raises where there is nothing to wait for any more."""
        time.sleep(seconds)

    def enter(self) -> None:
        """Pass whatever keeps this process from writing; called before a request is sent again."""

    def aside(self) -> AbstractContextManager[None]:
        """While inside, this thread waits, and is in the middle of nothing."""
        return nullcontext()

    def hold(self, place: str, why: str, *, quietly: bool = False) -> None:
        """A store can't be used; nobody need try. ``quietly``: people know."""

    def free(self, place: str) -> None:
        """It can be used again."""


class Haste(Weather):
    """Of who only wants to know how it is: a store is asked again, and nobody waits for long."""

    hurries = True

    def rest(self, seconds: float) -> None:
        super().rest(min(seconds, 1.0))


_weather = Weather()


def weather() -> Weather:
    """The weather that this process works in."""
    return _weather


@contextmanager
def under(other: Weather) -> Iterator[None]:
    """While inside, the whole process works in another weather."""
    global _weather
    before, _weather = _weather, other
    try:
        yield
    finally:
        _weather = before
