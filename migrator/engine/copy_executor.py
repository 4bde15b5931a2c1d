"""Executes CopyObjects: a crew copies a shard's objects, each failure is a receipt.

What it needs to know of a copy are plain values, so that a hand is told them over its pipe and loads no pydantic.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import AlreadyExists, DiskFull, NotDurable, NotFound, SourceChanged, StoreError
from ..model import Item, Receipt, Shard
from ..stores import Location, open_store
from ..stores.abilities import Resumable
from ..stores.retries import looks
from .copying import Copier
from .crew import SMALL_BYTES, Crew
from .debris import left_by
from .evidence import Asked
from .gate import Stopped
from .pace import Pace
from .passage import Abandoned
from .quarantine import Quarantine
from .uploads import UploadNotes
from .weather import HOPELESS, Streak

if TYPE_CHECKING:
    from ..migrations import Control, CopyObjects

# What is no more as it was planned: another try of the same plan would meet that again.
DRIFTED = (SourceChanged, NotFound, AlreadyExists)  # but of a place that is gone
# Files this small are copied faster by one thread than by several that share the interpreter.
SMALL_FILES = 1 << 20


@dataclass(frozen=True, slots=True)
class CopyTask:
    """What there is to do. ``sources`` by what a plan calls them."""

    sources: Sequence[tuple[str | None, Location]]
    target: Location
    keep: bool
    in_flight: int | None
    asked: Asked

    @classmethod
    def of(cls, migration: CopyObjects) -> CopyTask:
        sources = tuple(migration.named().items())
        return cls(sources, migration.target, migration.before == "keep", migration.in_flight, Asked.by(migration))

    @classmethod
    def told(cls, values: Mapping[str, Any]) -> CopyTask:
        """The one that another process has told by ``dataclasses.asdict``."""
        sources = [(name, Location.told(place)) for name, place in values["sources"]]
        target, asked = Location.told(values["target"]), Asked(**values["asked"])
        return cls(sources, target, values["keep"], values["in_flight"], asked)


class CopyExecutor:
    """Copies shards of objects between stores that stay open."""

    def __init__(self, task: CopyTask) -> None:
        self._task = task
        self._sources = {name: open_store(place) for name, place in task.sources}
        self._target = open_store(task.target)
        self._tried = False
        self._streak = Streak()
        self._paces: dict[tuple[bool, int], Pace] = {}  # kept from shard to shard, for objects of one kind

    def execute(self, shard: Shard, rows: Sequence[Item], control: Control) -> Iterable[Receipt]:
        self._try_out(rows, control)
        copiers = {
            name: Copier(source, self._target, control, self._task.asked) for name, source in self._sources.items()
        }
        if self._task.keep and any(row.action == "overwrite" for row in rows):
            rows, failed = Quarantine(self._target, control).keep(rows, self._pace(rows, control))
            yield from failed
        pace = self._pace(rows, control, lambda: all(copier.together.near for copier in copiers.values()))
        crew = Crew(
            pace, control, lambda item: self._copy(copiers[item.source], item, control),
            lambda items: self._copy_few(copiers[items[0].source], items, control),
        )  # fmt: skip
        try:
            yield from crew.run(rows)
        finally:  # before the receipts of this shard may be committed, whatever ended it
            self._sync()

    def _try_out(self, rows: Sequence[Item], control: Control) -> None:
        """Before the first write: what the target does differently, said once."""
        if not rows or self._tried:
            return
        self._tried = True
        self._streak.most = max(1, HOPELESS // control.shares)
        if control.workspace is not None and isinstance(self._target, Resumable):
            self._target.notes = UploadNotes(control.workspace, control.attempt)
        debris = left_by(control.run_id, control.attempt)
        with suppress(StoreError):  # each object meets that again, and says so for itself
            # The process is in the name, since several of one run may try at once.
            for remark in self._target.try_out(f"{control.run_id}-{control.attempt}-{os.getpid()}", debris):
                control.warn(remark)

    def _sync(self) -> None:
        try:
            self._target.sync()
        except StoreError as error:
            raise NotDurable(
                f"The target did not take what was written to it: {error} What this shard wrote is not counted; look "
                "at the disk, then resume."
            ) from error

    def close(self) -> None:
        """Nothing is held that the end of the process does not free."""

    def _copy_few(self, copier: Copier, items: list[Item], control: Control) -> Iterator[Receipt]:
        """A receipt for each, but where the run is to stop first."""
        left: dict[int, tuple[Item, StoreError | None]] = {item.item_no: (item, None) for item in items}
        with suppress(Abandoned, Stopped):
            for item, outcome in copier.together.copy(items):
                if isinstance(outcome, StoreError):
                    left[item.item_no] = item, outcome
                else:
                    del left[item.item_no]
                    self._streak.ends()
                    yield outcome
        for item, met in left.values():
            if receipt := self._copy(copier, item, control, met):
                yield receipt

    def _copy(self, copier: Copier, item: Item, control: Control, met: StoreError | None = None) -> Receipt | None:
        """A receipt, or None where the run is to stop first. ``met``: what it has met already."""
        waits = looks()
        while not control.stopped:
            error, met = met, None
            if error is None:
                try:
                    receipt = copier.copy(item)
                except (Abandoned, Stopped):
                    return None
                except DiskFull as full:
                    control.until_room(full)
                    continue
                except StoreError as failure:
                    error = failure
                else:
                    self._streak.ends()
                    return receipt
            if not self._streak.grows(error):
                drifted = isinstance(error, DRIFTED) and error.ends == "item"
                status = "refused" if drifted else "failed"
                return Receipt(item.item_no, status, error=str(error), at=time.time_ns() // 1_000_000)
            with suppress(Stopped):
                self._streak.hold(error, next(waits))
        return None

    def _pace(self, rows: Sequence[Item], control: Control, near: Callable[[], bool] | None = None) -> Pace:
        """By the stores and the size of the objects. ``near``: whether small ones may be done together now."""
        stores, given, mean = (*self._sources.values(), self._target), self._task.in_flight, _mean(rows)
        if given or any(store.capabilities.remote for store in stores):
            near = near if mean <= SMALL_BYTES else None
            pace = Pace.between(*stores, shares=control.shares, given=given, near=near)
            return self._paces.setdefault((near is not None, 0), pace)
        first = 1 if mean < SMALL_FILES else max(1, self._target.capabilities.threads // control.shares)
        return self._paces.setdefault((False, first), Pace.of_files(first, shares=control.shares))


def _mean(rows: Sequence[Item]) -> float:
    return sum(row.bytes for row in rows) / len(rows) if rows else 0.0
