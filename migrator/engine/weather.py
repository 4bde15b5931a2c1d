"""What a run does while a store can't be used: it is held, says why, and goes on by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ..errors import Denied, PlaceGone, StoreError, Unreachable
from ..stores.weather import Weather, weather
from .gate import Gate, Stopped

# A store that throttles is said to until it was quiet for so long.
CALM_S = 10.0
# So many in a row that no other object got through: it is not the objects, it is the store.
HOPELESS = 20


class RunWeather(Weather):
    """The weather of one process of a run: whoever waits in it lets go when the run is asked to stop."""

    endures = True

    def __init__(self, gate: Gate, stopped: threading.Event, warn: Callable[[str], None]) -> None:
        super().__init__()
        self._gate, self._stopped, self._warn = gate, stopped, warn
        self._held: set[str] = set()
        self._looked = 0
        self._since, self._last = 0.0, float("-inf")  # wall time; monotonic

    def news(self) -> tuple[int, int, str]:
        """Of a hand: how much was retried and throttled since it was last told, and by whom."""
        with self._counting:
            told = (self.retried, self.throttled, self.throttler)
            self.retried = self.throttled = 0
        return told

    def heard(self, retried: int, throttled: int, throttler: str) -> None:
        """What a hand told."""
        with self._counting:
            self.retried += retried
            self.throttled += throttled
            self.throttler = throttler or self.throttler

    def throttled_anew(self) -> bool:
        """Whether a store asked for fewer requests since the last call; the first time after a calm it is said."""
        if self.throttled == self._looked:
            return False
        self._looked, begins = self.throttled, self.throttling is None
        self._last = time.monotonic()
        if begins:
            self._since = time.time()
            self._warn(f"Throttled by {self.throttler}: fewer objects at once until it takes more.")
        return True

    @property
    def throttling(self) -> dict[str, Any] | None:
        """``by`` whom the run is throttled at the moment, and ``since`` when (ms since the epoch)."""
        if time.monotonic() - self._last > CALM_S:
            return None
        return {"by": self.throttler, "since": int(self._since * 1000)}

    def rest(self, seconds: float) -> None:
        with self._gate.aside():
            if self._stopped.wait(seconds):
                raise Stopped("stopped")

    def enter(self) -> None:
        self._gate.wait(self._stopped)
        if self._stopped.is_set():
            raise Stopped("stopped")

    def aside(self) -> AbstractContextManager[None]:
        return self._gate.aside()

    def hold(self, place: str, why: str, *, quietly: bool = False) -> None:
        self._gate.hold(f"store {place}", why)
        if place not in self._held and not quietly:
            self._held.add(place)
            self._warn(why)

    def free(self, place: str) -> None:
        self._gate.free(f"store {place}")
        self._held.discard(place)


class Streak:
    """Objects that failed in a row, though the store answers. Shared by threads; ``most`` make the run wait."""

    def __init__(self, most: int = HOPELESS) -> None:
        self.most = most
        self._length = 0
        self._said = False
        self._lock = threading.Lock()

    def ends(self) -> None:
        """An object got through."""
        if self._length:
            self._length, self._said = 0, False

    def grows(self, error: StoreError) -> bool:
        """An object failed; whether that was one too many, which must not count as failed."""
        with self._lock:
            self._length = self._length + 1 if isinstance(error, Denied | Unreachable | PlaceGone) else 0
            return self._length >= self.most

    def hold(self, error: StoreError, seconds: float) -> None:
        """Hold the run so long; then the object is to be tried again. Raises Stopped."""
        who = f"objects {threading.get_ident()}"
        why = (
            f"{self.most} objects in a row failed, the last one so: {error} They are tried again by themselves, and "
            "all goes on when one gets through."
        )
        with self._lock:
            said, self._said = self._said, True
        weather().hold(who, why, quietly=said)
        try:
            weather().rest(seconds)
        finally:
            weather().free(who)
