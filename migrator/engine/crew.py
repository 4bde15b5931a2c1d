"""Plain threads that work through rows. obstore is called from them synchronously: an ``await``
an object costs three times the CPU."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from ..model import Item

R = TypeVar("R")

# A wake-up per result costs more than the work on a small object: results are taken in batches.
DRAIN_S = 0.05
IN_FLIGHT_BYTES = 96 << 20
# A large object holds a few parts, whatever its size.
PART_ROOM = 40 << 20


class Budget:
    """A bound on the bytes that objects in flight hold in memory."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size

    def give(self, size: int) -> None:
        with self._changed:
            self._free += size
            self._changed.notify_all()


class Crew(Generic[R]):
    """Threads that take rows in turn.

    Parameters
    ----------
    threads : int
        How many.
    stopped : callable
        Asked before each row; True ends the work with what is in flight.
    """

    def __init__(self, threads: int, stopped: Callable[[], bool]) -> None:
        self._threads = threads
        self._stopped = stopped
        self._results: deque = deque()
        self._error: BaseException | None = None
        self._budget = Budget(IN_FLIGHT_BYTES)
        self._turn = threading.Lock()

    def run(self, work: Callable[[Item], R | None], rows: Sequence[Item]) -> Iterator[R]:
        """Results in the order in which they come; None results are left out.

        An exception of ``work`` ends all of it, and is raised here when nothing moves any more.
        """
        queue = iter(rows)
        crew = [
            threading.Thread(target=self._loop, args=(work, queue), name=f"copy-{number}", daemon=True)
            for number in range(min(self._threads, len(rows)))
        ]
        for thread in crew:
            thread.start()
        try:
            for thread in crew:
                while thread.is_alive():
                    thread.join(DRAIN_S)
                    yield from self._drain()
        finally:
            # Also when the taker leaves early: no thread outlives this call.
            self._error = self._error or (GeneratorExit() if any(t.is_alive() for t in crew) else None)
            for thread in crew:
                thread.join()
        yield from self._drain()
        if self._error is not None:
            raise self._error

    def _loop(self, work: Callable[[Item], R | None], queue: Iterator[Item]) -> None:
        try:
            while self._error is None and not self._stopped():
                with self._turn:
                    item = next(queue, None)
                if item is None:
                    return
                self._do(work, item)
        except BaseException as error:  # noqa: BLE001  # Rust panics are no Exceptions: no thread dies in silence
            self._error = self._error or error

    def _do(self, work: Callable[[Item], R | None], item: Item) -> None:
        # A whole object is held twice while it passes from one store to the other.
        room = min(2 * item.bytes, PART_ROOM)
        self._budget.take(room)
        try:
            result = work(item)
        finally:
            self._budget.give(room)
        if result is not None:
            self._results.append(result)

    def _drain(self) -> Iterable[R]:
        while self._results:
            yield self._results.popleft()
