"""A run that lives in memory, with the reading and asking half of the real one."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from types import SimpleNamespace
from typing import Any

from migrator.errors import BadInput, LeaseHeld, RunNotCompleted
from migrator.limits import read_limits
from migrator.model import Event, Phase, Snapshot
from migrator.transcript import Piece

TITLE = "s3://a/ → /b/"
ZEROS = (
    "done", "total", "bytes_done", "bytes_total", "copied", "adopted", "skipped", "failed", "refused", "losses",
    "seq", "engine_s", "moved", "bytes_moved", "retries",
)  # fmt: skip


def snapshot(**changes: Any) -> Snapshot:
    """A snapshot of a run that has just started."""
    values: dict[str, Any] = {field.name: None for field in dataclasses.fields(Snapshot)}
    values |= dict.fromkeys(ZEROS, 0)
    values |= {
        "id": "r1", "name": "", "title": TITLE, "tags": (), "owner": "ann", "migration": "CopyObjects",
        "spec": {"secret": "of the spec"}, "mode": "streaming", "queue": "default", "dry_run": False,
        "status": "running", "attempt": 1, "phase": "copy", "phases": (Phase("plan", "done"), Phase("copy", "now")),
        "created_at": 1_760_000_000_000, "cancel_requested": False, "workspace": "/w", "interpreter": "python",
        "actions": {}, "ahead": (), "priority": 0, "not_before": 0, "pause_requested": False, "limits": {},
        "crashes": 0,
    }  # fmt: skip
    return Snapshot(**(values | changes))


class FakeRun:
    """Its ``now`` is the snapshot; ``output`` the log's bytes."""

    def __init__(self, **changes: Any) -> None:
        self.now = snapshot(**changes)
        self.history: list[Event] = []
        self.output = b""
        self.asked: list[str] = []
        self.reads = 0
        self.broken: Exception | None = None
        self.held = False
        self.state = SimpleNamespace(url=f"sqlite:///{id(self)}")

    @property
    def id(self) -> str:
        return self.now.id

    @property
    def status(self) -> str:
        return self.now.status

    def __repr__(self) -> str:
        return f"Run {self.id}: {self.status}"

    def _repr_html_(self) -> str:
        return f"<table><tr><td>{self.status}</td></tr></table>"

    def change(self, **changes: Any) -> None:
        self.now = dataclasses.replace(self.now, **changes)

    def snapshot(self) -> Snapshot:
        self.reads += 1
        if self.broken:
            raise self.broken
        return self.now

    def events(self, after: int = 0) -> list[Event]:
        return [event for event in self.history if event.seq > after]

    def log_pieces(self, after: int, limit: int, lines: int, most: int) -> list[Piece]:
        start = max(0, len(self.output) + after) if after < 0 else after
        if after < 0 and start:
            start = self.output.index(b"\n", start) + 1
        rows = self.output[start : start + limit * most].split(b"\n")[:-1]  # whole lines
        found = []
        for n in range(0, max(len(rows), 1), lines):
            text = b"".join(row + b"\n" for row in rows[n : n + lines])
            found.append(Piece(text.decode(), start, start + len(text)))
            start += len(text)
        return found[:most]

    def log_before(self, before: int, limit: int = 65536, lines: int | None = None) -> Piece:
        text = b"".join(self.output[:before].splitlines(keepends=True)[-(lines or 1) :])
        return Piece(text.decode(), before - len(text), before)

    def reasons(self) -> list[dict[str, Any]]:
        return [{"status": "failed", "gist": "no", "items": 1}]

    def cancel(self) -> None:
        self.asked.append("cancel")
        self.change(cancel_requested=True)

    def pause(self) -> None:
        self.asked.append("pause")
        self.change(pause_requested=True)

    def unpause(self) -> None:
        self.asked.append("unpause")
        self.change(pause_requested=False)

    def limit(self, bytes_per_s: float | str | None = None, in_flight: int | None = None) -> None:
        self.change(limits=read_limits(bytes_per_s, in_flight))  # the real one's eyes for figures

    def resume(self, mode: Any = None) -> None:
        if self.now.status == "completed":
            raise BadInput("Run r1 is completed: there is nothing to resume.")
        self.asked.append(f"resume {mode}")
        self.change(status="queued" if mode == "queue" else "starting", mode=mode or self.now.mode)

    def run_now(self) -> None:
        if self.held:
            raise LeaseHeld("s3://lake is being written by run r0.")
        self.asked.append("run_now")
        self.change(status="starting", mode="streaming", position=None)

    async def finished(self, timeout: float | None = None, check: bool = True) -> Snapshot:
        async with asyncio.timeout(timeout):
            while not self.now.terminal:
                await asyncio.sleep(0.01)
        if check and self.now.status != "completed":
            raise RunNotCompleted(f"Run r1 ended {self.now.status}.", self.now)
        return self.now


class FakeMigration:
    """What the panel asks of a migration before it is started."""

    title = TITLE

    def plan(self, ctx: Any) -> None: ...


class FakeQueue:
    """A queue that counts the workers that were started for it; they register when `arrive` says so."""

    def __init__(self, name: str, state: Any) -> None:
        self.name, self.state = name, state
        self.workers: list[dict[str, Any]] = []
        self.started = 0

    def start_worker(self, concurrency: int = 1) -> int:
        time.sleep(0.02)  # as long as a spawn takes: time enough for another click
        self.started += 1
        return 1

    def arrive(self) -> None:
        self.workers = [{"pid": 1}]
