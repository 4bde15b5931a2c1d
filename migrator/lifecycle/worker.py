"""The worker: takes runs from a queue in turn and starts a runner for each.

It owns nothing. The runners it starts have sessions of their own: when it goes they go on, and
when one of them dies it sees that first and says so.
"""

from __future__ import annotations

import logging
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType

from ..config import workspace_root
from ..errors import BadInput, StateError
from ..model import Identity
from ..state import StateDB, workers
from . import process, queue, reap
from .detached import environment, import_path, start_detached
from .spawn import spawn_runner

log = logging.getLogger("migrator")

# How long to wait when there was nothing: longer each time, so that an idle worker costs nothing.
SHORTEST_S, LONGEST_S = 0.2, 1.0
BEAT_S = 5.0
IDLE_S = 8 * 3600


class Worker:
    """One worker process.

    Parameters
    ----------
    name : str
        The queue.
    concurrency : int
        How many runs it has at once; the queue's own limit holds over all workers.
    """

    def __init__(self, db: StateDB, name: str = "default", concurrency: int = 1) -> None:
        self._db, self._queue, self._concurrency = db, name, concurrency
        self._id = secrets.token_hex(8)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._beat_at = 0.0
        self._in_doubt = False  # whether a claim's answer may have been lost

    def __enter__(self) -> Worker:
        with self._db.write() as connection:
            workers.register(connection, self._id, process.myself(), self._queue, self._concurrency)
            for other in workers.known(connection):
                if not queue.lives(other):
                    workers.remove(connection, other["id"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with suppress(StateError), self._db.write() as connection:  # else a reader finds its process gone
            workers.remove(connection, self._id)

    def work(self, idle_s: float | None = None) -> None:
        """Take runs until asked to stop, or until nothing was to be done for ``idle_s`` seconds."""
        wait, idle_since = SHORTEST_S, time.monotonic()
        while not self._stopping.is_set():
            busy = self._guarded(self._round)
            if busy or self._children:
                idle_since = time.monotonic()
            elif idle_s is not None and time.monotonic() - idle_since >= idle_s:
                return
            wait = SHORTEST_S if busy else min(LONGEST_S, wait * 1.3)
            self._stopping.wait(wait)

    def _round(self) -> bool:
        """Look after the children, take one run; whether anything happened."""
        ended = self._collect()
        self._beat()
        if len(self._children) >= self._concurrency:
            return ended
        row = self._take()
        if row is None:
            return ended
        log.info("%s: %s (attempt %d)", row["id"], row["title"], row["attempt"] + 1)
        try:
            self._children[row["id"]] = spawn_runner(self._db, row)
        except BadInput as error:
            log.error("%s", error)
        return True

    def _take(self) -> queue.Row | None:
        row = queue.unanswered(self._db, self._children) if self._in_doubt else None
        self._in_doubt = False
        return row or queue.claim(self._db, self._queue)

    def _collect(self) -> bool:
        """A runner that ended is written down at once if it did not do so itself."""
        over = [run_id for run_id, child in self._children.items() if child.poll() is not None]
        for run_id in over:
            row = reap.look(self._db, run_id)
            log.info("%s: %s%s", run_id, row["status"], f" ({row['error']})" if row["error"] else "")
            del self._children[run_id]
        return bool(over)

    def _beat(self) -> None:
        if time.monotonic() < self._beat_at:
            return
        with self._db.write() as connection:
            workers.beat(connection, self._id)
        reap.sweep(self._db)
        self._beat_at = time.monotonic() + BEAT_S

    def _guarded(self, step: Callable[[], bool]) -> bool:
        """A state DB that is away is waited for: what the queue holds is safe there."""
        try:
            return step()
        except StateError as error:
            log.warning("%s", error)
            self._in_doubt = True
            self._stopping.wait(LONGEST_S)
            return True

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        log.info("%s: no more runs are taken; %d go on by themselves", signal.Signals(number).name, len(self._children))
        self._stopping.set()


def start_worker(db: StateDB, name: str = "default", concurrency: int = 1) -> int:
    """Start a worker detached on this host, and return its pid.

    It ends when it was idle for IDLE_S seconds: what was started from a notebook is easily forgotten.
    """
    folder = workspace_root(db.url)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    terms = ("--queue", name, "--concurrency", str(concurrency), "--idle-s", str(IDLE_S))
    argv = [sys.executable, "-P", "-m", "migrator.cli", "worker", *terms]
    return start_detached(argv, folder / f"worker-{name}.log", "/", environment(db.url, import_path())).pid


def stop_workers(db: StateDB, name: str) -> int:
    """Ask the queue's workers on this host to end; how many there were. The runs they started go on."""
    with db.read() as connection:
        known = workers.known(connection, name)
    found = [Identity(one["host"], one["boot_id"], one["pid"], one["start_ticks"]) for one in known]
    return sum(process.send(one, signal.SIGTERM) for one in found)
