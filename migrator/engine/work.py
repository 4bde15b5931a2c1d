"""A shard on its way: what of it is still to be done, and what its receipts add up to."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ..model import Counts, Item, Receipt, Shard
from ..moving import DECIDED
from ..words import shown
from . import files

log = logging.getLogger("migrator")

# A receipt with one of these is the last word; any other item comes again with the next attempt.
FINAL = frozenset({"copied", "adopted", "skipped", "refused", "deleted"})
NAMED_FAILURES = 20


@dataclass(slots=True)
class Work:
    """One shard: its rows, its newest receipts, and those that this attempt adds.

    ``skipped`` are receipts of rows that the plan passes over, which are in none of the others.
    """

    shard: Shard
    rows: Sequence[Item]
    known: dict[int, Receipt]
    todo: list[Item] = field(default_factory=list)
    new: list[Receipt] = field(default_factory=list)
    skipped: pa.Table | None = None

    @classmethod
    def load(cls, shard: Shard, workspace: Path) -> Work:
        """Read a shard's plan and receipts, and settle what the plan itself decides."""
        plan, skipped = files.read_table(workspace / shard.plan_file), None
        if not shard.receipts:
            from . import skipping  # what it needs of Arrow is slow to import

            plan, skipped = skipping.part(plan)  # one row at a time they take longer than to look for them
        rows = files.items_of(plan)
        work = cls(shard, rows, files.newest_receipts(workspace / name for name in shard.receipts), skipped=skipped)
        now = time.time_ns() // 1_000_000
        for row in rows:
            known = work.known.get(row.item_no)
            if known is not None and known.status in FINAL:
                continue
            if row.action in DECIDED:
                work.add(_planned(row, now))
            else:
                work.todo.append(row)
        return work

    def add(self, receipt: Receipt) -> None:
        self.known[receipt.item_no] = receipt
        self.new.append(receipt)

    def counts(self) -> Counts:
        """Over the newest receipts."""
        counts = self._skipped()
        for receipt in self.known.values():
            counts.add(receipt)
        return counts

    def counts_to_keep(self) -> Counts:
        """Over the receipts that this attempt will not replace."""
        again = {row.item_no for row in self.todo}
        counts = self._skipped()
        for number, receipt in self.known.items():
            if number not in again:
                counts.add(receipt)
        return counts

    def _skipped(self) -> Counts:
        rows = self.skipped.num_rows if self.skipped is not None else 0
        size = sum(self.skipped["bytes"].to_pylist()) if self.skipped is not None else 0
        return Counts(skipped=rows, bytes_done=size)

    @property
    def is_new(self) -> bool:
        """Whether there is a receipt to be written."""
        return bool(self.new or (self.skipped is not None and self.skipped.num_rows))

    def forget(self) -> None:
        """Drop what is not to be counted."""
        self.new.clear()
        self.skipped = None

    def failures(self) -> Iterator[tuple[Item, Receipt]]:
        """The failed and refused items, with what is known of each."""
        for row in self.rows:
            receipt = self.known.get(row.item_no)
            if receipt is not None and receipt.status in ("failed", "refused"):
                yield row, receipt

    def save(self, workspace: Path, label: str) -> str:
        """Write the new receipts durably, and return the file's name."""
        folder = workspace / "receipts"
        folder.mkdir(exist_ok=True)
        name = f"receipts/{self.shard.no:05d}-{label}.parquet"
        tables = [files.receipt_table(self.new), *([] if self.skipped is None else [self.skipped])]
        files.write_durably(pa.concat_tables(tables), workspace / name)
        return name


def _planned(row: Item, now: int) -> Receipt:
    refused = row.action == "refuse"
    return Receipt(
        row.item_no,
        DECIDED[row.action],
        evidence="listed" if row.action == "skip" else None,
        bytes=row.bytes,
        error=row.reason if refused else None,
        at=now,
    )


def log_failures(receipts: Iterable[tuple[Item, Receipt]], named: int) -> int:
    """Name the first failures of a run in its output; returns how many were named so far."""
    for item, receipt in receipts:
        if named < NAMED_FAILURES:
            log.warning("%s  %s: %s", receipt.status, shown(item.key), shown(receipt.error or ""))
        named += 1
    if named > NAMED_FAILURES:
        log.warning("%s items failed or were refused so far; `migrator items RUN` lists them all", f"{named:,}")
    return named
