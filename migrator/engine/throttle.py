"""Limits that can be changed while work goes on: objects at once, and bytes a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

# Unused room may be saved up for so long: a burst after a lull stays within the rate people see.
BURST_S = 1.0


class Throttle:
    """A token bucket of bytes, and the number of objects that may be in flight.

    ``asked`` is the limit that people set, ``ceiling`` what the stores take at the moment.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.ceiling: int | None = None
        self._rate: float | None = None
        self._free = 0.0
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def set(self, limits: Mapping[str, Any]) -> None:
        """``in_flight`` objects and ``bytes_per_s``; what is absent has no limit."""
        self.asked = limits.get("in_flight")
        rate = limits.get("bytes_per_s")
        if rate != self._rate:
            with self._lock:
                self._rate, self._free, self._at = rate, 0.0, time.monotonic()

    def take(self, size: int) -> float:
        """Take ``size`` bytes from the bucket, into debt if need be; the seconds until that is paid."""
        with self._lock:
            rate, now = self._rate, time.monotonic()
            if rate is None or size <= 0:
                return 0.0
            self._free = min(self._free + (now - self._at) * rate, rate * BURST_S) - size
            self._at = now
            return max(0.0, -self._free / rate)

    def share(self, number: int, of: int) -> dict[str, Any]:
        """The limits of one of several processes that keep to them together; ``number`` counts from 0."""
        shared: dict[str, Any] = {}
        if (most := self.in_flight) is not None:
            shared["in_flight"] = max(1, most // of + (number < most % of))
        if self._rate is not None:
            shared["bytes_per_s"] = self._rate / of
        return shared

    @property
    def in_flight(self) -> int | None:
        """The lower of the two; None where there is neither."""
        return min((most for most in (self.asked, self.ceiling) if most is not None), default=None)

    @property
    def rate(self) -> float | None:
        return self._rate
