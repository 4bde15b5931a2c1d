"""The handle of a run: reads what is true, writes down what is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Mapping
from typing import Any

from .errors import BadInput, MigratorError, RunNotCompleted
from .lifecycle.spawn import doze
from .limits import read_limits
from .migrations import registry
from .model import LIVE, TERMINAL, Mode, Snapshot
from .recording import begin_again, begin_now, drafted, owner, spawn
from .results import Results
from .state import requests
from .words import counted

WAIT_S = 0.2


class Run(Results):
    """A handle on a run: reads what is true, writes down what is asked.

    ``await run`` and ``run.wait()`` read the state DB, so they work in any kernel, and interrupting
    them does not touch the run.
    """

    def wait(self, timeout: float | None = None, check: bool = True) -> Snapshot:
        """Block until the run ends. Interrupting this does not touch the run.

        Parameters
        ----------
        timeout : float, optional
            Seconds; TimeoutError when they are over.
        check : bool
            Raise RunNotCompleted unless it ends ``completed``.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (seen := self.snapshot()).terminal:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"Run {self.id} is still {seen.status} after {timeout:g} s; it goes on.")
            self.sleep(WAIT_S)
        return _checked(seen) if check else seen

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or less when the run's process was started here and ends."""
        doze(self.id, seconds)

    async def finished(self, timeout: float | None = None, check: bool = True) -> Snapshot:
        """`wait` for coroutines; ``await run`` is this with its defaults."""
        async with asyncio.timeout(timeout):
            while not (seen := await asyncio.to_thread(self.snapshot)).terminal:
                await asyncio.sleep(WAIT_S)
        return _checked(seen) if check else seen

    def __await__(self) -> Generator[Any, None, Snapshot]:
        return self.finished().__await__()

    def cancel(self) -> None:
        """Ask the run to stop. It finishes or aborts what is in flight, records, and stops; one
        that does not is terminated after a grace. One that waits in a queue never starts.

        Raises
        ------
        BadInput
            If it has ended already.
        """
        self._live("cancel")
        self.state.transact(lambda connection: requests.cancel(connection, self.id, owner()))

    def pause(self) -> None:
        """Stop writing until `unpause`. The run keeps its process and its lease.

        Raises
        ------
        BadInput
            If it does not run.
        """
        self._live("pause", "starting", "running")
        self.state.transact(lambda connection: requests.pause(connection, self.id, owner(), pause=True))

    def unpause(self) -> None:
        """Go on after `pause`."""
        self._live("unpause", "starting", "running")
        self.state.transact(lambda connection: requests.pause(connection, self.id, owner(), pause=False))

    def limit(self, bytes_per_s: float | str | None = None, in_flight: int | None = None) -> None:
        """Set what the run may use, at once and while it runs. What is not given has no limit of its own.

        Parameters
        ----------
        bytes_per_s : number or str, optional
            Such as ``20e6`` or ``"20MiB"``.
        in_flight : int, optional
            Objects at once.

        Raises
        ------
        BadInput
            If the run has ended, or a figure makes no sense.
        """
        limits = read_limits(bytes_per_s, in_flight)
        self._live("limit")
        self.state.transact(lambda connection: requests.limit(connection, self.id, owner(), limits))

    def resume(self, mode: Mode | None = None) -> Run:
        """Carry an interrupted, cancelled, failed or partial run on, as a new attempt.

        What has its receipt stays; what failed is tried again.

        Parameters
        ----------
        mode : {"streaming", "queue"}, optional
            ``streaming`` goes on now, in this process's interpreter, environment and working
            directory (also when credentials have expired where it ran before); ``queue`` at its
            turn, where it was enqueued. By default as it ran.

        Raises
        ------
        BadInput
            If it lives (naming its process), completed, or can't be carried on.
        LeaseHeld
            If another run that lives writes to the same place.
        """
        row = begin_again(self.state, self.id, mode or self.snapshot().mode)  # pyright: ignore[reportArgumentType]
        if row is None:
            raise BadInput(_why_not_resumed(self._row()))
        if row["status"] == "starting":
            spawn(self.state, row)
        return self

    def ask_start(
        self, mode: Mode | None = None, dry_run: bool | None = None, limits: Mapping[str, Any] | None = None
    ) -> Run:
        """Ask for a draft or an ended run to be started, by the kernel that shows it or else by the server.

        Parameters
        ----------
        mode, dry_run, limits : optional
            As for ``start``; ``dry_run`` and ``limits`` are a draft's alone.

        Raises
        ------
        BadInput
            If it lives, or completed.
        """
        row = self._row()
        values: dict[str, Any] = {} if mode is None else {"mode": mode}
        if row["status"] == "draft":
            values |= drafted(row, row["dry_run"] if dry_run is None else dry_run)
            values |= {} if limits is None else {"limits": dict(limits)}
        if not self.state.transact(lambda connection: requests.start(connection, self.id, owner(), **values)):
            raise BadInput(_why_not_resumed(self._row()))
        return self

    def take_start(self, *, elsewhere: bool = False) -> bool:
        """Start this run here if somebody asked for that and nobody else has done it.

        What stands in the way is written down on the run, for whoever asked.

        Parameters
        ----------
        elsewhere : bool
            Start it with the interpreter, folder and import path that are recorded, not this process's.
        """
        if not self.state.transact(lambda connection: requests.take(connection, self.id)):
            return False
        try:
            self._check_draft()
            taken = "server" if elsewhere else "kernel"
            row = begin_again(self.state, self.id, self._row()["mode"], elsewhere=elsewhere, taken=taken)
        except MigratorError as error:
            why = str(error)
            self.state.transact(lambda connection: requests.refuse(connection, self.id, why))
            return False
        if row is not None and row["status"] == "starting":
            spawn(self.state, row)
        return row is not None

    def _check_draft(self) -> None:
        row = self._row()
        if row["status"] == "draft":
            registry.load(row["migration"]).model_validate(row["spec"]).check()

    def run_now(self) -> Run:
        """Take a run out of its queue and start it at once, in a process of its own, here.

        Raises
        ------
        BadInput
            If it does not wait in a queue.
        LeaseHeld
            If another run that lives writes to the same place; it stays in the queue then.
        """
        row = begin_now(self.state, self.id)
        if row is None:
            raise BadInput(f"Run {self.id} is {self.status}; only a queued run can be started now.")
        spawn(self.state, row)
        return self

    def _live(self, verb: str, *statuses: str) -> None:
        status = self.status
        if status not in (statuses or LIVE):
            what = "has ended already" if status in TERMINAL else "has no process yet"
            raise BadInput(f"Run {self.id} {what} ({status}); there is nothing to {verb}.")

    def __repr__(self) -> str:
        seen = self.snapshot()
        far = f", {seen.done:,} of {seen.total:,}" if seen.total else ""
        far = f", place {seen.position}, waiting for {seen.waiting_for}" if seen.position else far
        status = f"{seen.status}{' (dry run)' if seen.dry_run else ''}{far}"
        if seen.dry_run and seen.status == "completed":
            status = f"plan ready, {counted(seen.total, 'object')}"
        return f"Run {self.id}: {status} — {seen.title}"

    def _repr_html_(self) -> str:
        from .reprs import as_table

        return as_table(self.snapshot())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (other.id, other.state.url) == (self.id, self.state.url)

    def __hash__(self) -> int:
        return hash(self.id)


def _why_not_resumed(row: Any) -> str:
    run_id, status = row["id"], row["status"]
    if status == "queued":
        return f"Run {run_id} is queued already. `migrator run-now {run_id}` starts it at once."
    if status in ("starting", "running"):
        who = f"attempt {row['attempt']}, pid {row['pid']} on {row['host']}" if row["pid"] else "its process starts"
        return f"Run {run_id} is {status} already ({who}). `migrator follow {run_id}` shows it."
    return f"Run {run_id} is {status}; there is nothing to resume."


def _checked(seen: Snapshot) -> Snapshot:
    if seen.status == "completed":
        return seen
    counts = f"{seen.failed:,} failed, {seen.refused:,} refused" if seen.failed or seen.refused else ""
    why = seen.error or counts or "see its output"
    if seen.refused and seen.migration == "copy-objects":  # a resume goes by the plan, and so does the same key again
        why += f". What the plan refused stays refused; `migrator retry {seen.id}` looks at it anew"
    raise RunNotCompleted(f"Run {seen.id} ended {seen.status}: {why}", seen)
