"""The one way to start a runner: an argv list, a session of its own, nothing secret in sight."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from ..config import config_path, workspace_root
from ..state import StateDB, runs
from . import process, reap


def spawn_runner(db: StateDB, run_id: str, workspace: str) -> int:
    """Start ``python -m migrator.runner RUN`` detached from everything, and return its pid.

    It gets the caller's interpreter, environment and working directory. The state DB's URL goes
    by environment, never by argv: it may hold a password. Its output goes to the run's own log.
    """
    log = Path(workspace) / "output.log"
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "migrator.runner", run_id],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            env=_environment(db),
        )
    identity = process.identify(child.pid)
    if identity:
        with db.write() as connection:
            runs.note_child(connection, run_id, identity)
    threading.Thread(target=_wait_for, args=(db, run_id, child), name=f"reap-{run_id}", daemon=True).start()
    return child.pid


def _environment(db: StateDB) -> dict[str, str]:
    # -P keeps the working directory from shadowing modules; where the caller searched it, so does the child.
    found = [str(Path(__file__).resolve().parents[2]), *(entry or str(Path.cwd()) for entry in sys.path)]
    return os.environ | {
        "MIGRATOR_STATE": db.url,
        "MIGRATOR_WORKSPACE": str(workspace_root(db.url)),
        "MIGRATOR_CONFIG": str(config_path()),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(found)),
        "PYTHONUNBUFFERED": "1",
    }


def _wait_for(db: StateDB, run_id: str, child: subprocess.Popen[bytes]) -> None:
    """Collect the child's end, so that no zombie reads as alive, and write down an early death."""
    child.wait()
    reap.reap(db, run_id)
