"""Whatever is killed, and whenever: a run is seen to be dead, and goes on to the same end."""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from driving import command, ends, gone, in_phase, keeper_of, moving, row, runner_of, wait_for
from trees import MIB, in_bucket, in_folder, listed, temporaries, unfinished_uploads
from wayside import Wayside

from migrator import CopyObjects, api

SEED = int(os.environ.get("MIGRATOR_SEED", "0")) or secrets.randbits(32)
SEEN_WITHIN_S = 15

pytestmark = pytest.mark.usefixtures("cold_runners")  # what is killed is what users have


def kill_at_random(start: Callable[[int], api.Run], phase: str, rng: random.Random) -> tuple[api.Run, psutil.Process]:
    """A run whose runner was killed in a phase, at a random moment of it.

    One that was quicker than the kill is replaced by another, with half the time.
    """
    span = 0.3 if phase == "copy" else 0.2
    for number in range(12):
        run = start(number)
        runner = runner_of(run)
        if not in_phase(run, phase)["finished_at"]:
            pause = rng.uniform(0, span)
            time.sleep(pause)
            with suppress(psutil.NoSuchProcess):  # it was quicker
                runner.kill()
            wait_for(lambda runner=runner: gone(runner), 10, "the runner is gone")
            seen = row(run)
            if seen["status"] != "completed":
                print(f"killed {pause:.3f} s into {phase!r}; it was in {seen['phase']!r} then")
                return run, runner
        span /= 2
    raise AssertionError("every run was quicker than its kill")


def assert_whole(run: api.Run, files: int) -> None:
    """A completed run has one newest receipt for each item, and its counts say so."""
    seen = run.snapshot()
    assert seen.status == "completed", seen
    assert (seen.total, seen.done, seen.failed, seen.refused) == (files, files, 0, 0)
    assert seen.copied + seen.adopted + seen.skipped == files
    assert seen.bytes_done == seen.bytes_total
    items = run.items().fetchall()
    columns = run.items().columns
    assert sorted(item[columns.index("item_no")] for item in items) == list(range(files))
    statuses = [item[columns.index("status")] for item in items]
    assert {name: statuses.count(name) for name in ("copied", "adopted", "skipped")} == {
        "copied": seen.copied, "adopted": seen.adopted, "skipped": seen.skipped,
    }  # fmt: skip
    receipts = [pq.read_table(file) for file in Path(seen.workspace, "receipts").glob("*.parquet")]
    assert set().union(*(table["item_no"].to_pylist() for table in receipts)) == set(range(files))


# One of the three that are not soak is killed while it plans.
@pytest.mark.parametrize("number", [pytest.param(n, marks=() if n % 4 == 1 else pytest.mark.soak) for n in range(10)])
def test_a_copy_killed_at_a_random_moment_is_resumed_to_the_same_tree(number: int, tree: Path, tmp_path: Path) -> None:
    print(f"MIGRATOR_SEED={SEED}")
    rng, phase = random.Random(f"{SEED}-{number}"), "plan" if number < 3 else "copy"
    run, _ = kill_at_random(
        lambda n: api.start(CopyObjects(tree, tmp_path / f"out-{n}"), bytes_per_s=5_000_000), phase, rng
    )  # a second, however quick the machine is
    assert ends(run, SEEN_WITHIN_S) == "interrupted"
    target = Path(run.snapshot().spec["target"]["path"])
    assert in_folder(target).items() - debris(target) <= in_folder(tree).items()
    run.resume().wait(60)
    assert in_folder(target) == in_folder(tree)
    assert temporaries(target) == []
    assert_whole(run, 1500)


def debris(target: Path) -> set[tuple[str, str]]:
    """Temporary files of a killed run, which are no files of the tree yet."""
    return {(name, digest) for name, digest in in_folder(target).items() if name.endswith(".part")}


def test_a_copy_to_a_bucket_killed_at_a_random_moment_is_resumed_to_the_same_tree(
    few: Path, wayside: Wayside, bucket: str, prefix: str, client: Any
) -> None:
    print(f"MIGRATOR_SEED={SEED}")
    wayside.delay_s = 0.01

    def start(number: int) -> api.Run:
        return api.start(CopyObjects(few, f"s3://{bucket}/{prefix}/{number}", in_flight=2))

    run, _ = kill_at_random(start, "copy", random.Random(f"{SEED}-bucket"))
    assert ends(run, SEEN_WITHIN_S) == "interrupted"
    wayside.delay_s = 0
    run.resume().wait(60)
    target = run.snapshot().spec["target"]["prefix"]
    assert in_bucket(client, bucket, target) == in_folder(few)
    assert_whole(run, 300)


def test_a_run_that_is_killed_again_and_again_gets_to_its_end(
    few: Path, wayside: Wayside, tmp_path: Path, place: Callable[[str], str], bucket: str, prefix: str, client: Any
) -> None:
    wayside.delay_s = 0.05
    run = api.start(CopyObjects(few, place("out"), in_flight=4))
    for _ in range(2):
        runner = runner_of(run)
        in_phase(run, "copy")
        time.sleep(0.5)
        runner.kill()
        assert ends(run, SEEN_WITHIN_S) == "interrupted"
        run.resume()
    wayside.delay_s = 0
    run.wait(90)
    assert run.snapshot().attempt == 3
    assert in_bucket(client, bucket, f"{prefix}/out") == in_folder(few)
    assert_whole(run, 300)


def test_a_death_is_written_down_while_nobody_looks(few: Path, wayside: Wayside, place: Callable[[str], str]) -> None:
    wayside.delay_s = 0.05
    answer = command("copy", few, place("out"), "--in-flight", "1", "--no-follow")
    assert answer.code == 0, answer
    run_id = answer.out.strip()
    runner = runner_of(run_id)
    keeper = keeper_of(runner)
    moving(run_id)
    runner.kill()
    assert ends(run_id, SEEN_WITHIN_S) == "interrupted"
    assert str(runner.pid) in row(run_id)["error"]
    wait_for(lambda: gone(keeper), 10, "the keeper ends with its runner")


def test_runner_and_keeper_killed_together_are_found_dead_by_whoever_looks(
    few: Path, wayside: Wayside, place: Callable[[str], str], bucket: str, prefix: str, client: Any
) -> None:
    wayside.delay_s = 0.08
    answer = command("copy", few, place("out"), "--in-flight", "4", "--no-follow")
    run = api.attach(answer.out.strip())
    runner = runner_of(run)
    keeper = keeper_of(runner)
    moving(run)
    runner.suspend()  # so that it can't start another keeper in between
    keeper.kill()
    runner.kill()
    wait_for(lambda: gone(runner) and gone(keeper), 10, "both are gone")
    assert row(run)["status"] == "running"
    shown = wait_for(lambda: run.status == "interrupted", SEEN_WITHIN_S, "a reader finds the run dead")
    assert shown
    assert row(run)["status"] == "interrupted"
    wayside.delay_s = 0
    run.resume().wait(60)
    assert in_bucket(client, bucket, f"{prefix}/out") == in_folder(few)
    assert_whole(run, 300)


def test_a_run_whose_keeper_was_killed_gets_another_and_completes(
    few: Path, wayside: Wayside, place: Callable[[str], str]
) -> None:
    wayside.delay_s = 0.1
    run = api.start(CopyObjects(few, place("out"), in_flight=4))
    runner = runner_of(run)
    first = keeper_of(runner)
    first.kill()
    wait_for(lambda: gone(first), 10, "the first keeper is gone")
    second = keeper_of(runner)
    assert second.pid != first.pid
    wayside.delay_s = 0
    assert run.wait(60).attempt == 1
    wait_for(lambda: gone(second), 10, "the second keeper ends with its runner")
    assert_whole(run, 300)


def test_a_keeper_that_came_later_still_sees_its_runner_die(
    few: Path, wayside: Wayside, place: Callable[[str], str]
) -> None:
    wayside.delay_s = 0.05
    run_id = command("copy", few, place("out"), "--in-flight", "1", "--no-follow").out.strip()
    runner = runner_of(run_id)
    first = keeper_of(runner)
    first.kill()
    wait_for(lambda: gone(first), 10, "the first keeper is gone")
    keeper_of(runner)
    until = row(run_id)["lease_until"]
    wait_for(lambda: row(run_id)["lease_until"] != until, 15, "the second keeper renews the lease")
    runner.kill()
    assert ends(run_id, SEEN_WITHIN_S) == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_a_run_and_what_was_done_is_recorded(
    number: signal.Signals, few: Path, wayside: Wayside, place: Callable[[str], str]
) -> None:
    wayside.delay_s = 0.08
    run = api.start(CopyObjects(few, place("out"), in_flight=4))
    runner = runner_of(run)
    moving(run)
    runner.send_signal(number)
    assert ends(run, SEEN_WITHIN_S) == "interrupted"
    seen = run.snapshot()
    assert number.name in (seen.error or "")
    assert 0 < seen.copied < 300
    assert len(run.items("copied")) == seen.copied
    wait_for(lambda: gone(runner), 10, "the runner ends")
    wayside.delay_s = 0
    run.resume().wait(60)
    assert run.snapshot().copied == 300  # none was copied twice, which would count as adopted
    assert_whole(run, 300)


def test_a_large_object_whose_upload_was_killed_arrives_whole(
    wayside: Wayside, place: Callable[[str], str], bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    run, _ = kill_inside_large(wayside, place("out"), tmp_path)
    assert "large" not in listed(client, bucket, f"{prefix}/out")
    wayside.bytes_per_s = 0
    run.resume().wait(60)
    assert in_bucket(client, bucket, f"{prefix}/out") == in_folder(tmp_path / "from")
    assert_whole(run, 1)


def kill_inside_large(
    wayside: Wayside,
    target: str,
    tmp_path: Path,
    processes: int = 0,
    until: Callable[[], bool] | None = None,
    size: int = 40 * MIB,
    bytes_per_s: int = 8 * MIB,
) -> tuple[api.Run, Path]:
    source = tmp_path / "from"
    source.mkdir()
    (source / "large").write_bytes(random.Random(3).randbytes(size))
    wayside.bytes_per_s = bytes_per_s
    run = api.start(CopyObjects(source, target, processes=processes))
    runner = runner_of(run)
    moving(run)
    if until:
        wait_for(until, 30, "so much was sent")
    runner.kill()
    assert ends(run, SEEN_WITHIN_S) == "interrupted"
    return run, source


# Mutations: leave out `notes.opened`; take every part for one that the server does not have; leave `abort_left` out,
# or `clear_late`.
@pytest.mark.parametrize("processes", [0, 2])
def test_no_finished_part_of_a_killed_upload_is_sent_again_and_none_dangles(
    processes: int, wayside: Wayside, place: Callable[[str], str], bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    sent: list[int] = []

    def seen(method: str, path: str) -> bool:
        number = re.search(r"/large\?.*partNumber=(\d+)", path)  # what is tried first is in parts too
        if method == "PUT" and number:
            sent.append(int(number[1]))
            with suppress(IndexError):  # parts come by several threads
                name = late.pop()  # what the killed one had sent last, and the server comes to only now
                client.create_multipart_upload(Bucket=bucket, Key=name)
                client.put_object(Bucket=bucket, Key=name, Body=b"")
        return False

    late: list[str] = []
    wayside.refuse = seen
    six = lambda: len(sent) >= 6  # noqa: E731
    run, _ = kill_inside_large(wayside, place("out"), tmp_path, processes, six, 96 * MIB, 20 * MIB)
    finished = {number for _, number in standing_parts(client, bucket, prefix)}
    assert finished, "it was killed before any part was there"
    sent.clear()
    late.append(f"{prefix}/out/.migrator-trial-{run.id}-1-77")
    wayside.bytes_per_s = 0
    run.resume().wait(60)
    assert not late
    assert not finished & set(sent)
    assert len(sent) <= 12 - len(finished)  # one that was on its way may have arrived since
    assert unfinished_uploads(client, bucket, prefix) == []
    assert in_bucket(client, bucket, f"{prefix}/out") == in_folder(tmp_path / "from")
    assert run.items().select("evidence").fetchall() == [("server-hash",)]


def test_a_killed_upload_whose_source_is_gone_is_aborted_at_the_end(
    wayside: Wayside, place: Callable[[str], str], bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    run, source = kill_inside_large(wayside, place("out"), tmp_path)
    assert unfinished_uploads(client, bucket, prefix)
    (source / "large").unlink()
    wayside.bytes_per_s = 0
    assert run.resume().wait(60, check=False).status == "partial"
    assert unfinished_uploads(client, bucket, prefix) == []


@pytest.mark.soak
def test_twenty_kills_inside_large_objects_send_no_finished_part_again(
    wayside: Wayside, place: Callable[[str], str], bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    """SIGKILL x 20 inside objects of 200 MB: what the server has of them only grows, and nothing dangles at the end."""
    source = tmp_path / "from"
    source.mkdir()
    for n in range(4):
        (source / f"large-{n}").write_bytes(random.Random(n).randbytes(200 * MIB))
    again: set[tuple[str, int]] = set()

    def seen(method: str, path: str) -> bool:
        part = re.search(r"(large-\d)\?.*partNumber=(\d+)", path)
        if method == "PUT" and part:
            again.update({(part[1], int(part[2]))} & finished)
        return False

    finished: set[tuple[str, int]] = set()
    wayside.refuse = seen
    wayside.bytes_per_s = 20 * MIB
    run = api.start(CopyObjects(source, place("out"), in_flight=1))
    for kills in range(20):
        runner, had = runner_of(run), standing_parts(client, bucket, prefix)
        wait_for(
            lambda had=had: standing_parts(client, bucket, prefix) - had or row(run)["finished_at"], 60, "a part more"
        )
        assert not row(run)["finished_at"], f"it ended after {kills} kills: {row(run)['status']}"
        runner.kill()
        assert ends(run, SEEN_WITHIN_S) == "interrupted"
        assert not again
        finished = standing_parts(client, bucket, prefix)
        run.resume()
    wayside.bytes_per_s = 0
    assert ends(run, 120) == "completed"
    assert unfinished_uploads(client, bucket, prefix) == []
    assert in_bucket(client, bucket, f"{prefix}/out") == in_folder(source)


def standing_parts(client: Any, bucket: str, prefix: str) -> set[tuple[str, int]]:
    """All parts of unfinished uploads: name and number."""
    found = set()
    for upload in client.list_multipart_uploads(Bucket=bucket, Prefix=f"{prefix}/").get("Uploads", ()):
        with contextlib.suppress(client.exceptions.NoSuchUpload):  # completed since
            told = client.list_parts(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            found |= {(upload["Key"].rpartition("/")[2], part["PartNumber"]) for part in told.get("Parts", ())}
    return found
