"""Plain threads that work through rows. obstore is called from them synchronously: an ``await``
an object costs three times the CPU."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from ..model import Item
from .pace import Pace

if TYPE_CHECKING:
    from ..migrations import Control

R = TypeVar("R")
# Sends for a row that is done next; a context manager, or None where it does not.
Ahead: TypeAlias = Callable[[Item], Any]

# A wake-up per result costs more than the work on a small object: results are taken in batches.
DRAIN_S = 0.05
IN_FLIGHT_BYTES = 96 << 20
# What a socket's buffer holds: an answer up to this waits there, and holds up nobody.
AHEAD_BYTES = 32 << 10
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

    def give_back(self, item: Item) -> None:
        """A row that was taken and is left to others."""
        with self._turn:
            self._rows.appendleft(item)
            self.over = False


class Lookout:
    """One thread's rows, each small one with what was sent for already while the one before it was done.

    What has come by then is read without a wait, and the waking after it.
    """

    def __init__(self, queue: Rows, ahead: Ahead | None) -> None:
        self._queue, self._ahead = queue, ahead
        self._next: tuple[Item, Any] | None = None

    def take(self) -> tuple[Item, Any] | None:
        taken, self._next = self._next, None
        if taken is None and (item := self._queue.next()) is not None:
            taken = item, None
        if taken and self._ahead and taken[0].bytes <= AHEAD_BYTES and (item := self._queue.next()) is not None:
            self._next = item, None
            self._next = item, self._ahead(item) if item.bytes <= AHEAD_BYTES else None
            if self._next[1] is None:
                self.leave()  # who sends for nothing keeps nothing from the others
        return taken

    def leave(self) -> None:
        """Give back what was looked at and not done."""
        if self._next:
            item, sent = self._next
            self._next = None
            if sent is not None:
                sent.__exit__(None, None, None)
            self._queue.give_back(item)


class Crew(Generic[R]):
    """Threads that take rows in turn.

    Parameters
    ----------
    pace : Pace
        How many, unless the run has a limit of its own, which may change while they work.
    control : Control
        Asked before each row: it may end the work with what is in flight, or hold it.
    """

    def __init__(self, pace: Pace, control: Control) -> None:
        self._pace = pace
        self._control = control
        self._results: deque = deque()
        self._error: BaseException | None = None
        self._budget = Budget(IN_FLIGHT_BYTES)

    def run(self, work: Callable[..., R | None], rows: Sequence[Item], ahead: Ahead | None = None) -> Iterator[R]:
        """Results in the order in which they come; None results are left out.

        ``work`` is given a row; where there is ``ahead`` also what that gave for the row, a while before it.

        An exception of ``work`` ends all of it, and is raised here when nothing moves any more.
        """
        queue = Rows(rows)
        self._ahead = ahead
        crew: list[threading.Thread] = []
        self._pace.begin()
        try:
            while self._recruit(crew, work, queue, len(rows)):
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

    def _recruit(self, crew: list[threading.Thread], work: Callable[..., R | None], queue: Rows, most: int) -> bool:
        """Keep as many at work as there may be; whether any is left."""
        crew[:] = [thread for thread in crew if thread.is_alive()]
        if not queue.over:
            known = {thread.name for thread in crew}
            for name in (f"copy-{number}" for number in range(min(self._size, most))):
                if name not in known:
                    thread = threading.Thread(target=self._loop, args=(work, queue), name=name, daemon=True)
                    thread.start()
                    crew.append(thread)
        return bool(crew)

    @property
    def _size(self) -> int:
        return self._control.at_once(self._pace.size)

    def _loop(self, work: Callable[..., R | None], queue: Rows) -> None:
        number = int(threading.current_thread().name.rpartition("-")[2])
        lookout = Lookout(queue, self._ahead)
        try:
            with self._control.writing():  # whoever asks `cancelled` is out of it while it waits there
                while number < self._size:  # one too many goes; it is called again when there may be more
                    taken = None if self._error or self._control.cancelled() else lookout.take()
                    if taken is None:
                        queue.over = True
                        return
                    self._do(work, *taken)
        except BaseException as error:  # noqa: BLE001  # Rust panics are no Exceptions: no thread dies in silence
            self._error = self._error or error
            queue.over = True
        finally:
            lookout.leave()

    def _do(self, work: Callable[..., R | None], item: Item, sent: Any) -> None:
        # A whole object is held twice while it passes from one store to the other.
        room = min(2 * item.bytes, PART_ROOM)
        self._budget.take(room)
        try:
            result = work(item, sent) if self._ahead else work(item)
        finally:
            self._budget.give(room)
        if result is not None:
            self._results.append(result)

    def _drain(self) -> Iterable[R]:
        while self._results:
            yield self._results.popleft()
