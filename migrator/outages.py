"""What a runner does while the state DB can't be used: it says so once, and waits."""

from __future__ import annotations

import logging
import time

from .engine.control import Control
from .errors import StateError, StateFull

log = logging.getLogger("migrator")

# It is asked again after so long; given up after so long, when the run is to stop; and spoken of again after so long.
AGAIN_S = 1.0
GIVE_UP_S = 10.0
SAY_AGAIN_S = 60.0


class Outage:
    """A state DB that can't be used: said once, and everything waits until it can be."""

    def __init__(self, control: Control) -> None:
        self._gate = control.gate
        self._said_at: float | None = None

    def seen(self, error: StateError, *, hold: bool) -> None:
        now = time.monotonic()
        if self._said_at is None or now - self._said_at > SAY_AGAIN_S:
            log.warning("%s", error)
            self._said_at = now
        if hold:
            self._gate.hold("state", str(error) if isinstance(error, StateFull) else f"the state DB is away: {error}")

    def over(self) -> None:
        self._gate.free("state")


class Patience:
    """What a write does when the state DB is away: everything waits, and it is tried again.

    The lease bounds how long anything is still written meanwhile, and the keeper sees to that.
    """

    def __init__(self, control: Control, outage: Outage) -> None:
        self._control, self._outage = control, outage
        self._gives_up = 0.0

    def __call__(self, error: StateError | None) -> bool:
        if error is None:
            self._outage.over()
            return True
        now = time.monotonic()
        if self._control.why == "token lost":
            return False
        if self._control.stopped:  # somebody waits for the end; but a moment's absence should not lose it
            self._gives_up = self._gives_up or now + GIVE_UP_S
            if now > self._gives_up:
                return False
        self._outage.seen(error, hold=True)
        time.sleep(AGAIN_S)
        return True
