"""The one way to start a runner: an argv list, a session of its own, nothing secret in sight."""

from __future__ import annotations

import atexit
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import BadInput, StateError
from ..state import StateDB, runs
from . import early, process, reap
from .detached import environment, start_detached

Row = Mapping[str, Any]

_children: dict[str, threading.Event] = {}  # by run: set when the process that was started here has ended
# Held while a thread of ours uses the state DB, and from this process's end on: a driver that is in the middle of
# something while OpenSSL is taken down crashes the process, whose work was well done.
_looking = threading.Lock()
atexit.register(_looking.acquire, timeout=3)


def spawn_runner(db: StateDB, row: Row) -> subprocess.Popen[bytes]:
    """Start ``python -m migrator.runner RUN`` detached from everything.

    It gets the interpreter, working directory and import path that the run's row names, and this
    process's environment. The state DB's URL goes by environment, never by argv: it may hold a
    password. Its output goes to the run's own log.

    Raises
    ------
    BadInput
        If it can't be started; the run has been ended then, with the reason.
    """
    workspace = Path(row["workspace"])
    try:
        workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        how = (
            early.runner_argv(row["interpreter"], row["id"]),
            workspace / "output.log",
            row["cwd"],
            environment(db.url, row["import_path"]) | {"MIGRATOR_WORKSPACE": str(workspace.parent)},
        )
        child = early.begin(*how) or start_detached(*how)
    except OSError as error:
        why = f"Its process could not be started: {error}"
        db.transact(lambda connection: runs.end(connection, row["id"], None, "interrupted", why))
        raise BadInput(f"Run {row['id']}: {why}.") from None
    identity = process.identify(child.pid)
    if identity:
        with suppress(StateError):  # the child says it itself, once it has claimed its run
            db.transact(lambda connection: runs.note_child(connection, row["id"], identity))
    return child


def watch(db: StateDB, run_id: str, child: subprocess.Popen[bytes]) -> None:
    """Collect the child's end, so that no zombie reads as alive, and write down an early death."""

    ended = _children[run_id] = threading.Event()

    def wait() -> None:
        child.wait()
        _children.pop(run_id, None)
        ended.set()
        with _looking:
            reap.reap(db, run_id)

    threading.Thread(target=wait, name=f"reap-{run_id}", daemon=True).start()


def doze(run_id: str, seconds: float) -> None:
    """Sleep so long, or until the run's process has ended, where this process started it."""
    if (ended := _children.get(run_id)) is None:
        time.sleep(seconds)
    else:
        ended.wait(seconds)
