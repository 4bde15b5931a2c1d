"""A queue as people see it: who waits, who runs, who works, and how many at once."""

from __future__ import annotations

from typing import Any

from .errors import BadInput
from .handle import Run
from .lifecycle.queue import living_workers
from .lifecycle.worker import start_worker, stop_workers
from .state import StateDB, now_ms, queues
from .words import counted


class Queue:
    """A named queue. It is the state DB's runs themselves; nothing else is kept."""

    def __init__(self, name: str, state: StateDB) -> None:
        self.name = name
        self.state = state

    @property
    def running(self) -> list[Run]:
        """Runs that a worker has started, oldest first."""
        with self.state.read() as connection:
            return [Run(row["id"], self.state) for row in queues.running(connection, self.name)]

    @property
    def waiting(self) -> list[Run]:
        """Runs in the order in which they will be taken."""
        with self.state.read() as connection:
            return [Run(row["id"], self.state) for row in queues.waiting(connection, self.name)]

    @property
    def max_running(self) -> int | None:
        """How many may run at once, over all workers; None when there is no limit."""
        return self._settings()["max_running"]

    @property
    def paused(self) -> bool:
        return self._settings()["paused_at"] is not None

    @property
    def workers(self) -> list[dict[str, Any]]:
        """The workers that are alive: ``host pid concurrency started_at heartbeat_at``."""
        shown = ("host", "pid", "concurrency", "started_at", "heartbeat_at")
        with self.state.read() as connection:
            return [{name: worker[name] for name in shown} for worker in living_workers(connection, self.name)]

    def limit(self, max_running: int | None) -> None:
        """Let so many run at once; None for no limit. Runs that run already go on."""
        if max_running is not None and max_running < 1:
            raise BadInput(f"A queue's limit is at least 1, not {max_running}; `pause` lets nothing start.")
        self._change(max_running=max_running)

    def pause(self) -> None:
        """Let nothing new start. Runs that run already go on."""
        with self.state.write() as connection:
            queues.change(connection, self.name, paused_at=now_ms(connection))

    def unpause(self) -> None:
        self._change(paused_at=None)

    def start_worker(self, concurrency: int = 1) -> int:
        """Start a worker for this queue on this host, detached from everything, and return its pid.

        It ends when it was idle for eight hours, or by `stop_workers`.
        """
        if concurrency < 1:
            raise BadInput(f"A worker has at least one run at a time, not {concurrency}.")
        return start_worker(self.state, self.name, concurrency)

    def stop_workers(self) -> int:
        """Ask this queue's workers on this host to end, and return how many; the runs they started go on."""
        return stop_workers(self.state, self.name)

    def __repr__(self) -> str:
        paused = ", paused" if self.paused else ""
        limit = "no limit" if self.max_running is None else f"limit {self.max_running}"
        return (
            f"Queue {self.name!r}: {len(self.running)} running, {len(self.waiting)} waiting, {limit}{paused}, "
            f"{counted(len(self.workers), 'worker')}"
        )

    def _repr_html_(self) -> str:
        from .reprs import queue_table

        shown = [run.snapshot() for run in (*self.running, *self.waiting)]
        return queue_table(repr(self), shown)

    def _settings(self) -> dict[str, Any]:
        with self.state.read() as connection:
            return queues.settings(connection, self.name)

    def _change(self, **values: Any) -> None:
        with self.state.write() as connection:
            queues.change(connection, self.name, **values)
