"""One key is one run, whoever starts it, however often, and at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import MIGRATOR, ends, gone, moving, runner_of, runs_recorded, wait_for, workspaces
from trees import in_folder, small_tree
from wayside import Wayside

from migrator import CopyObjects, api
from migrator.errors import KeyConflict
from migrator.state import schema


def test_a_key_of_a_living_run_attaches_to_it(few: Path, wayside: Wayside, place: Callable[[str], str]) -> None:
    wayside.delay_s = 0.05
    first = api.start(CopyObjects(few, place("to"), in_flight=1), key="nightly")
    second = api.start(CopyObjects(few, place("to"), in_flight=1), key="nightly")
    runner = runner_of(first)
    third = api.start(CopyObjects(str(few) + "/", place("to") + "/", in_flight=1), key="nightly")
    assert {second.id, third.id} == {first.id}
    assert runner_of(first).pid == runner.pid
    assert (runs_recorded(), workspaces()) == (1, [first.id])


# Mutation: compare the specification as it stands in the row, and a new field of a release makes each key another's.
def test_a_key_is_the_same_after_an_update_that_added_a_field(tmp_path: Path) -> None:
    source = small_tree(tmp_path / "from", 5)
    first = api.start(CopyObjects(source, tmp_path / "to"), key="nightly")
    before = first.wait(60)
    older = {name: value for name, value in before.spec.items() if name not in ("max_drift", "compare_metadata")}
    assert len(older) == len(before.spec) - 2
    with api.open_state().write() as connection:
        connection.execute(schema.runs.update().values(spec=older))
    assert api.start(CopyObjects(source, tmp_path / "to"), key="nightly").id == first.id
    with pytest.raises(KeyConflict):
        api.start(CopyObjects(source, tmp_path / "to", max_drift=1), key="nightly")


def test_a_key_of_a_completed_run_returns_it(tmp_path: Path) -> None:
    source = small_tree(tmp_path / "from", 5)
    first = api.start(CopyObjects(source, tmp_path / "to"), key="nightly")
    before = first.wait(60)
    (source / "new").write_bytes(b"new")
    second = api.start(CopyObjects(source, tmp_path / "to"), key="nightly")
    assert (second.id, second.snapshot()) == (first.id, before)
    assert not (tmp_path / "to" / "new").exists()


def test_a_key_of_an_interrupted_run_resumes_it(few: Path, wayside: Wayside, place: Callable[[str], str]) -> None:
    wayside.delay_s = 0.05
    first = api.start(CopyObjects(few, place("to"), in_flight=2), key="nightly")
    runner = runner_of(first)
    moving(first)
    runner.kill()
    assert ends(first, 15) == "interrupted"
    wayside.delay_s = 0
    second = api.start(CopyObjects(few, place("to"), in_flight=2), key="nightly")
    assert second.id == first.id
    seen = second.wait(60)
    assert (seen.attempt, seen.done, runs_recorded()) == (2, 300, 1)


def test_a_key_of_a_run_killed_unnoticed_resumes_it(few: Path, wayside: Wayside, place: Callable[[str], str]) -> None:
    wayside.delay_s = 0.05
    words = ["copy", str(few), place("to"), "--key", "nightly", "--in-flight", "2", "--no-follow"]
    run_id = subprocess.run([*MIGRATOR, *words], capture_output=True, text=True, check=True).stdout.strip()
    runner = runner_of(run_id)
    runner.suspend()  # so that it can't start another keeper in between
    both = [*runner.children(), runner]
    for process in both:
        process.kill()
    wait_for(lambda: all(map(gone, both)), 20, "both are gone")
    wayside.delay_s = 0
    again = api.start(CopyObjects(few, place("to")), key="nightly")
    assert (again.id, again.wait(60).attempt) == (run_id, 2)


def test_a_key_with_another_specification_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    source, there = small_tree(tmp_path / "from", 3), tmp_path / "to"
    first = api.start(CopyObjects(source, there), key="nightly")
    others: list[tuple[CopyObjects, bool, str]] = [
        (CopyObjects(source, there, overwrite="always"), False, "overwrite was 'never' and is 'always'"),
        (CopyObjects(source, there, in_flight=3), False, "in_flight was None and is 3"),
        (CopyObjects(source, tmp_path / "elsewhere"), False, "target.path was "),
        (CopyObjects(source, there), True, "dry_run was False and is True"),
    ]
    for other, dry_run, named in others:
        with pytest.raises(KeyConflict) as caught:
            api.start(other, key="nightly", dry_run=dry_run)
        assert named in str(caught.value)
        assert first.id in str(caught.value)
    assert (runs_recorded(), first.wait(60).status) == (1, "completed")


def test_threads_that_start_one_key_at_once_get_one_run(tmp_path: Path) -> None:
    source = small_tree(tmp_path / "from", 20)
    barrier, found, errors = threading.Barrier(6), [], []

    def start() -> None:
        barrier.wait()
        try:
            found.append(api.start(CopyObjects(source, tmp_path / "to"), key="nightly").id)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, len(found), len(set(found))) == ([], 6, 1)
    assert api.attach(found[0]).wait(60).attempt == 1
    assert (runs_recorded(), workspaces()) == (1, found[:1])
    assert in_folder(tmp_path / "to") == in_folder(source)


def test_processes_that_start_one_key_at_once_get_one_run(tmp_path: Path) -> None:
    source = small_tree(tmp_path / "from", 20)
    words = ["copy", str(source), str(tmp_path / "to"), "--key", "nightly", "--json"]
    started = [
        subprocess.Popen([*MIGRATOR, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [(*process.communicate(timeout=120), process.returncode) for process in started]
    assert [(err, code) for _, err, code in answers] == [("", 0)] * 3
    seen = [json.loads(out) for out, _, _ in answers]
    assert {(one["id"], one["attempt"], one["copied"]) for one in seen} == {(seen[0]["id"], 1, 20)}
    assert (runs_recorded(), workspaces()) == (1, [seen[0]["id"]])


def test_threads_that_resume_one_key_at_once_make_one_attempt(
    few: Path, wayside: Wayside, place: Callable[[str], str]
) -> None:
    wayside.delay_s = 0.05
    first = api.start(CopyObjects(few, place("to"), in_flight=2), key="nightly")
    moving(first)
    first.cancel()
    assert ends(first, 15) == "cancelled"
    wayside.delay_s = 0
    barrier, found, errors = threading.Barrier(4), [], []

    def start() -> None:
        barrier.wait()
        try:
            found.append(api.start(CopyObjects(few, place("to"), in_flight=2), key="nightly").id)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, set(found)) == ([], {first.id})
    assert first.wait(60).attempt == 2


def test_a_run_is_started_once_while_its_key_is_looked_at_from_a_fresh_interpreter(tmp_path: Path) -> None:
    source = small_tree(tmp_path / "from", 3)
    first = api.start(CopyObjects(source, tmp_path / "to"), key="nightly")
    code = (
        "import sys, migrator as mg\n"
        "print(mg.start(mg.CopyObjects(sys.argv[1], sys.argv[2]), key='nightly').wait(60).id)"
    )
    words = [sys.executable, "-c", code, str(source), str(tmp_path / "to")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stdout.strip()) == (0, first.id), done.stderr
