"""The places in a notebook where a panel stands: what is saved with them is made true when its run has ended.

A page that shows the panel does the same where there is no kernel. This is for notebooks that nobody looks at.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle, display

from .poller import shared

WIDGET = "application/vnd.jupyter.widget-view+json"
PATIENCE_S = 1.0  # how long the end of a cell may wait for a state DB
BACK_S = 0.3  # who executes a notebook has stopped listening, or runs its next cell, whose end is written again

Bundle = tuple[dict[str, Any], dict[str, Any]]


class Outputs:
    """Where one panel was displayed. ``look`` says which run has ended, if it has; ``make`` what stands there."""

    def __init__(self, look: Callable[[], Any], make: Callable[[], Bundle]) -> None:
        self._look, self._make = look, make
        self._handles: list[DisplayHandle] = []
        self._lock = threading.Lock()  # the poller and the end of a cell may come at once
        self._written: dict[Any, bool] = {}  # the end that stands there: whether it was written as a cell ended
        self._seen = self._bare = False  # whether a page has shown the widget; whether the table stands there alone
        self._back: threading.Timer | None = None

    def show(self) -> None:
        """Display the panel here."""
        data, metadata = self._make()
        if handle := display(data, metadata=metadata, raw=True, display_id=True):
            self._handles.append(handle)
            _watch_cells(self)

    def seen(self) -> None:
        """A page shows the widget: it stays there when the run ends."""
        with self._lock:
            self._seen = True

    def close(self) -> None:
        """The widget is gone, and does not come back."""
        with self._lock:
            self._bare = False
            if self._back:
                self._back.cancel()

    def settle(self, in_cell: bool = False) -> None:
        """Write the end down, once for each end of the run. From any thread.

        Who executes a notebook hears what belongs to the cell that runs, so an end that the poller
        wrote is written again as a cell ends (``in_cell``); a page hears it the first time.
        """
        ended = self._look()
        with self._lock:
            again = in_cell and not self._seen
            if ended is None or not self._handles or self._written.get(ended, -1) >= again:
                return
            self._written = {ended: again}
            # An exported page prefers a widget to the table, and without a network shows neither.
            self._bare = in_cell and not self._seen
            self._write()
            if self._bare:
                self._come_back_later(ended)

    def _write(self) -> None:
        data, metadata = self._make()
        if self._bare:
            self._bare = data.pop(WIDGET, None) is not None
        for handle in self._handles:
            handle.update(data, metadata=metadata, raw=True)

    def _come_back_later(self, ended: Any) -> None:
        """A page may have left the widget for the table before it could show it, and never asks for it then."""
        if self._back:
            self._back.cancel()
        self._back = threading.Timer(BACK_S, self._come_back, [ended])
        self._back.daemon = True
        self._back.start()

    def _come_back(self, ended: Any) -> None:
        with self._lock:
            if self._bare:
                self._bare, self._written = False, {ended: False}
                self._write()


_watched: weakref.WeakSet[Outputs] = weakref.WeakSet()


def _watch_cells(outputs: Outputs) -> None:
    """What a cell waited for is written down before it counts as done: nbclient hears nothing after the last one."""
    if not _watched and (shell := get_ipython()):
        with suppress(ValueError):  # it is not registered yet
            shell.events.unregister("post_run_cell", _settle)
        shell.events.register("post_run_cell", _settle)
    _watched.add(outputs)


def _settle(*_: Any) -> None:
    for outputs in list(_watched):
        with suppress(Exception):  # a state DB that is away; printed, it would land in the cell
            shared().do(partial(outputs.settle, in_cell=True), PATIENCE_S)
