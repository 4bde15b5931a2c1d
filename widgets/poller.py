"""One daemon thread a process, with an asyncio loop of its own, that looks after every panel.

It only reads, never prints and never logs: what a background thread prints lands in whichever
cell ran last. What goes wrong in a callback is the callback's to show.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

# Does one round and says in how many seconds the next is due; None: not before it is woken.
Callback = Callable[[], Awaitable[float | None]]

THREAD = "migrator-panels"
READERS = 2  # threads for blocking reads, for all panels together


class Registration:
    """One callback's place in the poller."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callback) -> None:
        self._loop = loop
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # Weak, so that a forgotten panel can go; and given up by its finalizer, in whichever thread that runs.
        self._callback = weakref.WeakMethod(callback)
        self._call(self._begin)

    def wake(self) -> None:
        """Run the callback now, also when it had come to rest. Callable from any thread."""
        self._call(self._wake.set)

    def stop(self) -> None:
        """Let go of the callback. Callable from any thread, and more than once."""
        self._call(self._end)

    def _call(self, act: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._watch())

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while (callback := self._callback()) is not None:
            self._wake.clear()  # before the round: a wake during it means another round
            delay = await callback()
            del callback  # or this frame would keep the panel alive while it sleeps
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            except TimeoutError:
                pass


class Poller:
    """The thread and its loop. Use :func:`shared`."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(READERS, thread_name_prefix=THREAD))
        self._thread = threading.Thread(target=self._loop.run_forever, name=THREAD, daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        """False in a forked child too: it inherits the object and not the thread."""
        return self.pid == os.getpid() and self._thread.is_alive()

    def do(self, work: Callable[[], None], seconds: float) -> None:
        """Do blocking work in a thread of the readers'; TimeoutError if it takes longer, and it goes on."""
        asyncio.run_coroutine_threadsafe(asyncio.to_thread(work), self._loop).result(seconds)

    def register(self, callback: Callback) -> Registration:
        """Run a bound async method now, and again after the seconds it returns."""
        return Registration(self._loop, callback)


_shared: Poller | None = None
_lock = threading.Lock()


def shared() -> Poller:
    """The process's poller, made when it is first asked for."""
    global _shared
    with _lock:
        if _shared is None or not _shared.alive():
            _shared = Poller()
        return _shared


def ending() -> bool:
    """Whether the interpreter is going down: executors take no work then, and nobody looks."""
    return not threading.main_thread().is_alive()
