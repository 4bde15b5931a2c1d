"""Whether anything may be written at this moment. Work waits here while somebody holds it.

A run is held by its user (pause), by a full disk, by a state DB that is away, and by its lease: when
that was not renewed in time nothing more may be written, since somebody else may hold it by now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..clocks import boottime
from ..errors import MigratorError

LEASE = "its lease was not renewed in time; nothing is written until it is"
LOOK_S = 0.25


class Stopped(MigratorError):
    """Raised inside the engine to leave at the next safe place."""


class Gate:
    """Open unless held. Those who write pass it before each thing they write."""

    def __init__(self) -> None:
        self._holds: dict[str, str] = {}
        self._until = float("inf")
        self._writing = 0
        self.others: Callable[[], bool] = lambda: False  # whether another process may be in the middle of writing
        self._changed = threading.Condition()

    def hold(self, who: str, why: str) -> None:
        """Let nobody pass until ``who`` frees it."""
        with self._changed:
            self._holds[who] = why

    def free(self, who: str) -> None:
        with self._changed:
            self._holds.pop(who, None)
            self._changed.notify_all()

    def renewed(self, until: float) -> None:
        """The lease: open until then (`boottime`), and shut afterwards by itself."""
        with self._changed:
            self._until = until
            self._changed.notify_all()

    @property
    def until(self) -> float:
        return self._until

    @property
    def why(self) -> str | None:
        """Why it is shut; None when it is open."""
        if self._holds:
            return next(iter(self._holds.values()), None)
        return LEASE if boottime() > self._until else None

    def why_beside(self, who: str) -> str | None:
        """Why somebody else than ``who`` holds it."""
        return next((why for name, why in list(self._holds.items()) if name != who), None)

    @property
    def quiet(self) -> bool:
        """Whether nobody is in the middle of writing."""
        return self._writing == 0 and not self.others()

    def wait(self, stopped: threading.Event) -> None:
        """Return when it is open, or when asked to stop."""
        if self.why is None:
            return
        with self.aside(), self._changed:
            while self.why is not None and not stopped.is_set():
                self._changed.wait(LOOK_S)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While inside, this thread waits, and is in the middle of nothing."""
        mine = getattr(_depth, "value", 0)
        self._count(-mine)
        try:
            yield
        finally:
            self._count(mine)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While inside, this thread may be in the middle of writing, except where it waits at the gate."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, step: int) -> None:
        _depth.value = getattr(_depth, "value", 0) + step  # this thread's share of them
        with self._changed:
            self._writing += step


_depth = threading.local()
