"""A runner that loads while its run is still being written down.

Half of what a short run takes is the loading of libraries, first its starter's, then its own. So a command starts the
process before it loads anything itself. That process writes nothing, and does not know the state DB, until it is told
on its stdin where its output goes, which is when its run has been recorded; if its starter ends instead, so does it.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..config import state_url
from .detached import environment, import_path, start_detached

WAITS = "--early"  # what a runner is told beside its run's id


class _Waiting(NamedTuple):
    run_id: str
    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    child: subprocess.Popen[bytes]


_waiting: list[_Waiting] = []


def prepare(word: str) -> None:
    """Start a runner for a run of ours that this process is about to record; without one it is started as always."""
    run_id = new_id(word)
    argv, cwd, env = runner_argv(sys.executable, run_id), str(Path.cwd()), environment(state_url(), import_path())
    with suppress(OSError):
        child = start_detached([*argv, WAITS], Path(os.devnull), cwd, env, subprocess.PIPE)
        _waiting.append(_Waiting(run_id, argv, cwd, env, child))
        atexit.register(forget)


def new_id(word: str) -> str:
    """An id for a new run, short enough to say, unlikely enough to be alone: ``k7f2q-copy-0311``.

    It is the one that a runner waits for, where it is of this kind.
    """
    for one in _waiting:
        if one.run_id.split("-", 1)[1].rpartition("-")[0] == word:
            return one.run_id
    letters = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(5))
    return f"{letters}-{word}-{time.strftime('%m%d')}"


def word_of(kind: str) -> str:
    """What the runs of a class are called: ``copy`` of ``CopyObjects``."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind).lower()
    return "copy" if word == "copy-objects" else word[:24]


def runner_argv(interpreter: str, run_id: str) -> list[str]:
    """What a runner is started with; nothing secret is in sight."""
    return [interpreter, "-P", "-m", "migrator.runner", run_id]


def begin(argv: Sequence[str], log: Path, cwd: str, env: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    """Let the runner that waits begin, if there is one that was started as this run wants it."""
    if not _waiting:
        return None
    one = _waiting[0]
    if (one.argv, one.cwd, one.env) != (argv, cwd, env) or one.child.poll() is not None:
        forget()
        return None
    log.touch()
    try:
        assert one.child.stdin
        with one.child.stdin as ear:
            ear.write(json.dumps(str(log)).encode() + b"\n")
    except OSError:  # it died just now
        forget()
        return None
    _waiting.clear()
    return one.child


def forget() -> None:
    """No run was recorded for it."""
    while _waiting:
        with _waiting.pop().child as child:
            child.kill()
