"""Starts that a page asked for by way of the server: this kernel takes them, for it has the credentials.

It does so in the poller's thread, also while a cell runs. A server waits two seconds for us.
"""

from __future__ import annotations

import asyncio
import weakref
from contextlib import suppress
from typing import Any

import migrator.api as mg

from .poller import Registration, shared

LOOK_S = 0.4


class Starts:
    """The panels of this kernel that the server feeds."""

    def __init__(self) -> None:
        self._panels: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._registration: Registration | None = None

    def add(self, run_id: str, panel: Any) -> None:
        """Look after the starts of a run that this panel shows."""
        self._panels[run_id] = panel
        if self._registration is None:
            self._registration = shared().register(self._round)
        self._registration.wake()

    async def _round(self) -> float | None:
        ids = list(self._panels)
        if not ids:
            return None
        with suppress(Exception):  # a state DB that is away; the server, or the next round, does it
            for run_id in await asyncio.to_thread(mg.take_starts, ids):
                if panel := self._panels.get(run_id):
                    panel._began(run_id)
        return LOOK_S


starts = Starts()
