"""Who executes a shard: this process in turn, or a pool of processes. Only the caller commits."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import Any

from ..errors import DiskFull
from ..migrations import Executor, Migration
from ..migrations.registry import load, reference
from ..model import Item, Receipt, Shard
from .control import Control
from .executors import executor_of
from .work import Work

Handed = tuple[Work, Iterable[Receipt]]


def hand_out(migration: Migration, executor: Executor, works: Iterator[Work], control: Control) -> Iterator[Handed]:
    """Each shard with the receipts that it gives, as they come."""
    if migration.processes:
        return _hand_to_pool(migration, works, control)
    return ((work, executor.execute(work.shard, work.todo, control)) for work in works)


def _hand_to_pool(migration: Migration, works: Iterator[Work], control: Control) -> Iterator[Handed]:
    # Spawned, not forked: threads and the native store's runtime don't survive a fork.
    context = multiprocessing.get_context("spawn")
    elsewhere = Elsewhere(control.run_id, control.attempt, context)
    setting = (reference(type(migration)), migration.model_dump(mode="json"), elsewhere)
    with ProcessPoolExecutor(migration.processes, context, _settle_in, setting) as pool:
        open_work: dict[Future[list[Receipt]], Work] = {}
        while True:
            for work in islice(works, migration.processes * 2 - len(open_work)):
                open_work[pool.submit(_execute, work.shard, work.todo)] = work
            if not open_work:
                return
            with control.aside() if elsewhere.quiet else nullcontext():
                done = wait(open_work, timeout=0.2, return_when=FIRST_COMPLETED).done
            for future in done:
                yield open_work.pop(future), future.result()
            elsewhere.hold(bool(control.gate.why))
            if control.stopped:
                elsewhere.stop()
                works = iter(())


class Elsewhere:
    """The control of a process of the pool."""

    in_flight = None  # processes at once are the migration's own

    def __init__(self, run_id: str, attempt: int, context: Any) -> None:
        self.run_id, self.attempt = run_id, attempt
        self._stop, self._held = context.Event(), context.Event()
        self._busy = context.Value("i", 0)

    def stop(self) -> None:
        self._stop.set()

    def hold(self, held: bool) -> None:
        self._held.set() if held else self._held.clear()

    @property
    def quiet(self) -> bool:
        """Whether every process waits because the run is held."""
        return self._held.is_set() and self._busy.value == 0

    def cancelled(self) -> bool:
        with self.aside() if self._held.is_set() else nullcontext():
            while self._held.is_set() and not self._stop.wait(0.2):
                pass
        return self._stop.is_set()

    def spend(self, size: int) -> None:
        """Limits of bytes a second are not shared among processes."""

    def writing(self) -> AbstractContextManager[None]:
        return self._counted(1)

    def aside(self) -> AbstractContextManager[None]:
        return self._counted(-1)

    @contextmanager
    def _counted(self, step: int) -> Iterator[None]:
        with self._busy.get_lock():
            self._busy.value += step
        try:
            yield
        finally:
            with self._busy.get_lock():
                self._busy.value -= step

    def until_room(self, error: DiskFull) -> bool:
        """Try again after a while, as long as nobody asks to stop."""
        return not self._stop.wait(5)

    def progress(self, bytes_done: int) -> None:
        """Counted when the shard comes back."""


_here: dict[str, Any] = {}


def _settle_in(name: str, spec: dict[str, Any], control: Elsewhere) -> None:
    migration = load(name).model_validate(spec)
    _here.update(executor=executor_of(migration), control=control)


def _execute(shard: Shard, rows: list[Item]) -> list[Receipt]:
    control = _here["control"]
    with control.writing():
        return list(_here["executor"].execute(shard, rows, control))
