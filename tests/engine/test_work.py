"""A shard on its way: what the plan decides by itself, and what is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from migrator.columns import column
from migrator.engine import files
from migrator.engine.control import Control
from migrator.engine.pool import Pool
from migrator.engine.work import Work
from migrator.model import Counts, Item, Receipt, Shard

ROWS = [
    Item(0, "the same", None, "skip", "why", 10), Item(1, "new", None, "create", "why", 200),
    Item(2, "yields", None, "omit", "why", 3000), Item(3, "can't be", None, "refuse", "a reason", 40000),
]  # fmt: skip


def planned(folder: Path, rows: Iterable[Item], no: int = 0) -> Shard:
    rows = list(rows)
    table = files.plan_table([row._asdict() for row in rows], rows[0].item_no)
    files.write_durably(table.set_column(0, "item_no", column([row.item_no for row in rows], table["item_no"].type)),
                        folder / f"plan-{no}")  # fmt: skip
    return Shard(no, len(rows), sum(row.bytes for row in rows), f"plan-{no}")


# Mutation: leave `_skipped()` out of `Work.counts`, or of `counts_to_keep`, and the skipped are missing.
def test_what_the_plan_passes_over_is_counted_and_gets_its_receipt(tmp_path: Path) -> None:
    work = Work.load(planned(tmp_path, ROWS), tmp_path)
    assert [row.key for row in work.todo] == ["new"]
    assert work.counts() == work.counts_to_keep() == Counts(skipped=2, refused=1, bytes_done=43010)
    assert [(row.key, receipt.error) for row, receipt in work.failures()] == [("can't be", "a reason")]
    kept = files.newest_receipts([tmp_path / work.save(tmp_path, "1-a")])
    seen = {number: (receipt.status, receipt.evidence, receipt.bytes) for number, receipt in kept.items()}
    assert seen == {0: ("skipped", "listed", 10), 2: ("skipped", None, 3000), 3: ("refused", None, 40000)}
    assert all(receipt.at for receipt in kept.values())


# Mutation: part the plan of a resumed shard too (`if not shard.receipts`), and what was passed over counts twice.
def test_a_shard_that_is_gone_on_with_counts_nothing_twice(tmp_path: Path) -> None:
    shard = planned(tmp_path, ROWS)
    name = Work.load(shard, tmp_path).save(tmp_path, "1-a")
    again = Work.load(Shard(0, 4, shard.bytes, shard.plan_file, (name,)), tmp_path)
    assert [row.key for row in again.todo] == ["new"]
    assert not again.is_new
    again.add(Receipt(1, "copied", bytes=200))
    assert again.counts() == Counts(copied=1, skipped=2, refused=1, bytes_done=43210)


# Mutations: let any receipt be the last word in `Work.load`; count in `counts_to_keep` what comes again.
def test_what_failed_comes_again_and_is_not_counted_until_it_did(tmp_path: Path) -> None:
    shard, created = planned(tmp_path, ROWS), Receipt(1, "failed", bytes=200, error="no")
    first = Work.load(shard, tmp_path)
    first.add(created)
    again = Work.load(Shard(0, 4, shard.bytes, shard.plan_file, (first.save(tmp_path, "1-a"),)), tmp_path)
    assert [row.key for row in again.todo] == ["new"]
    assert again.counts() == Counts(failed=1, skipped=2, refused=1, bytes_done=43210)
    assert again.counts_to_keep() == Counts(skipped=2, refused=1, bytes_done=43010)


# Mutation: let `is_new` look at `new` alone, and what a plan passes over gets no receipt.
def test_a_shard_that_is_only_passed_over_has_receipts_to_be_written(tmp_path: Path) -> None:
    assert Work.load(planned(tmp_path, ROWS[:1]), tmp_path).is_new


# Mutation: let `forget` keep `skipped`, and what is not durable is committed.
def test_what_is_dropped_is_not_new(tmp_path: Path) -> None:
    work = Work.load(planned(tmp_path, ROWS), tmp_path)
    work.forget()
    assert not work.is_new


# Mutation: leave the loop out of `Pool.hand_out`, and somebody is called for nothing.
@pytest.mark.parametrize("processes", [0, 2])
def test_nobody_is_called_where_there_is_nothing_to_do(tmp_path: Path, processes: int) -> None:
    def works() -> Iterator[Work]:
        for no in range(3):
            yield Work.load(planned(tmp_path, [row for row in ROWS if row.action != "create"], no), tmp_path)

    nobody: Any = None  # neither a migration nor an executor, which could do nothing
    handed = list(Pool(nobody, Control("r1")).hand_out(nobody, works(), processes))
    assert [(work.shard.no, list(receipts)) for work, receipts in handed] == [(0, []), (1, []), (2, [])]
