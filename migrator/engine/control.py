"""What the parts of a running attempt share: whether to stop, and how far it is."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

from ..errors import MigratorError
from ..model import Counts, Receipt

log = logging.getLogger("migrator")
WINDOW_S = 10.0


class Stopped(MigratorError):
    """Raised inside the engine to leave at the next safe place."""


class Control:
    """Satisfies ``migrations.Control``. Written by the engine, read by the runner's pulse."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self.counts = Counts()  # of every receipt, committed or not
        self.in_flight_bytes = 0  # of unfinished items
        self.listed_items = 0  # while planning; none before and after
        self.why: str | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._first: float | None = None
        self._engine_s = 0.0
        self.warnings: deque[str] = deque()

    @property
    def run_id(self) -> str:
        return self._run_id

    def stop(self, why: str) -> None:
        """Ask the work to end: ``cancelled``, ``terminated`` or ``token lost``. The first reason stays."""
        self.why = self.why or why
        self._stop.set()

    def cancelled(self) -> bool:
        return self._stop.is_set()

    def check(self) -> None:
        if self._stop.is_set():
            raise Stopped(self.why or "stopped")

    def wait(self, seconds: float) -> bool:
        """Sleep, or return True at once when asked to stop."""
        return self._stop.wait(seconds)

    def progress(self, bytes_done: int) -> None:
        with self._lock:
            self.in_flight_bytes += bytes_done

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

    def settle(self, receipt: Receipt) -> None:
        self.counts.add(receipt)

    def mark_engine(self) -> None:
        """A shard's last receipt is committed: engine time ends here for now."""
        if self._first is not None:
            self._engine_s = time.monotonic() - self._first

    @property
    def engine_ms(self) -> int:
        return int(self._engine_s * 1000)

    def tally(self) -> Counts:
        """How far the run is at this moment, bytes of unfinished items included."""
        total = self.counts + Counts()
        total.bytes_done += max(0, self.in_flight_bytes)
        return total


class Rate:
    """Items and bytes per second over the last ten seconds of samples."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def add(self, counts: Counts) -> tuple[float | None, float | None]:
        now = time.monotonic()
        self._samples.append((now, counts.done, counts.bytes_done))
        while now - self._samples[0][0] > WINDOW_S:
            self._samples.popleft()
        then, done, size = self._samples[0]
        if now - then < 0.2:
            return None, None
        return max(0.0, (counts.done - done) / (now - then)), max(0.0, (counts.bytes_done - size) / (now - then))
