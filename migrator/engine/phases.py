"""A run's story, from plan to report. Everything below it is detail."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ..errors import DiskFull, NotDurable
from ..migrations import CopyObjects, Executor, Migration
from ..model import Counts, Receipt, Shard
from ..moving import DECIDED
from ..stores.weather import under
from ..words import OUTCOMES, outcome, sized
from . import files
from .control import Control
from .drift import check_drift
from .planning import Actions, Plan, Planning, make_plan
from .pool import Pool
from .ports import Journal
from .probing import probe
from .room import is_full
from .tallies import tally_evidence
from .work import Work, log_failures

log = logging.getLogger("migrator")
T = TypeVar("T")


class Attempt:
    """One attempt at a run.

    Parameters
    ----------
    label : str
        Names this attempt's files: attempt number and token, so that no two attempts share one.
    """

    def __init__(self, migration: Migration, journal: Journal, control: Control, workspace: Path, label: str) -> None:
        self._migration, self._journal, self._control = migration, journal, control
        self._workspace, self._label = workspace, label
        self._pool = Pool(migration, control)
        self._named = 0
        self._dry_run = False
        self._left: tuple[int, int] | None = None  # items and bytes to be done, where this attempt made the plan

    def execute(self, executor: Executor | None) -> str:
        """Plan unless that is done, do what has no final receipt, report.

        Parameters
        ----------
        executor : Executor or None
            None stops after the plan: a dry run.

        Returns
        -------
        str
            ``completed`` or ``partial``.

        Raises
        ------
        Stopped
            If the control asked for the end; what was done until then is committed.
        """
        with under(self._control.weather), self._pool:
            return self._execute(executor)

    def _execute(self, executor: Executor | None) -> str:
        plan, work, report = self._migration.phases
        self._dry_run = executor is None
        if self._journal.plan_hash() is None:
            self._journal.enter(plan)
            self._plan()
        elif executor is not None:
            self._check_drift()
        if executor is None:
            self._probe()
            return "completed"
        self._journal.enter(work)
        self._work(executor)
        self._journal.enter(report)
        return self._report()

    def _plan(self) -> None:
        shards, actions, digest = self._with_room(self._make_plan)
        self._journal.planned(shards, actions, digest)
        self._left = _left(actions)
        for action, tally in sorted(actions.items()):
            log.info("plan: %s %s, %s", action, f"{tally['items']:,}", sized(tally["bytes"]))
        if not actions:
            log.info("plan: nothing to do")

    def _probe(self) -> None:
        """Measure how fast the source of a plan can be read."""
        shards = self._journal.shards()
        if not isinstance(self._migration, CopyObjects) or not shards:
            return
        middle = shards[len(shards) // 2]
        measured = probe(self._migration, files.read_items(self._workspace / middle.plan_file))
        if measured:
            self._journal.note("probe", measured)

    def _check_drift(self) -> None:
        """Before the first row of another run's plan is done, see how far it is still true."""
        shards = self._journal.shards()
        if any(shard.receipts for shard in shards):
            return
        plans = [self._workspace / shard.plan_file for shard in shards]
        try:
            check_drift(self._migration, plans, self._workspace / "scratch", self._control)
        finally:
            Planning(self._workspace, self._control).clear()

    def _make_plan(self) -> Plan:
        planning = Planning(self._workspace, self._control, dry_run=self._dry_run, expect=self._foresee)
        try:
            return make_plan(self._migration, planning, self._workspace, self._label, self._control)
        except Exception:
            for file in self._workspace.glob(f"plan/*-{self._label}.parquet"):
                file.unlink()  # nobody has named it, and another try gives its name again
            raise
        finally:
            planning.clear()

    def _foresee(self, items: int, size: int) -> None:
        """While it is listed, so much is known to be new already."""
        if not self._dry_run:
            self._pool.expect(items, size)

    def _with_room(self, write: Callable[[], T]) -> T:
        """Write to the workspace; where its disk is full, wait until it is not."""
        while True:
            try:
                return write()
            except Exception as error:
                if not is_full(error):
                    raise
                self._control.until_room(DiskFull(str(self._workspace), 0))
                self._control.check()

    def _work(self, executor: Executor) -> None:
        shards = self._journal.shards()
        self._control.counts = self._journal.counts()
        for work, receipts in self._pool.hand_out(executor, self._open(shards), self._processes(shards)):
            try:
                for receipt in self._writing(receipts):
                    work.add(receipt)
                    self._control.settle(receipt)
            except NotDurable:
                work.forget()
                self._control.counts = self._journal.counts()
                raise
            finally:  # what was done is done, whatever else ends the run
                self._commit(work, len(shards))
        self._control.check()

    def _writing(self, receipts: Iterable[Receipt]) -> Iterator[Receipt]:
        """What an executor does in this thread may be in the middle of writing."""
        with self._control.writing():
            yield from receipts

    def _open(self, shards: Sequence[Shard]) -> Iterator[Work]:
        for shard in shards:
            if self._control.cancelled():
                return
            if _is_left(shard):
                yield self._begin(shard)

    def _processes(self, shards: Sequence[Shard]) -> int:
        left = [shard for shard in shards if _is_left(shard)]
        items, size = self._left or (sum(shard.items for shard in left), sum(shard.bytes for shard in left))
        return self._migration.processes_for(items, size)

    def _begin(self, shard: Shard) -> Work:
        work = Work.load(shard, self._workspace)
        self._control.shift(shard.counts, work.counts_to_keep())
        return work

    def _commit(self, work: Work, of: int) -> None:
        if not work.is_new:
            return
        name = self._with_room(lambda: work.save(self._workspace, self._label))
        counts = work.counts()
        self._journal.commit(work.shard, name, counts, work.failures())
        self._control.mark_engine()
        self._named = log_failures(work.failures(), self._named)
        before = f"; {len(work.new):,} of these now" if work.shard.receipts else ""
        log.info("shard %d of %d: %s%s", work.shard.no + 1, of, told(counts), before)

    def _report(self) -> str:
        counts = self._journal.counts()
        evidence = tally_evidence(self._workspace, self._journal.shards())
        report = {"counts": told(counts), **evidence, "engine_s": self._control.engine_ms / 1000}
        report["retries"] = self._control.weather.retried
        text = json.dumps(report, indent=2, ensure_ascii=False).encode()
        self._with_room(lambda: files.write_bytes_durably(text, self._workspace / f"report-{self._label}.json"))
        log.info("done: %s; evidence: %s", told(counts), _listed(evidence["evidence"]))
        if evidence["losses"]:
            log.info("attributes that the target can't hold: %s", _listed(evidence["losses"]))
        return "partial" if counts.failed or counts.refused else "completed"


def _is_left(shard: Shard) -> bool:
    return shard.state != "done" or bool(shard.counts.failed)


def _left(actions: Actions) -> tuple[int, int]:
    """Items and bytes of a plan that are to be done."""
    left = [tally for action, tally in actions.items() if action not in DECIDED]
    return sum(tally["items"] for tally in left), sum(tally["bytes"] for tally in left)


def told(counts: Counts) -> str:
    """Tallies in words: the ones that are not zero."""
    said = outcome({name: getattr(counts, name) for name in OUTCOMES})
    return f"{said}, {sized(counts.bytes_done)}" if said else "nothing to do"


def _listed(tally: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in tally.items()) or "none"
