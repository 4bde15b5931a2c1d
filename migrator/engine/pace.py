"""How many objects at once a pair of stores is worth, found out while they are copied.

The round trips that were measured say where to begin; from there it goes up while the rate grows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ..stores import Store

# Of one run, over all of its processes.
MOST = 128
# Small objects that one thread does together, where answers come soon.
FEW = 16
WINDOW_S = 0.5
STEP = 1.5
# Half as many again must make it a fifth faster: chance does less on a busy machine.
WORTH = 0.4
REST = 20  # windows before a step that was not worth it is tried again
# Files are work for the processor, where threads of one interpreter are in each other's way. Below this share of a core
# a process waits for its disk or network.
IDLE = 0.3


class Pace:
    """Known to all crews of one process; ``size`` objects at once is what it comes to, ``few`` of them by one thread.

    Parameters
    ----------
    first : callable
        How many to begin with, by what is known of the stores now.
    most : int
        Never more than that.
    waiting : bool
        Go up only while this process mostly waits.
    few : callable
        How many of them one thread may do together.
    """

    def __init__(
        self, first: Callable[[], int], most: int, *, waiting: bool = False, few: Callable[[], int] = lambda: 1
    ) -> None:
        self._first, self._most, self._waiting, self._few = first, most, waiting, few
        self._factor = 1.0
        self._before: tuple[int, float] | None = None  # the size and the rate before the last step
        self._resting = 0
        self.begin()

    @classmethod
    def fixed(cls, number: int) -> Pace:
        """Always so many."""
        return cls(lambda: number, number)

    @classmethod
    def between(
        cls, *stores: Store, shares: int, given: int | None = None, near: Callable[[], bool] | None = None
    ) -> Pace:
        """What suits the stores, or is ``given`` for the run; ``shares`` processes keep to it together.

        While they are ``near`` each thread does a few objects together. Two are enough then, one of which works while
        the other waits.
        """

        def few() -> int:
            return FEW if near and near() else 1

        def first() -> int:
            together = few()
            return fixed or (2 * together if together > 1 else max(store.capabilities.threads for store in stores))

        fixed = max(1, given // shares) if given else None
        return cls(first, fixed or max(1, MOST // shares), few=few)

    @classmethod
    def of_files(cls, first: int, *, shares: int) -> Pace:
        """From folder to folder: more than ``first`` where they are on a network or a slow disk."""
        return cls(lambda: first, max(1, MOST // shares), waiting=True)

    def begin(self) -> None:
        """Work begins, or goes on: the time before it does not count."""
        self._since, self._done, self._used = time.monotonic(), 0, time.process_time()
        self._set()

    def heard(self, done: int) -> None:
        """So many objects more are done. By one thread."""
        self._done += done
        took = time.monotonic() - self._since
        if took >= WINDOW_S and self._done >= 2 * self.size:  # fewer tell nothing
            self._turn(self._done / took, busy=(time.process_time() - self._used) / took)
            self.begin()
        else:
            self._set()

    def _turn(self, rate: float, busy: float) -> None:
        if self._resting:
            self._resting -= 1
        elif self._before and not self._was_worth_it(rate, *self._before):
            self._factor, self._before, self._resting = self._factor / STEP, None, REST
        elif self.size < self._most and not (self._waiting and busy > IDLE):
            self._factor, self._before = self._factor * STEP, (self.size, rate)

    def _was_worth_it(self, rate: float, size: int, before: float) -> bool:
        return rate / before - 1 >= WORTH * (self.size / size - 1)

    def _set(self) -> None:
        self.size = max(1, min(self._most, math.ceil(self._first() * self._factor - 1e-9)))
        self.few = self._few()
