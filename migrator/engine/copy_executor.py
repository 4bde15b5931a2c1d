"""Executes CopyObjects: a crew copies a shard's objects, each failure is a receipt.

What it needs to know of a copy are plain values, so that a hand is told them over its pipe and loads no pydantic.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import AlreadyExists, DiskFull, NotDurable, NotFound, SourceChanged, StoreError
from ..model import Item, Receipt, Shard
from ..stores import Location, open_store
from ..stores.retries import looks
from .copying import Abandoned, Copier, Opened
from .crew import Crew
from .debris import left_by
from .evidence import Asked
from .gate import Stopped
from .pace import Pace
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
        self._found: Pace | None = None  # kept from shard to shard
        self._of_files: dict[int, Pace] = {}  # the same from folder to folder, by how many files at once it begins with

    def execute(self, shard: Shard, rows: Sequence[Item], control: Control) -> Iterable[Receipt]:
        self._try_out(rows, control)
        copiers = {
            name: Copier(source, self._target, control, self._task.asked) for name, source in self._sources.items()
        }
        pace = self._pace(rows, control)
        if self._task.keep and any(row.action == "overwrite" for row in rows):
            rows, failed = Quarantine(self._target, control).keep(rows, pace)
            yield from failed
        crew: Crew[Receipt] = Crew(pace, control)
        try:
            ahead = any(copier.asks_ahead for copier in copiers.values()) and not control.in_flight
            yield from crew.run(
                lambda item, sent=None: self._copy(copiers[item.source], item, control, sent), rows,
                (lambda item: copiers[item.source].ahead(item)) if ahead else None,
            )  # fmt: skip
        finally:  # before the receipts of this shard may be committed, whatever ended it
            self._sync()

    def _try_out(self, rows: Sequence[Item], control: Control) -> None:
        """Before the first write: what the target does differently, said once."""
        if not rows or self._tried:
            return
        self._tried = True
        self._streak.most = max(1, HOPELESS // control.shares)
        if control.workspace is not None and hasattr(self._target, "notes"):
            self._target.notes = UploadNotes(control.workspace, control.attempt)  # pyright: ignore[reportAttributeAccessIssue]
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

    def _copy(self, copier: Copier, item: Item, control: Control, sent: Opened | None = None) -> Receipt | None:
        """A receipt, or None where the run is to stop first."""
        waits = looks()
        while not control.stopped:
            try:
                once, sent = sent, None  # what was sent for is read once
                receipt = copier.copy(item, once)
            except (Abandoned, Stopped):
                return None
            except DiskFull as error:
                control.until_room(error)
            except StoreError as error:
                if not self._streak.grows(error):
                    drifted = isinstance(error, DRIFTED) and error.ends == "item"
                    status = "refused" if drifted else "failed"
                    return Receipt(item.item_no, status, error=str(error), at=time.time_ns() // 1_000_000)
                with suppress(Stopped):
                    self._streak.hold(error, next(waits))
            else:
                self._streak.ends()
                return receipt
        if sent is not None:  # it was sent for, and the run is to stop before it is opened
            sent.__exit__(None, None, None)
        return None

    def _pace(self, rows: Sequence[Item], control: Control) -> Pace:
        stores, given = (*self._sources.values(), self._target), self._task.in_flight
        if given or any(store.capabilities.remote for store in stores):
            self._found = self._found or Pace.between(*stores, shares=control.shares, given=given)
            return self._found
        small = sum(row.bytes for row in rows) < SMALL_FILES * len(rows)
        first = 1 if small else max(1, self._target.capabilities.threads // control.shares)
        return self._of_files.setdefault(first, Pace.of_files(first, shares=control.shares))
