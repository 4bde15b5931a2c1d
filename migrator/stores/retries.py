"""What may pass is tried again: the one policy of all stores, whichever library sends the request.

An adapter says by the type of its error what it met (``StoreError.ends``), and gives two functions: a small request
that shows whether the store answers at all, and one that reads the credentials anew. Waits grow and are jittered, a
store's Retry-After holds for all threads, and a store that answers nobody is asked by one thread for all.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from ..errors import CredentialsRefused, StoreError, Throttled, Unreachable
from .weather import weather

TRIES, FIRST_WAIT_S, LONGEST_WAIT_S = 5, 0.2, 10.0
# A store that throttles is there, and a third of all requests refused must fail none of a million.
THROTTLED_TRIES = 14
ASKED_S = 60.0  # what a server may ask for by Retry-After
FIRST_LOOK_S, LONGEST_LOOK_S = 1.0, 10.0  # at a store that can't be used
RENEWALS = 3
A = TypeVar("A")


class Retries:
    """The retries of one store, shared by its threads.

    Parameters
    ----------
    place : str
        The store as people know it.
    probe : callable
        Sends one small request, once; raises what it met.
    renew : callable
        Reads the credentials anew, and says whether they are others now.
    """

    def __init__(self, place: str, probe: Callable[[], object], renew: Callable[[], bool] = lambda: False) -> None:
        self._place, self._probe, self._renew = place, probe, renew
        self._not_before = 0.0  # monotonic; none while zero
        self._healed = 0.0
        self._looking = threading.Lock()

    @property
    def waiting(self) -> bool:
        """Whether the store asked not to be asked for a while."""
        return bool(self._not_before)

    def persist(self, once: Callable[[], A], tries: int = TRIES) -> A:
        """What ``once`` gives, after as many tries as it is worth; with one try only that one.

        Raises
        ------
        StoreError
            What the last try met.
        """
        failed = 0
        while True:
            if self._not_before:
                self._give_way()
            try:
                return once()
            except (Unreachable, CredentialsRefused) as error:
                if tries == 1:
                    raise
                failed = self._again(error, failed + 1, tries)

    def note(self, error: Unreachable | CredentialsRefused) -> None:
        """A failure of what is not tried again here: it counts, and what the store asks for holds for all."""
        weather().count(self._place, error)
        self._heed(error)

    def _again(self, error: Unreachable | CredentialsRefused, failed: int, tries: int) -> int:
        """Wait for the next try, or raise the error; the failures that count from here on."""
        trouble = None
        if isinstance(error, CredentialsRefused):
            # Another thread may have renewed them meanwhile: then the store answers.
            if failed <= RENEWALS and (self._renew() or self._trouble() is None):
                weather().count(self._place, error)
                return failed
        elif failed < (max(tries, _patience()) if isinstance(error, Throttled) else tries):
            # On a dead link each try would take all of its time, and the next one as much again.
            trouble = self._met(error) if error.silent and weather().endures else None
            if trouble is None:
                weather().count(self._place, error)
                self._wait(error, failed)
                return failed
        if not weather().endures:
            raise error
        trouble = trouble or self._met(error)
        if trouble is None:  # it answers others: it is this request
            raise error
        self._outlast(trouble)
        return 0

    def _wait(self, error: Unreachable, failed: int) -> None:
        if not self._heed(error):
            weather().rest(pause(failed))
            weather().enter()

    def _heed(self, error: StoreError) -> bool:
        """Whether the store said for how long it wants to be left alone."""
        if not (isinstance(error, Throttled) and error.after):
            return False
        self._not_before = max(self._not_before, time.monotonic() + min(error.after, ASKED_S))
        return True

    def _give_way(self) -> None:
        """Wait until the store wants to be asked again; not all come back in the same instant."""
        left = self._not_before - time.monotonic()
        if left > 0:
            weather().rest(left + random.uniform(0, min(1.0, left / 2)))  # noqa: S311 - jitter
            weather().enter()
        else:
            self._not_before = 0.0

    def _outlast(self, error: StoreError) -> None:
        """Hold everything until the store can be used again. One thread looks, the others wait for it."""
        came = time.monotonic()
        with weather().aside(), self._looking:
            if self._healed < came:
                self._look(error)
                self._healed = time.monotonic()
        weather().enter()

    def _met(self, error: StoreError) -> StoreError | None:
        """Why the store can't be used, if that is why a request failed; while another thread looks, it is."""
        return error if self._looking.locked() else self._trouble()

    def _look(self, error: StoreError | None) -> None:
        since, waits = datetime.now().astimezone(), looks()
        try:
            while error is not None:
                why = f"{error} It has been so since {since:%H:%M:%S}, and is tried again by itself."
                weather().hold(self._place, why)
                weather().rest(next(waits))
                if isinstance(error, CredentialsRefused):
                    self._renew()
                error = self._trouble()
        finally:
            weather().free(self._place)

    def _trouble(self) -> StoreError | None:
        """Why the store can't be used now; any answer of its own says that it can."""
        try:
            self._probe()
        except (Unreachable, CredentialsRefused) as error:
            return error
        except StoreError:
            return None
        return None


def shown(trial: Callable[[], bool], control: Callable[[], object]) -> bool:
    """What a trial shows; no, where each time it gets no answer, and the store gives one right after it.

    Some servers list nothing at all while a key stands that they can't write down, and then the look whether the store
    can be used fails too: a trial that insisted would wait for itself. So it asks once and takes its object back, and
    ``control`` asks as often as it takes.

    Raises
    ------
    StoreError
        What ``control`` met, or the last trial where that tells nothing of what was tried.
    """
    for left in reversed(range(TRIES)):
        try:
            return trial()
        except (Throttled, CredentialsRefused):
            if not left:
                raise
        except Unreachable:
            pass
        except StoreError:
            return False
        control()
    return False


def _patience() -> int:
    return TRIES if weather().hurries else THROTTLED_TRIES


def pause(failed: int) -> float:
    """Seconds to wait after so many failures in a row, with jitter."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**failed) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter


def looks() -> Iterator[float]:
    """Seconds between two looks at a store that can't be used."""
    wait = FIRST_LOOK_S
    while True:
        yield wait * random.uniform(0.8, 1.0)  # noqa: S311 - jitter
        wait = min(LONGEST_LOOK_S, wait * 1.6)


def asked_for(retry_after: str) -> float | None:
    """The seconds of a Retry-After header, which may be a date; None where it says nothing."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        from email.utils import parsedate_to_datetime  # slow to load, and folders have no use for it

        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
