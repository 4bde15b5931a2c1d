"""Processes of our own that outlive whoever starts them: how one is started, and what it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..config import config_path, workspace_root


def start_detached(
    argv: Sequence[str], log: Path, cwd: str, env: Mapping[str, str], stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, with its output in a file."""
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            cwd=cwd,
            env=env,
        )


def import_path() -> list[str]:
    """Where this process finds modules, for a child that is to find the same."""
    # -P keeps the working directory from shadowing modules; where the caller searched it, so does the child.
    found = [str(Path(__file__).resolve().parents[2]), *(entry or str(Path.cwd()) for entry in sys.path)]
    return [path for path in dict.fromkeys(found) if Path(path).exists()]


def environment(state: str, path: Sequence[str]) -> dict[str, str]:
    """This process's environment, with what a child must not guess: the URL of the state DB, where modules are."""
    # Arrow's allocators, and glibc's for each thread, keep what was freed: a runner's peak is 20 and 80 MB higher so.
    return (
        {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}
        | os.environ
        | {
            "MIGRATOR_STATE": state,
            "MIGRATOR_WORKSPACE": str(workspace_root(state)),
            "MIGRATOR_CONFIG": str(config_path()),
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONUNBUFFERED": "1",
        }
    )
