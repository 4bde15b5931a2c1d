"""A cancel stops a run at once, whatever it is doing, and leaves nothing half done."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import SENTENCE, command_here, ends, gone, heeds_cancel, keeper_of, moving, row, runner_of, wait_for
from trees import MIB, in_bucket, in_folder, small_tree, temporaries, unfinished_uploads
from wayside import Wayside

from migrator import CopyObjects, api
from migrator.config import CANCEL_GRACE_S
from migrator.errors import BadInput

# It takes a second where a core is free; at this its keeper would kill it.
WITHIN_S = 2 * CANCEL_GRACE_S


def cancelled_within(run: api.Run) -> float:
    run.cancel()
    return heeds_cancel(run)


# Mutation: let a shard's line not say what of it is new, and the lines of two attempts add up to more than there is.
def test_a_copy_of_many_objects_to_a_bucket_is_cancelled_and_goes_on_later(
    few: Path, wayside: Wayside, place: Callable[[str], str], bucket: str, prefix: str, client: Any
) -> None:
    wayside.delay_s = 0.04
    run = api.start(CopyObjects(few, place("out"), in_flight=1))
    runner = runner_of(run)
    moving(run)
    assert cancelled_within(run) < WITHIN_S
    wait_for(lambda: gone(runner), 10, "the runner ends")
    seen = run.snapshot()
    assert 0 < seen.copied < 300
    assert len(in_bucket(client, bucket, f"{prefix}/out")) == seen.copied == len(run.items("copied"))
    assert unfinished_uploads(client, bucket, prefix) == []
    wayside.delay_s = 0
    after = run.resume().wait(60)
    assert (after.copied, after.cancel_requested, after.attempt) == (300, False, 2)
    assert re.search(rf"300 copied, .*; {300 - seen.copied:,} of these now\n", run.log()[0])
    assert in_bucket(client, bucket, f"{prefix}/out") == in_folder(few)


def test_a_copy_of_many_objects_to_a_folder_is_cancelled_and_goes_on_later(
    few: Path, place: Callable[[str], str], wayside: Wayside, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    api.start(CopyObjects(few, place("from"))).wait(60)
    wayside.delay_s = 0.05
    run = api.start(CopyObjects(place("from"), target, in_flight=2))
    moving(run)
    assert cancelled_within(run) < WITHIN_S
    assert temporaries(target) == []
    assert in_folder(target).items() < in_folder(few).items()
    wayside.delay_s = 0
    run.resume().wait(60)
    assert in_folder(target) == in_folder(few)


def test_a_cancel_inside_a_large_upload_stops_it_and_leaves_no_parts(
    wayside: Wayside, place: Callable[[str], str], bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    source = tmp_path / "from"
    source.mkdir()
    with (source / "large").open("wb") as file:
        file.truncate(300 * MIB)
    wayside.bytes_per_s = 25 * MIB
    run = api.start(CopyObjects(source, place("out")))
    assert 0 < moving(run)["bytes_done"] < 300 * MIB
    assert cancelled_within(run) < WITHIN_S
    assert in_bucket(client, bucket, f"{prefix}/out") == {}
    assert unfinished_uploads(client, bucket, prefix) == []


def test_a_cancel_inside_a_large_download_stops_it_and_leaves_no_file(
    wayside: Wayside, place: Callable[[str], str], bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    source = tmp_path / "from"
    source.mkdir()
    (source / "large").write_bytes(random.Random(5).randbytes(24 * MIB))
    api.start(CopyObjects(source, place("from"))).wait(60)
    wayside.bytes_per_s = 4 * MIB
    run = api.start(CopyObjects(place("from"), tmp_path / "out"))
    moving(run)
    assert cancelled_within(run) < WITHIN_S
    assert list((tmp_path / "out").iterdir()) == []
    wayside.bytes_per_s = 0
    run.resume().wait(60)
    assert in_folder(tmp_path / "out") == in_folder(source)


def test_a_cancel_while_the_plan_is_made_ends_the_run_before_anything_is_written(
    few: Path, wayside: Wayside, place: Callable[[str], str], tmp_path: Path
) -> None:
    api.start(CopyObjects(few, place("from"))).wait(60)
    wayside.delay_s = 2.0  # for each request of the plan; a cancel waits for the one that is under way
    run = api.start(CopyObjects(place("from"), tmp_path / "out"))
    runner_of(run)
    assert cancelled_within(run) < WITHIN_S
    assert row(run)["phase"] in (None, "plan")
    assert not (tmp_path / "out").exists()
    wayside.delay_s = 0
    run.resume().wait(60)
    assert in_folder(tmp_path / "out") == in_folder(few)


def test_a_runner_that_ignores_a_cancel_is_killed_by_its_keeper(
    few: Path, wayside: Wayside, place: Callable[[str], str]
) -> None:
    wayside.delay_s = 0.04
    run = api.start(CopyObjects(few, place("out"), in_flight=1))
    runner = runner_of(run)
    keeper = keeper_of(runner)
    moving(run)
    runner.suspend()
    run.cancel()
    time.sleep(1)
    assert not gone(runner)  # it has its grace
    assert ends(run, 30) == "cancelled"
    wait_for(lambda: gone(runner), 10, "the runner is gone")
    wait_for(lambda: gone(keeper), 10, "the keeper is gone")
    wayside.delay_s = 0
    assert run.resume().wait(60).total == 300


def test_a_cancel_twice_is_one_cancel(few: Path, wayside: Wayside, place: Callable[[str], str]) -> None:
    wayside.delay_s = 0.04
    run = api.start(CopyObjects(few, place("out"), in_flight=1))
    moving(run)
    run.cancel()
    first = row(run)["cancel_requested_at"]
    if not run.snapshot().terminal:
        answer = command_here("cancel", run.id)
        assert answer.code == 0 or "has ended already (cancelled)" in answer.err, answer
    assert row(run)["cancel_requested_at"] == first
    assert ends(run, 30) == "cancelled"
    assert [event.data for event in run.events() if event.kind == "request"] == [
        {"request": "cancel", "by": run.snapshot().owner}
    ]


def test_a_finished_run_can_not_be_cancelled(tmp_path: Path) -> None:
    run = api.start(CopyObjects(small_tree(tmp_path / "from", 3), tmp_path / "out"))
    run.wait(60)
    answer = command_here("cancel", run.id)
    assert (answer.code, answer.out) == (2, ""), answer
    assert SENTENCE.fullmatch(answer.err), answer
    assert "completed" in answer.err
    with pytest.raises(BadInput, match="has ended already"):
        run.cancel()
    assert run.status == "completed"


def test_cancel_wait_returns_when_the_run_has_stopped(few: Path, wayside: Wayside, place: Callable[[str], str]) -> None:
    wayside.delay_s = 0.04
    run = api.start(CopyObjects(few, place("out"), in_flight=1))
    runner = runner_of(run)
    moving(run)
    answer = command_here("cancel", run.id, "--wait")
    assert (answer.code, answer.out) == (0, f"{run.id} cancelled.\n"), answer
    wait_for(lambda: gone(runner), 10, "the runner ends")
