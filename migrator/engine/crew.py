"""Plain threads that work through rows. obstore is called from them synchronously: an ``await``
an object costs three times the CPU."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from ..model import Item
from .pace import Pace

if TYPE_CHECKING:
    from ..migrations import Control

R = TypeVar("R")
# Given rows, it gives the results as they come.
Together: TypeAlias = Callable[[list[Item]], Iterable[R]]

# A wake-up per result costs more than the work on a small object: results are taken in batches.
DRAIN_S = 0.05
IN_FLIGHT_BYTES = 96 << 20
# What a socket's buffer holds: an answer up to this waits there, and holds up nobody.
SMALL_BYTES = 32 << 10
# A large object holds a few parts, whatever its size.
PART_ROOM = 40 << 20


class Budget:
    """A bound on the bytes that objects in flight hold in memory."""

    def __init__(self, size: int) -> None:
        self._free, self._waiting = size, 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)

    def take(self, size: int) -> None:
        with self._lock:
            while self._free < size:
                self._waiting += 1
                self._changed.wait()
                self._waiting -= 1
            self._free -= size

    def give(self, size: int) -> None:
        with self._lock:
            self._free += size
            if self._waiting:  # which is seldom, and this is once an object
                self._changed.notify_all()


class Rows:
    """Rows that many threads take, each once."""

    def __init__(self, rows: Sequence[Item]) -> None:
        self._rows = deque(rows)
        self._turn = threading.Lock()
        self.over = False

    def next(self) -> Item | None:
        with self._turn:
            return self._rows.popleft() if self._rows else None

    def take(self, few: int) -> list[Item]:
        """The next row, or as many as ``few`` small ones of one source that come one after another; none at the end."""
        with self._turn:
            rows, taken = self._rows, []
            while rows and len(taken) < few:
                if taken and (rows[0].bytes > SMALL_BYTES or rows[0].source != taken[0].source):
                    break
                taken.append(rows.popleft())
                if taken[0].bytes > SMALL_BYTES:
                    break
            return taken


class Crew(Generic[R]):
    """Threads that take rows in turn.

    Parameters
    ----------
    pace : Pace
        How many, unless the run has a limit of its own, which may change while they work.
    control : Control
        Asked before each row: it may end the work with what is in flight, or hold it.
    work : callable
        Does one row; its result, or None.
    together : callable, optional
        Does the same for a few small rows, as far as the pace has it so.
    """

    def __init__(
        self, pace: Pace, control: Control, work: Callable[[Item], R | None], together: Together[R] | None = None
    ) -> None:
        self._pace, self._control, self._work, self._together = pace, control, work, together
        self._results: deque = deque()
        self._error: BaseException | None = None
        self._budget = Budget(IN_FLIGHT_BYTES)

    def run(self, rows: Sequence[Item]) -> Iterator[R]:
        """Results in the order in which they come; None results are left out.

        An exception of the work ends all of it, and is raised here when nothing moves any more.
        """
        queue = Rows(rows)
        crew: list[threading.Thread] = []
        self._pace.begin()
        try:
            while self._recruit(crew, queue, len(rows)):
                with self._control.aside():
                    crew[0].join(DRAIN_S)
                if not queue.over:  # the last few say nothing of how fast it could be
                    self._pace.heard(len(self._results))
                yield from self._drain()
        finally:
            # Also when the taker leaves early: no thread outlives this call.
            self._error = self._error or (GeneratorExit() if any(t.is_alive() for t in crew) else None)
            for thread in crew:
                thread.join()
        yield from self._drain()
        if self._error is not None:
            raise self._error

    def _recruit(self, crew: list[threading.Thread], queue: Rows, most: int) -> bool:
        """Keep as many at work as there may be; whether any is left."""
        crew[:] = [thread for thread in crew if thread.is_alive()]
        if not queue.over:
            known = {thread.name for thread in crew}
            for name in (f"copy-{number}" for number in range(min(self._shape[0], most))):
                if name not in known:
                    thread = threading.Thread(target=self._loop, args=(queue,), name=name, daemon=True)
                    thread.start()
                    crew.append(thread)
        return bool(crew)

    @property
    def _shape(self) -> tuple[int, int]:
        """How many threads there may be, and how many rows for each."""
        size = self._control.at_once(self._pace.size)
        if self._together is None or self._pace.few == 1:
            return size, 1
        threads = -(-size // self._pace.few)
        return threads, size // threads

    def _loop(self, queue: Rows) -> None:
        number = int(threading.current_thread().name.rpartition("-")[2])
        try:
            with self._control.writing():  # whoever asks `cancelled` is out of it while it waits there
                while True:
                    threads, few = self._shape
                    if number >= threads:  # one too many goes; it is called again when there may be more
                        return
                    if self._error or self._control.cancelled() or not self._do_next(queue, few):
                        queue.over = True
                        return
        except BaseException as error:  # noqa: BLE001  # Rust panics are no Exceptions: no thread dies in silence
            self._error = self._error or error
            queue.over = True

    def _do_next(self, queue: Rows, few: int) -> bool:
        """Whether there was anything left."""
        if few == 1:
            item = queue.next()
            if item is not None:
                self._do(item)
            return item is not None
        items = queue.take(few)
        if len(items) == 1:
            self._do(items[0])
        elif items:
            self._do_together(items)
        return bool(items)

    def _do(self, item: Item) -> None:
        # A whole object is held twice while it passes from one store to the other.
        room = min(2 * item.bytes, PART_ROOM)
        self._budget.take(room)
        try:
            result = self._work(item)
        finally:
            self._budget.give(room)
        if result is not None:
            self._results.append(result)

    def _do_together(self, items: list[Item]) -> None:
        assert self._together
        room = 2 * sum([item.bytes for item in items])
        self._budget.take(room)
        try:
            for result in self._together(items):
                self._results.append(result)
        finally:
            self._budget.give(room)

    def _drain(self) -> Iterable[R]:
        while self._results:
            yield self._results.popleft()
