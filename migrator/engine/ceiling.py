"""How many objects are in flight where a store asks for fewer: halved at its word, raised while that brings more.

One per run: hands are told their share of it.
"""

from __future__ import annotations

from dataclasses import dataclass

# Refusals come in bursts, of requests that were sent before the last halving could tell.
BETWEEN_CUTS_S = 2.0
CALM_S, STEP_S, IDLE_S = 3.0, 1.0, 10.0
GAIN = 1.05
# A cut that cost this much of the rate, and left this much of the refusals, was not what the store asked for.
COST, LEFT = 0.75, 0.7
# What an object costs beside its bytes, as bytes: so that small and large ones make one rate.
OBJECT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the run was at a moment: what is through, as bytes, and how often a store refused."""

    at: float
    moved: int
    refused: int

    def until(self, other: Mark) -> Stretch:
        moved, refused = other.moved - self.moved, other.refused - self.refused
        through = moved / OBJECT_BYTES
        return Stretch(moved / max(other.at - self.at, 1e-3), refused / max(through + refused, 1e-3))


@dataclass(frozen=True, slots=True)
class Stretch:
    """What came of so many in flight: bytes a second, and which share of all was refused."""

    rate: float
    refused: float

    def was_in_vain_after(self, other: Stretch) -> bool:
        """Whether fewer in flight only made it slower: what is refused has nothing to do with their number."""
        return self.rate < COST * other.rate and self.refused > LEFT * other.refused


class Ceiling:
    """A ceiling on objects in flight: ``most``, None while no store asked for one. For one thread."""

    def __init__(self) -> None:
        self.most: int | None = None
        self._full = self._were = 0  # as many as there were before the first cut, and before the last one
        self._asked, self._next_cut = float("-inf"), float("-inf")
        self._mark = Mark(0.0, 0, 0)  # the last change
        self._before: Stretch | None = None  # the last cut, where it is known
        self._rate = 0.0

    def look(self, now: float, *, throttled: bool, refused: int, at_work: int, done: int, size: int) -> int | None:
        """Decide anew, a few times a second.

        Parameters
        ----------
        now : float
            Monotonic seconds.
        throttled : bool
            Whether a store asked for fewer requests since the last look.
        refused : int
            How often one did so far.
        at_work : int
            Objects that may be in flight now, over all processes.
        done, size : int
            Objects and bytes that are through so far.
        """
        here = Mark(now, size + OBJECT_BYTES * done, refused)
        if throttled:
            self._asked = now
            if now >= self._next_cut:
                self._lower(here, at_work)
        elif self.most is not None and now - self._asked >= CALM_S:
            self._raise(here)
        return self.most

    def _lower(self, here: Mark, at_work: int) -> None:
        """Half as many; or as many as before the last cut, if that one was for nothing."""
        now = self._mark.until(here)
        if self.most and self._before and now.was_in_vain_after(self._before):
            self.most, self._before, wait = self._were, None, IDLE_S
        else:
            self._before, wait = (now if self.most else None), BETWEEN_CUTS_S
            self._full = max(self._full, at_work)
            self._were = self.most or max(at_work, 1)
            self.most = max(1, self._were // 2)
        self._next_cut, self._rate, self._mark = here.at + wait, 0.0, here

    def _raise(self, here: Mark) -> None:
        """One step up; where the last one brought nothing the next one waits."""
        assert self.most is not None
        rate = self._mark.until(here).rate
        if here.at - self._mark.at < (STEP_S if rate > GAIN * self._rate else IDLE_S):
            return
        self._rate, self._mark, self._before = rate, here, None
        self.most += max(1, self.most // 4)
        if self.most >= self._full:
            self.most = None
