"""A runner that loads early is the run's own when it is wanted so, and nothing at all otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from migrator import api
from migrator.lifecycle import early
from migrator.migrations import CopyObjects
from migrator.state import runs

WAITING = (
    "from migrator.lifecycle import early\nimport time\nearly.prepare('copy')\n"
    "print(early._waiting[0].child.pid, flush=True)\n"
)


@pytest.fixture
def files(tmp_path: Path, state: str) -> Iterator[CopyObjects]:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one").write_text("1")
    yield CopyObjects(tmp_path / "in", tmp_path / "out")
    early.forget()


def prepared() -> tuple[str, subprocess.Popen[bytes]]:
    early.prepare("copy")
    [one] = early._waiting
    return one.run_id, one.child


def owner_of(run: api.Run) -> int:
    with run.state.read() as connection:
        return runs.get(connection, run.id)["pid"]


def test_the_runner_that_waits_is_the_one_of_the_run(files: CopyObjects) -> None:
    # Mutation: in `begin`, return None at once.
    run_id, child = prepared()
    run = api.start(files)
    assert (run.id, owner_of(run)) == (run_id, child.pid)
    assert run.wait(60).done == 1
    assert "1 copied" in run.log()[0]
    assert api.start(CopyObjects(files.source, files.target)).wait(60).id != run_id  # it was one run's


@pytest.mark.parametrize("why", ["other environment", "died"])
def test_one_that_does_not_fit_is_let_go_and_the_run_begins_as_always(
    files: CopyObjects, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    # Mutations: in `begin`, compare no `env`; look for no `poll`.
    run_id, child = prepared()
    if why == "died":
        child.kill()
        child.wait()
    else:
        monkeypatch.setenv("ELSEWHERE_KEY", "of later")
    run = api.start(files)
    assert (run.id, owner_of(run) != child.pid) == (run_id, True)
    assert run.wait(60).status == "completed"
    assert child.poll() == -signal.SIGKILL


def test_one_whose_starter_is_killed_ends_and_leaves_nothing(files: CopyObjects, tmp_path: Path) -> None:
    # Mutation: in the runner, do not wait.
    argv = [sys.executable, "-c", WAITING + "time.sleep(60)"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        child = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
    child.wait(30)
    assert not (tmp_path / "state").exists()


def test_a_command_that_is_refused_leaves_no_process(tmp_path: Path, state: str) -> None:
    # Mutation: register no `forget` for the end.
    argv = [sys.executable, "-m", "migrator", "copy", str(tmp_path / "absent"), str(tmp_path / "out")]
    refused = subprocess.run(argv, capture_output=True, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "There is no folder" in refused.stderr
    assert not (tmp_path / "state").exists()

    def mine() -> list[psutil.Process]:
        return [p for p in psutil.process_iter(["cmdline", "environ"]) if early.WAITS in (p.info["cmdline"] or [])
                and (p.info["environ"] or {}).get("MIGRATOR_STATE") == state]  # fmt: skip

    end = time.monotonic() + 20  # it was killed; the system takes its time
    while mine():
        assert time.monotonic() < end, mine()
        time.sleep(0.05)
