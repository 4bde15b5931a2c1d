"""The runner's other thread: it says how far the run is, and looks for what is asked of it."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from .config import PULSE_S
from .engine.control import Control, Rate
from .errors import StateError, StateFull, TokenLost
from .state import Journal, runs
from .state.journal import Requests

if TYPE_CHECKING:
    from .outages import Outage

log = logging.getLogger("migrator")
PROGRESS_LINE_S = 5.0


class Pulse:
    """A thread that writes how far the run is and looks for what is asked of it."""

    def __init__(self, journal: Journal, control: Control, claim: runs.Claim, outage: Outage) -> None:
        self._journal, self._control, self._outage = journal, control, outage
        self._earlier_ms, self._retried = claim.row["engine_ms"], claim.row["retries"]
        self._rate, self._compares = Rate(), claim.row["migration"] == "verify"
        self._over = threading.Event()
        self._said = time.monotonic()
        self._thread = threading.Thread(target=self._loop, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self._control.counts = self._journal.counts()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._beat()  # the last figures are exact

    def _loop(self) -> None:
        while not self._over.wait(PULSE_S):
            self._beat()

    def _beat(self) -> None:
        counts = self._control.tally()
        rates = self._rate.add(*self._control.moved(compares=self._compares))
        self._control.adapt()
        weather = self._control.weather
        try:
            engine_ms, listed = self._earlier_ms + self._control.engine_ms, self._control.listed_items
            asked = self._journal.pulse(
                counts, rates, engine_ms, listed, self._control.gate.why,
                throttled=weather.throttling, retries=self._retried + weather.retried,
            )  # fmt: skip
            self._outage.over()
            self._heed(asked)
            while self._control.warnings:
                self._journal.warn(self._control.warnings.popleft())
        except TokenLost:
            self._control.stop("token lost")
        except StateError as error:
            # The keeper decides how long a state DB may be away; the next beat tries again.
            self._outage.seen(error, hold=isinstance(error, StateFull))
        self._say(counts.done, counts.bytes_done, rates)

    def _heed(self, asked: Requests) -> None:
        self._control.throttle.set(asked.limits)
        if asked.pause:
            self._control.gate.hold("user", "paused")
        else:
            self._control.gate.free("user")
        if asked.cancel:
            self._control.stop("cancelled")

    def _say(self, done: int, size: int, rates: tuple[float | None, float | None]) -> None:
        if time.monotonic() - self._said < PROGRESS_LINE_S:
            return
        self._said = time.monotonic()
        if self._control.listed_items and not done:
            log.info("plan: %s listed so far", f"{self._control.listed_items:,}")
        elif done:
            log.info("%s done, %.1f MB; %.0f a second", f"{done:,}", size / 1e6, rates[0] or 0)
