"""What keeps a panel's picture fresh: rounds of reading, in the poller's thread, and what they send.

After the start this is the only writer of the widget's traits: ipywidgets keeps the state of a
send per widget and without a lock, so two threads must never set them at once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Protocol

from migrator.errors import MigratorError
from migrator.model import TERMINAL

from .poller import ending, shared
from .reading import News, Reader

QUICK_S, STEADY_S, SLOW_S = 0.25, 1.0, 5.0
QUICK_ROUNDS = 40  # about ten seconds: a start is looked at closely


class Screen(Protocol):
    """The part of the widget that is written."""

    snapshot: Any
    events: Any
    trouble: Any

    def send(self, content: Any) -> None: ...
    def hold_sync(self) -> Any: ...
    def _settle(self) -> None: ...


class Feed:
    """Reads a run in rounds and writes what is new to a widget."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._reader: Reader | None = None
        self._hellos: list[str] = []
        self._rounds = 0
        self._registration = shared().register(self._round)

    @property
    def run(self) -> Any:
        """The run that is read, if any."""
        return self._reader.run if self._reader else None

    def show(self, run: Any) -> None:
        """Read this run from now on."""
        reader = Reader(run)
        reader.wants_log = self._reader is not None and self._reader.wants_log
        self._reader = reader
        self.look_closely()

    def greet(self, client: str) -> None:
        """Send the log's tail to a view that has just been made."""
        self._hellos.append(client)
        self._registration.wake()

    def look_closely(self) -> None:
        """Read at once, and often for a while; also after the run had ended."""
        self._rounds = 0
        self._registration.wake()

    def stop(self) -> None:
        """Read no more."""
        self._registration.stop()

    async def _round(self) -> float | None:
        if (reader := self._reader) is None:
            return None
        hellos, self._hellos = self._hellos, []
        reader.wants_log = reader.wants_log or bool(hellos)
        try:
            news = await asyncio.to_thread(reader.read)
            if reader is not self._reader:  # the panel turned to another run meanwhile
                self._hellos += hellos
                return 0
            delay = self._pace(news)
            self._write(reader, news, hellos)
            if news.snapshot["status"] in TERMINAL:
                await asyncio.to_thread(self._screen._settle)
        except Exception as error:  # noqa: BLE001  shown in the panel: printed, it would land in some cell
            self._hellos += hellos
            return self._complain(error)
        return delay

    def _write(self, reader: Reader, news: News, hellos: list[str]) -> None:
        for frame in news.frames:
            self._screen.send(frame)
        for client in hellos:
            for frame in reader.backlog(client):
                self._screen.send(frame)
        with self._screen.hold_sync():
            self._screen.snapshot, self._screen.events, self._screen.trouble = news.snapshot, news.events, ""

    def _complain(self, error: Exception) -> float | None:
        if ending():
            return None
        with suppress(Exception):  # the comm may be gone as well
            self._screen.trouble = f"Reading the run failed: {sentence(error)} The run itself does not need the panel."
        return SLOW_S

    def _pace(self, news: News) -> float | None:
        self._rounds += 1
        if news.more:
            return QUICK_S
        if news.snapshot["status"] in TERMINAL:  # once more after it: its last lines may be written after the status
            return None if _picture(self._screen.snapshot) == _picture(news.snapshot) else STEADY_S
        # Also while nothing changes: what another does to a run that is paused or waits is to be seen within a second.
        return QUICK_S if self._rounds < QUICK_ROUNDS else STEADY_S


def sentence(error: Exception) -> str:
    """An error in words: ours say it themselves, others are named."""
    words = str(error) if isinstance(error, MigratorError) else f"{type(error).__name__}: {error}"
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _picture(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {**snapshot, "at": 0, "silent_s": 0}  # these two change though nothing happens
