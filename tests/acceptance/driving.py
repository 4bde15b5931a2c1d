"""Drives the command and its processes the way people do, and looks at the state DB without its help."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from migrator import api
from migrator.cli import main
from migrator.config import workspace_root

T = TypeVar("T")

MIGRATOR = [sys.executable, "-c", "from migrator.cli import main; main(prog_name='migrator')"]
SENTENCE = re.compile(r"Error: [^\n]{10,}[.!]\n")


@dataclass(frozen=True)
class Answer:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """All of stdout as one JSON value."""
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out[-2000:]}\n--- stderr\n{self.err[-2000:]}"


def command(*words: str | Path, timeout: float = 120) -> Answer:
    """Run ``migrator`` with these words."""
    done = subprocess.run(
        [*MIGRATOR, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def command_here(*words: str | Path) -> Answer:
    """The same inside this process: a process of its own costs half a second of a core.

    A run that it starts is this process's child, where one that ``command`` starts is nobody's.
    """
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(map(str, words)), prog_name="migrator")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except Exception:
            traceback.print_exc()
            code = 1
    return Answer(code, out.getvalue(), err.getvalue())


def command_json(*words: str | Path, code: int = 0, by: Callable[..., Answer] = command_here) -> Any:
    """Run ``migrator`` with these words and ``--json``, expecting an exit code."""
    answer = by(*words, "--json")
    assert answer.code == code, answer
    return answer.json


def wait_for(look: Callable[[], T], timeout: float, what: str) -> T:
    """The first true answer of ``look``."""
    deadline = time.monotonic() + timeout
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.02)
    return seen


def state_file() -> Path:
    return Path(os.environ["MIGRATOR_STATE"])


def row(run: api.Run | str) -> dict[str, Any]:
    """A run's row as it is written, with nobody's help: looking by the API would bury a dead run."""
    run_id = run if isinstance(run, str) else run.id
    connection = sqlite3.connect(f"file:{state_file()}?mode=ro", uri=True, timeout=30)
    try:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("select * from runs where id = ?", (run_id,)).fetchone())
    finally:
        connection.close()


def runs_recorded() -> int:
    """How many runs the state DB holds; none where there is no state DB, or none of its tables yet."""
    if not state_file().exists():
        return 0
    connection = sqlite3.connect(f"file:{state_file()}?mode=ro", uri=True, timeout=30)
    try:
        made = connection.execute("select count(*) from sqlite_master where name = 'runs'").fetchone()[0]
        return connection.execute("select count(*) from runs").fetchone()[0] if made else 0
    finally:
        connection.close()


def workspaces() -> list[str]:
    """The folders of runs."""
    root = workspace_root(f"sqlite:///{state_file()}")
    return sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []


def runner_of(run: api.Run | str, timeout: float = 30) -> psutil.Process:
    """The process that executes a run, as soon as it has claimed it."""

    def claimed() -> int | None:
        seen = row(run)
        return seen["pid"] if seen["status"] == "running" else None

    return psutil.Process(wait_for(claimed, timeout, "the runner claims its run") or 0)


def keeper_of(runner: psutil.Process, timeout: float = 20) -> psutil.Process:
    """The runner's companion."""

    def found() -> psutil.Process | None:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that ends while it is looked at
            children = [child for child in runner.children() if child.status() != psutil.STATUS_ZOMBIE]
            return next((child for child in children if "migrator.keeper" in child.cmdline()), None)
        return None

    keeper = wait_for(found, timeout, "the runner has a keeper")
    assert keeper is not None
    return keeper


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended; one that nobody has collected yet has."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def in_phase(run: api.Run | str, phase: str, timeout: float = 30) -> dict[str, Any]:
    """Wait until a run is in a phase, or has ended."""

    def there() -> dict[str, Any] | None:
        seen = row(run)
        return seen if seen["phase"] == phase or seen["finished_at"] else None

    return wait_for(there, timeout, f"the run enters its phase {phase!r}") or {}


def moving(run: api.Run | str, timeout: float = 30) -> dict[str, Any]:
    """Wait until bytes or objects of a run have moved, as its pulse says."""

    def there() -> dict[str, Any] | None:
        seen = row(run)
        return seen if seen["copied"] or seen["bytes_done"] or seen["finished_at"] else None

    seen = wait_for(there, timeout, "something moves") or {}
    assert not seen["finished_at"], f"it ended before anything could be done to it: {seen['status']}"
    return seen


def ends(run: api.Run | str, timeout: float = 90) -> str:
    """The status with which a run ends, as it is written down."""

    def ended() -> str | None:
        seen = row(run)
        return seen["status"] if seen["finished_at"] else None

    return wait_for(ended, timeout, "the run ends") or ""


def heeds_cancel(run: api.Run | str, timeout: float = 30) -> float:
    """Wait until a run that was told to stop has; how many seconds that took, as both moments are written down.

    It says itself that it has ended: one that its keeper had to kill has no last word.
    """
    assert ends(run, timeout) == "cancelled"
    handle = run if isinstance(run, api.Run) else api.attach(run)
    wait_for(lambda: handle.log(-300)[0].rstrip().endswith("cancelled"), 10, "its output ends with its end")
    seen = row(run)
    return (seen["finished_at"] - seen["cancel_requested_at"]) / 1000


class Worker:
    """`migrator worker` in a process of its own."""

    def __init__(self, *words: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [*MIGRATOR, "worker", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=os.environ | env,
        )
        assert self.process.stdout is not None
        assert "Serving the queue" in self.process.stdout.readline()

    def end(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal and wait for the end; the seconds it took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return time.monotonic() - begun

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)


def events_of(run: api.Run | str, kind: str) -> list[dict[str, Any]]:
    """What a run's events of a kind say, oldest first."""
    handle = run if isinstance(run, api.Run) else api.attach(run)
    return [dict(event.data) for event in handle.events() if event.kind == kind]


def starts_of(run: api.Run | str) -> int:
    """How many attempts a run has begun."""
    return sum(event["status"] == "running" for event in events_of(run, "status"))
