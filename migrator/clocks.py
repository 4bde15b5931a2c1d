"""The clock that leases are kept by."""

from __future__ import annotations

import time

# It counts the time that the machine was suspended, in which a lease runs out like in any other.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds since the machine started, suspended ones included; no change of the wall clock moves it."""
    return time.clock_gettime(_CLOCK)
