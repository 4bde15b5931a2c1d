"""The queue with real workers and runners: whoever dies, each run begins once and ends once."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from driving import (
    Worker,
    command,
    command_here,
    command_json,
    ends,
    gone,
    heeds_cancel,
    keeper_of,
    moving,
    row,
    runner_of,
    starts_of,
    wait_for,
)
from trees import in_folder

from migrator import api
from migrator.config import CANCEL_GRACE_S
from migrator.errors import BadInput
from migrator.migrations import CopyObjects

SLOW = 60_000  # bytes a second: `few` takes about a quarter of a minute


def enqueue(source: Path, target: Path, **terms: Any) -> api.Run:
    return api.start(CopyObjects(source, target), mode="queue", **terms)


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


def test_runs_are_taken_by_priority_then_age_and_one_at_a_time(few: Path, tmp_path: Path) -> None:
    first, second, urgent = (enqueue(few, tmp_path / str(n), priority=n // 2) for n in range(3))
    assert [run.snapshot().position for run in (urgent, first, second)] == [1, 2, 3]
    assert second.snapshot().ahead == (urgent.id, first.id)
    answer = command("worker", "--once")
    assert answer.code == 0, answer
    rows = [row(run) for run in (urgent, first, second)]
    assert [seen["status"] for seen in rows] == ["completed"] * 3
    for earlier, later in itertools.pairwise(rows):
        assert earlier["finished_at"] <= later["started_at"]
    assert in_folder(tmp_path / "2") == in_folder(few)


def test_with_no_worker_everybody_is_told_so(few: Path, tmp_path: Path) -> None:
    run = enqueue(few, tmp_path / "out")
    assert "none serves the queue 'default'" in str(run.snapshot().waiting_for)
    shown = command_here("show", run.id)
    assert "place 1" in shown.out
    assert "migrator worker --queue default" in " ".join(shown.out.split())


def test_two_may_run_at_once_and_the_second_does_not_wait_for_the_first(few: Path, tmp_path: Path) -> None:
    api.queue().limit(2)
    long = enqueue(few, tmp_path / "long", bytes_per_s=SLOW)
    with Worker("--concurrency", "2"):
        runner_of(long)
        short = enqueue(few, tmp_path / "short")
        assert ends(short) == "completed"
        assert row(long)["finished_at"] is None


# Mutation: let Worker._collect only forget its child, kill its keeper too: it is found by the next sweep only.
def test_a_runner_that_is_killed_runs_again_within_five_seconds(few: Path, tmp_path: Path, worker: Worker) -> None:
    run = enqueue(few, tmp_path / "out", bytes_per_s=SLOW)
    runner = runner_of(run)
    moving(run)
    killed = time.time()
    runner.kill()
    wait_for(lambda: row(run)["status"] == "running" and row(run)["attempt"] == 2, 30, "it runs again")
    queued = [event for event in api.attach(run.id).events() if event.data.get("status") == "queued"]
    assert queued[-1].at / 1000 - killed < 5  # then its place is free; how long a start takes is the machine's affair
    run.limit()
    assert ends(run) == "completed"
    assert starts_of(run) == 2
    assert in_folder(tmp_path / "out") == in_folder(few)


def test_a_worker_that_is_killed_takes_nothing_with_it(few: Path, tmp_path: Path, worker: Worker) -> None:
    run = enqueue(few, tmp_path / "out", bytes_per_s=SLOW)
    runner = runner_of(run)
    worker.end(signal.SIGKILL)
    assert not gone(runner)
    with Worker():
        time.sleep(2)
        assert not gone(runner)
        run.limit()
        assert ends(run) == "completed"
    assert starts_of(run) == 1
    assert row(run)["attempt"] == 1


def test_when_both_die_the_next_worker_has_it(few: Path, tmp_path: Path, worker: Worker) -> None:
    run = enqueue(few, tmp_path / "out", bytes_per_s=SLOW)
    runner = runner_of(run)
    keeper = keeper_of(runner)
    moving(run)
    runner.suspend()  # so that it can't start another keeper in between
    worker.end(signal.SIGKILL)
    keeper.kill()
    runner.kill()
    wait_for(lambda: gone(runner) and gone(keeper), 10, "both are gone")
    assert row(run)["status"] == "running"
    begun = time.monotonic()
    with Worker():
        wait_for(lambda: row(run)["status"] == "running" and row(run)["attempt"] == 2, 25, "the next has it")
        assert time.monotonic() - begun < 25  # on this host identity decides: no lease has to run out
        run.limit()
        assert ends(run) == "completed"
    assert in_folder(tmp_path / "out") == in_folder(few)


# Mutation: leave `crashes >= max_attempts` out of reap.bury, and it runs for ever.
def test_a_run_that_crashes_again_and_again_is_given_up_and_the_next_one_runs(
    few: Path, tmp_path: Path, worker: Worker
) -> None:
    poison = enqueue(few, tmp_path / "poison", bytes_per_s=SLOW, max_attempts=2)
    after = enqueue(few, tmp_path / "after")
    for attempt in (1, 2):
        wait_for(lambda n=attempt: row(poison)["status"] == "running" and row(poison)["attempt"] == n, 20, "it runs")
        psutil.Process(row(poison)["pid"]).kill()
    assert ends(poison) == "failed"
    assert "crashed 2 times" in row(poison)["error"]
    assert ends(after) == "completed"
    poison.resume()  # a person may try again, with the count begun anew
    poison.limit()
    assert ends(poison) == "completed"


def test_a_queued_run_that_is_cancelled_never_starts(few: Path, tmp_path: Path) -> None:
    run, other = enqueue(few, tmp_path / "out"), enqueue(few, tmp_path / "other")
    run.cancel()
    assert row(run)["status"] == "cancelled"
    assert command("worker", "--once").code == 0
    assert (starts_of(run), starts_of(other)) == (0, 1)
    assert not (tmp_path / "out").exists()


def test_a_run_of_the_queue_is_cancelled_like_any_other(few: Path, tmp_path: Path, worker: Worker) -> None:
    run = enqueue(few, tmp_path / "out", bytes_per_s=SLOW)
    runner_of(run)
    moving(run)
    run.cancel()
    assert heeds_cancel(run) < 2 * CANCEL_GRACE_S


def test_a_worker_that_is_asked_to_end_does_so_at_once_and_lets_runners_be(
    few: Path, tmp_path: Path, worker: Worker
) -> None:
    run, waiting = enqueue(few, tmp_path / "out", bytes_per_s=SLOW), enqueue(few, tmp_path / "waiting")
    runner = runner_of(run)
    assert worker.end(signal.SIGTERM) < 10
    assert api.queue().workers == []
    assert not gone(runner)
    run.limit()
    assert ends(run) == "completed"
    assert row(waiting)["status"] == "queued"


def test_a_runner_that_is_told_to_stop_gives_the_run_back_to_its_place(few: Path, tmp_path: Path) -> None:
    run = enqueue(few, tmp_path / "out", bytes_per_s=SLOW)
    place = row(run)["place"]
    with Worker() as worker:
        runner = runner_of(run)
        moving(run)
        worker.end(signal.SIGKILL)
    runner.terminate()
    begun = time.monotonic()
    wait_for(lambda: row(run)["status"] == "queued", 30, "it is back in the queue")
    assert time.monotonic() - begun < 15
    assert (row(run)["place"], row(run)["crashes"]) == (place, 0)


def test_a_paused_queue_starts_nothing_and_says_so(few: Path, tmp_path: Path, worker: Worker) -> None:
    command_here("queue", "pause")
    run = enqueue(few, tmp_path / "out")
    time.sleep(1.5)
    assert row(run)["status"] == "queued"
    assert "is paused" in str(run.snapshot().waiting_for)
    command_here("queue", "unpause")
    assert ends(run) == "completed"


def test_a_worker_that_lacks_a_variable_leaves_the_run_and_says_which(
    few: Path, tmp_path: Path, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = api.start(CopyObjects(few, place("out")), mode="queue")
    other = enqueue(few, tmp_path / "out")
    with Worker(AWS_SECRET_ACCESS_KEY=""):
        assert ends(other) == "completed"  # it is in nobody's way
        wait_for(lambda: row(run)["waiting_for"], 10, "the worker says what it lacks")
        assert "AWS_SECRET_ACCESS_KEY" in str(run.snapshot().waiting_for)
        assert row(run)["status"] == "queued"
    with Worker():
        assert ends(run) == "completed"


def test_a_queued_run_can_be_started_at_once_instead(few: Path, tmp_path: Path) -> None:
    run = enqueue(few, tmp_path / "out")
    assert command_here("run-now", run.id).code == 0
    assert ends(run) == "completed"
    assert row(run)["mode"] == "streaming"
    with pytest.raises(BadInput, match="only a queued run"):
        run.run_now()


def test_a_run_goes_where_it_was_enqueued_from(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    run = api.start(CopyObjects(os.path.relpath(few), "out"), mode="queue")
    monkeypatch.chdir(tmp_path)
    assert command("worker", "--once").code == 0
    assert row(run)["status"] == "completed"
    assert in_folder(here / "out") == in_folder(few)


def test_the_mode_can_come_from_the_environment(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATOR_MODE", "queue")
    run = api.start(CopyObjects(few, tmp_path / "out"))
    assert (run.status, run.snapshot().mode) == ("queued", "queue")
    seen = command_json("copy", few, tmp_path / "two", "--no-follow")
    assert (seen["status"], seen["position"]) == ("queued", 2)
    monkeypatch.setenv("MIGRATOR_MODE", "slowly")
    answer = command_here("copy", few, tmp_path / "three")
    assert answer.code == 2
    assert "'streaming' or 'queue'" in answer.err


def test_an_enqueue_that_is_rolled_back_leaves_nothing(few: Path, tmp_path: Path) -> None:
    db = api.open_state()

    def enqueue_and_fail() -> None:
        with db.write() as connection:
            enqueue(few, tmp_path / "lost", connection=connection)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        enqueue_and_fail()
    with db.write() as connection:
        kept = enqueue(few, tmp_path / "kept", connection=connection)
    assert [run.id for run in api.runs()] == [kept.id]


def test_an_idle_worker_costs_next_to_nothing(worker: Worker) -> None:
    process = psutil.Process(worker.process.pid)
    time.sleep(1)
    before, begun = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(3)
    used = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - begun)
    size = process.memory_info().rss / 1e6
    print(f"idle worker: {used:.2%} of a core, {size:.0f} MB")
    assert used < 0.02  # 1 % is the aim; a shared machine's clock ticks are coarse
    assert size < 80
