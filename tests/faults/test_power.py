"""The power is cut in the middle of a run: what was acknowledged is there afterwards, and the rest is done again."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import xxhash
from disks import Disk, ext4
from driving import row
from injury import SEED, ask, assert_as_if_never_hurt, end_what_is_left, facts, newest_receipts, runners_under
from trees import small_tree

from migrator import CopyObjects, api

FILES, SHARDS = 160, 8
BYTES_PER_S = 400_000


@dataclass(frozen=True)
class Moment:
    """When the power is cut: some time after so many shards were committed."""

    commits: int
    after_s: float

    @classmethod
    def any(cls, rng: random.Random, number: int) -> Moment:
        if number % 3 == 0:  # before there is anything: start, claim, plan
            return cls(0, rng.uniform(0, 2))
        return cls(rng.randint(1, SHARDS), rng.uniform(0, 0.3))


@dataclass
class Witness:
    """What anybody could read in the state DB before the cut: from then on it may not be lost."""

    events: list[dict[str, Any]] = field(default_factory=list)
    receipts: dict[int, list[str]] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)

    def look(self, run: api.Run) -> None:
        # Oldest facts first: each look sees at least what the one before it saw.
        self.row = row(run)
        self.receipts = named(run)
        self.events = events(run)

    def assert_kept(self, run: api.Run) -> None:
        assert events(run)[: len(self.events)] == self.events
        now = named(run)
        assert {
            no: names[: len(self.receipts[no])] for no, names in now.items() if no in self.receipts
        } == self.receipts
        after = row(run)
        assert (after["plan_hash"] or "").startswith(self.row["plan_hash"] or "")
        assert all(after[name] >= self.row[name] for name in ("attempt", "seq", "step", "copied"))


def events(run: api.Run) -> list[dict[str, Any]]:
    return ask("select * from events where run_id = ? order by seq", run.id)


def named(run: api.Run) -> dict[int, list[str]]:
    found = ask("select no, receipts from shards where run_id = ?", run.id)
    return {shard["no"]: json.loads(shard["receipts"]) for shard in found}


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk with target, workspace and state DB on it."""
    with ext4(tmp_path, 128 << 20) as made:
        monkeypatch.setenv("MIGRATOR_STATE", str(made.place / "state" / "state.db"))
        yield made


# Mutation: synchronous=NORMAL in db._set_pragmas, and acknowledged rows are gone; leave self._target.sync() out of
# CopyExecutor, and files that receipts name have other bytes; leave the fsyncs out of write_bytes_durably, and
# receipts are no Parquet files any more.
@pytest.mark.parametrize("cuts", [2, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_what_was_acknowledged_before_a_power_cut_is_there_after_it(cuts: int, tmp_path: Path, disk: Disk) -> None:
    print(f"MIGRATOR_SEED={SEED}")
    tree = small_tree(tmp_path / "source", FILES)
    rng, clean = random.Random(SEED), a_clean_run(tree, tmp_path, disk)
    committed = 0
    for number in range(cuts):
        target = disk.place / f"out-{number}"
        committed += cut_and_resume(tree, target, disk, Moment.any(rng, number), clean, number % 2 * 2)
    print(f"{cuts} cuts; {committed} receipts were acknowledged before them, none is lost")


def a_clean_run(tree: Path, folder: Path, disk: Disk) -> dict[str, tuple[int, str]]:
    with runners_under(folder):
        run = api.start(CopyObjects(tree, disk.place / "clean"))
    run.wait(60)
    return facts(run)


def cut_and_resume(
    tree: Path, target: Path, disk: Disk, moment: Moment, clean: dict[str, tuple[int, str]], processes: int
) -> int:
    """One power cut and what comes after it; how many receipts were acknowledged before."""
    with runners_under(target.parent.parent):
        run = api.start(CopyObjects(tree, target, processes=processes), bytes_per_s=BYTES_PER_S)
        witness = watch_until(moment, run)
        disk.cut_power()
        end_what_is_left(disk.place)
        for thread in threading.enumerate():  # who waits for a runner looks at its row then, by one connection more
            if thread.name.startswith("reap-"):
                thread.join(60)
        api.open_state().close()  # our own connections hold files of the dead disk
        disk.umount()
        disk.mount()
        assert ask("pragma integrity_check") == [{"integrity_check": "ok"}]
        witness.assert_kept(run)
        kept = assert_receipts_are_true(run, target)
        print(f"{run.id}: cut {moment.after_s:.2f} s after {moment.commits} commits, {run.status}, {kept} receipts")
        if run.status != "completed":
            seen = run.resume().wait(60, check=False)
            assert seen.status == "completed", (seen.error, run.exceptions(5))
    assert_as_if_never_hurt(run, tree, target, clean)
    return kept


def watch_until(moment: Moment, run: api.Run) -> Witness:
    """What was to be seen until a moment came; the last look was just before it."""
    witness, over = Witness(), None
    while over is None or time.monotonic() < over:
        witness.look(run)
        come = sum(map(len, witness.receipts.values())) >= moment.commits or witness.row["finished_at"]
        over = over or (time.monotonic() + moment.after_s if come else None)
    return witness


def assert_receipts_are_true(run: api.Run, target: Path) -> int:
    """Every file that a receipt names has the bytes that it says."""
    keys = {item[0]: item[1] for item in run.items().select("item_no, key").fetchall()}
    receipts = newest_receipts(run)
    for number, (_, digest) in receipts.items():
        data = (target / keys[number]).read_bytes()
        assert f"xxh3:{xxhash.xxh3_128_hexdigest(data)}" == digest, keys[number]
    return len(receipts)
