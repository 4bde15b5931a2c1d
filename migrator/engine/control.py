"""What the parts of a running attempt share: whether to stop, and how far it is."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import AbstractContextManager
from pathlib import Path

from ..errors import DiskFull
from ..model import Counts, Receipt
from .ceiling import Ceiling
from .gate import Gate, Stopped
from .room import wait_for_room
from .throttle import Throttle
from .weather import RunWeather

__all__ = ["Control", "Rate", "Stopped"]

log = logging.getLogger("migrator")
WINDOW_S = 10.0


class Control:
    """Satisfies ``migrations.Control``. Written by the engine, read by the runner's pulse."""

    def __init__(self, run_id: str, attempt: int = 1, shares: int = 1, workspace: Path | None = None) -> None:
        self._run_id = run_id
        self.attempt = attempt
        self.shares = shares
        self.workspace = workspace  # None where nobody keeps notes
        self.gate = Gate()
        self.throttle = Throttle()
        self.counts = Counts()  # of every receipt, committed or not
        self.ahead = Counts()  # of receipts that hands gave of shards that they are still at
        self._unmoved = Counts()  # what shards that were begun had settled without work of this attempt
        self.in_flight_bytes = 0  # of unfinished items
        self.listed_items = 0  # while planning; none before and after
        self.at_work = 0  # objects that may be in flight, over all processes
        self.why: str | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._first: float | None = None
        self._engine_s = 0.0
        self.warnings: deque[str] = deque()
        self.weather = RunWeather(self.gate, self._stop, self.warn)
        self._ceiling = Ceiling()

    @property
    def run_id(self) -> str:
        return self._run_id

    def stop(self, why: str) -> None:
        """Ask the work to end: ``cancelled``, ``terminated`` or ``token lost``. The first reason stays."""
        self.why = self.why or why
        self._stop.set()

    def cancelled(self) -> bool:
        """Whether to stop. Whoever asks is about to write, and waits here while writing is held."""
        self.gate.wait(self._stop)
        return self._stop.is_set()

    @property
    def stopped(self) -> bool:
        """The same, without waiting."""
        return self._stop.is_set()

    def check(self) -> None:
        if self._stop.is_set():
            raise Stopped(self.why or "stopped")

    def wait(self, seconds: float) -> bool:
        """Sleep, or return True at once when asked to stop."""
        return self._stop.wait(seconds)

    def progress(self, bytes_done: int) -> None:
        self.move(bytes_done)
        self.spend(bytes_done)

    def move(self, size: int) -> None:
        """Bytes of an unfinished item moved, where somebody else keeps to the limits."""
        with self._lock:
            self.in_flight_bytes += size

    def spend(self, size: int) -> None:
        """Wait until so many bytes more are within the limit; a change of the limit ends the wait."""
        rate = self.throttle.rate
        if rate is None or (debt := self.throttle.take(size)) <= 0:
            return
        over = time.monotonic() + debt
        with self.gate.aside():
            while (left := over - time.monotonic()) > 0 and self.throttle.rate == rate:
                if self._stop.wait(min(left, 0.25)):
                    return

    def until_room(self, error: DiskFull) -> bool:
        """Hold everything until the disk has room again; False when asked to stop instead."""
        with self.gate.aside():
            wait_for_room(error, self.gate, self._stop)
        return not self._stop.is_set()

    def writing(self) -> AbstractContextManager[None]:
        """While inside, this thread may be in the middle of writing."""
        return self.gate.writing()

    def aside(self) -> AbstractContextManager[None]:
        """While inside, this thread waits, and is in the middle of nothing."""
        return self.gate.aside()

    @property
    def limited(self) -> bool:
        """Whether bytes a second are limited now."""
        return self.throttle.rate is not None

    def at_once(self, wanted: int) -> int:
        """How many objects may be in flight in this process, of the ``wanted``."""
        most = self.throttle.asked or wanted
        self.at_work = most if self.throttle.ceiling is None else min(most, self.throttle.ceiling)
        return self.at_work

    def adapt(self) -> None:
        """Go by what the stores take now. For the runner, a few times a second: hands get their share of it."""
        counts, throttled = self.tally(), self.weather.throttled_anew()
        self.throttle.ceiling = self._ceiling.look(
            time.monotonic(),
            throttled=throttled,
            refused=self.weather.throttled,
            at_work=self.at_work,
            done=counts.done,
            size=counts.bytes_done,
        )

    def listed(self, items: int) -> None:
        self.listed_items += items

    def warn(self, text: str) -> None:
        log.warning("%s", text)
        self.warnings.append(text)

    def begin_engine(self) -> None:
        """The first byte is about to move (monotonic clock)."""
        self._first = self._first or time.monotonic()

    def shift(self, old: Counts, kept: Counts) -> None:
        """A shard is begun again: only the receipts that stay count until new ones come."""
        self.counts = self.counts - old + kept
        self._unmoved = self._unmoved - old + kept

    def settle(self, receipt: Receipt) -> None:
        self.counts.add(receipt)
        if receipt.status == "adopted":
            self._unmoved.bytes_done += receipt.bytes

    def mark_engine(self) -> None:
        """A shard's last receipt is committed: engine time ends here for now."""
        if self._first is not None:
            self._engine_s = time.monotonic() - self._first

    @property
    def engine_ms(self) -> int:
        return int(self._engine_s * 1000)

    def moved(self, *, compares: bool = False) -> tuple[int, int]:
        """Items and bytes that the work of this attempt has moved by now, but for a constant; or that it compared."""
        now = self.tally() - self._unmoved
        return now.done if compares else now.copied, now.bytes_done

    def tally(self) -> Counts:
        """How far the run is at this moment, bytes of unfinished items included."""
        total = self.counts + self.ahead
        total.bytes_done += max(0, self.in_flight_bytes)
        return total


class Rate:
    """Items and bytes moved per second over the last ten seconds of samples."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def add(self, items: int, size: int) -> tuple[float | None, float | None]:
        """The rates, when so much has been moved since the beginning."""
        now = time.monotonic()
        self._samples.append((now, items, size))
        while now - self._samples[0][0] > WINDOW_S:
            self._samples.popleft()
        then, items_then, size_then = self._samples[0]
        if now - then < 0.2:
            return None, None
        return max(0.0, (items - items_then) / (now - then)), max(0.0, (size - size_then) / (now - then))
