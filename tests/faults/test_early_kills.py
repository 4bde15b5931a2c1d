"""A runner that loads early, killed before, at and after its claim: its run goes on, and nobody is left behind."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import psutil
import pytest
from driving import gone, runner_of, runs_recorded, state_file, wait_for
from injury import assert_as_if_never_hurt, runners_under
from trees import in_folder

from migrator import CopyObjects, api
from migrator.lifecycle import early

CLAIM = "strace -D -f -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:signal=SIGKILL:when="
COMMAND_S = 1.2  # what a command on this tree lives


@contextmanager
def loading(folder: Path, words: Sequence[str]) -> Iterator[psutil.Process]:
    """A runner that loads early, with these words before its interpreter."""
    script = folder / "early"
    script.write_text(f'#!/bin/sh\nexec {shlex.join([*words, sys.executable])} "$@"\n')
    script.chmod(0o700)
    with mock.patch.object(sys, "executable", str(script)):
        early.prepare("copy")
        yield psutil.Process(early._waiting[0].child.pid)
    early.forget()


def left(folder: Path) -> list[psutil.Process]:
    """Processes of ours that know the test's state DB, or wait to be told of it."""
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            ours = any(word.startswith("migrator") for word in one.cmdline()) and not gone(one)
            if ours and one.environ().get("MIGRATOR_STATE", "").find(str(folder)) >= 0:
                found.append(one)
    return found


def ends_well(run: api.Run, tree: Path, folder: Path, clean: dict[str, tuple[int, str]]) -> None:
    """Dead, a run is seen to be, and resumed it ends as if it had never died; nobody of its is left."""
    wait_for(lambda: run.snapshot().terminal, 30, "the run ends, or is seen to be dead")
    if run.status != "completed":
        assert run.status == "interrupted"
        with runners_under(folder):
            run.resume()
        if run.snapshot().limits:
            run.limit()
        run.wait(60)
    assert_as_if_never_hurt(run, tree, folder / "to", clean)
    wait_for(lambda: not left(folder), 20, "nobody is left")


def before_the_word(waiting: psutil.Process, start: Callable[..., api.Run]) -> api.Run:
    waiting.kill()
    waiting.wait(10)
    return start()


def at_the_word(waiting: psutil.Process, start: Callable[..., api.Run]) -> api.Run:
    waiting.suspend()  # the word lies in its pipe, and it never reads it
    run = start()
    waiting.kill()
    return run


def after_the_claim(waiting: psutil.Process, start: Callable[..., api.Run]) -> api.Run:
    run = start(bytes_per_s=10_000)  # or it may have ended before the kill
    assert runner_of(run) == waiting
    waiting.kill()
    return run


def at_the_claim(_waiting: psutil.Process, start: Callable[..., api.Run]) -> api.Run:
    return start()


# Mutations: let early.begin look neither for `poll` nor for a closed pipe, and the first can't be started; leave
# `runs.note_child` out of spawn_runner, and the second is found dead only when its lease ends.
@pytest.mark.parametrize(
    ("when", "words"),
    [(before_the_word, ""), (at_the_word, ""), *((at_the_claim, f"{CLAIM}{n}") for n in (1, 3)), (after_the_claim, "")],
)
def test_a_run_whose_early_runner_is_killed_ends_as_if_it_never_was(
    when: Callable[[psutil.Process, Callable[..., api.Run]], api.Run], words: str,
    tree: Path, tmp_path: Path, clean: dict[str, tuple[int, str]],
) -> None:  # fmt: skip
    if words and not shutil.which("strace"):
        pytest.skip("strace is not installed: apt-get install strace")
    with loading(tmp_path, words.split()) as waiting:
        run = when(waiting, lambda **terms: api.start(CopyObjects(tree, tmp_path / "to"), **terms))
    ends_well(run, tree, tmp_path, clean)
    begun = 2 if when is after_the_claim else 1  # who dies before its claim began nothing
    assert (run.snapshot().attempt, gone(waiting)) == (begun, True)


# Mutation: let the runner not end with its starter (`wait_to_begin` goes on without a line), and one is left.
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_a_command_killed_at_any_instant_leaves_a_run_that_goes_on_or_nothing(
    kills: int, tree: Path, tmp_path: Path, clean: dict[str, tuple[int, str]]
) -> None:
    for number in range(kills):
        target = tmp_path / f"{number}" / "to"
        with mock.patch.dict(os.environ, {"MIGRATOR_STATE": str(target.parent / "state.db")}):
            argv = [sys.executable, "-m", "migrator", "copy", str(tree), str(target), "--json"]
            command = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with suppress(subprocess.TimeoutExpired):
                command.wait(COMMAND_S * (number + 1) / kills)
            command.send_signal(signal.SIGKILL)
            command.wait()
            wait_for(
                lambda folder=target.parent: runs_recorded() or not left(folder), 20, "it began, or nobody is there"
            )
            if state_file().exists() and runs_recorded():
                [run] = api.runs()
                ends_well(run, tree, target.parent, clean)
            else:
                assert in_folder(target) == {}
