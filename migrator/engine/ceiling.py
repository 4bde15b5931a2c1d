"""How many objects are in flight where a store asks for fewer: halved at its word, raised while that brings more.

One per run: hands are told their share of it.
"""

from __future__ import annotations

from dataclasses import dataclass

# Refusals come in bursts, of requests that were sent before the last halving could tell.
BETWEEN_CUTS_S = 2.0
CALM_S, STEP_S, IDLE_S = 3.0, 1.0, 10.0
GAIN = 1.05
# What an object costs beside its bytes, as bytes: so that small and large ones make one rate.
OBJECT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the run was at a moment."""

    at: float
    moved: int

    def rate_until(self, at: float, moved: int) -> float:
        return (moved - self.moved) / max(at - self.at, 1e-3)


class Ceiling:
    """A ceiling on objects in flight: ``most``, None while no store asked for one. For one thread."""

    def __init__(self) -> None:
        self.most: int | None = None
        self._full = 0  # as many as there were before the first cut
        self._cut = self._asked = float("-inf")
        self._mark = Mark(0.0, 0)
        self._rate = 0.0

    def look(self, now: float, *, throttled: bool, at_work: int, done: int, size: int) -> int | None:
        """Decide anew, a few times a second.

        Parameters
        ----------
        now : float
            Monotonic seconds.
        throttled : bool
            Whether a store asked for fewer requests since the last look.
        at_work : int
            Objects that may be in flight now, over all processes.
        done, size : int
            Objects and bytes that are through so far.
        """
        moved = size + OBJECT_BYTES * done
        if throttled:
            self._asked = now
            if now - self._cut >= BETWEEN_CUTS_S:
                self._lower(now, at_work, moved)
        elif self.most is not None and now - self._asked >= CALM_S:
            self._raise(now, moved)
        return self.most

    def _lower(self, now: float, at_work: int, moved: int) -> None:
        self._full = max(self._full, at_work)
        self.most = max(1, (self.most or max(at_work, 1)) // 2)
        self._cut, self._rate, self._mark = now, 0.0, Mark(now, moved)

    def _raise(self, now: float, moved: int) -> None:
        """One step up; where the last one brought nothing the next one waits."""
        assert self.most is not None
        rate = self._mark.rate_until(now, moved)
        if now - self._mark.at < (STEP_S if rate > GAIN * self._rate else IDLE_S):
            return
        self._rate, self._mark = rate, Mark(now, moved)
        self.most += max(1, self.most // 4)
        if self.most >= self._full:
            self.most = None
