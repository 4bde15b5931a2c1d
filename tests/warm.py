"""Runners that are forked off a process which has loaded what each of them loads: most of what a short run costs.

What such a runner does is the same: it leads a session of its own, has the output, folder and environment that it was
to get, and begins as ``python -m migrator.runner RUN`` does. What a fork can't stand for is started as ever: another
interpreter, a variable that is read as a process starts, and all that the command, a worker or a kernel starts.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

RUNNER = "migrator.runner"
LOADED = (RUNNER, "duckdb", "obstore.store", "sqlalchemy.dialects.sqlite", "urllib3", "xxhash")  # none starts a thread
AT_START = ("LD_", "PYTHON", "MALLOC_", "ARROW_")  # variables that are read before ours are


class Child:
    """A runner that was forked, with as much of a Popen as its starter asks for."""

    def __init__(self, pid: int, line: Any) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line, self._turn = line, threading.Lock()

    def wait(self) -> int:
        with self._turn:
            if self.returncode is None:
                self.returncode = int(self._line.readline() or -signal.SIGKILL)
                self._line.close()
        return self.returncode


class Warm:
    """The process that is forked: it begins with the first runner, and ends with its starter.

    Parameters
    ----------
    cold : callable
        What starts a process as ever.
    env : mapping
        The environment that runners usually get.
    """

    def __init__(self, cold: Callable[..., Any], env: Mapping[str, str]) -> None:
        self._cold, self._env = cold, dict(env)
        self._begun, self._turn = False, threading.Lock()
        self._door, self._theirs = socket.socketpair()

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self._door.close()
        self._theirs.close()
        if self._begun:
            self._server.wait()

    def start(
        self, argv: Sequence[str], log: Path, cwd: str, env: Mapping[str, str], stdin: int = subprocess.DEVNULL
    ) -> Any:
        """As ``start_detached``, which it stands for."""
        ours = list(argv[:-1]) == [sys.executable, "-P", "-m", RUNNER] and stdin == subprocess.DEVNULL
        child = self._fork(argv[-1], log, cwd, env) if ours and at_start(env) == at_start(self._env) else None
        return child or self._cold(argv, log, cwd, env, stdin)

    def _fork(self, run_id: str, log: Path, cwd: str, env: Mapping[str, str]) -> Child | None:
        """A runner; none where it could not have its output or folder, which a start says in its own words."""
        mine, theirs = socket.socketpair()
        with self._turn:
            self._begin()
            socket.send_fds(self._door, [b"."], [theirs.fileno()])
        theirs.close()
        with mine:
            line = mine.makefile("rw")
        print(json.dumps([run_id, str(log), cwd, dict(env)]), file=line, flush=True)
        pid = line.readline()
        assert self._server.poll() is None, "the process that runners are forked off has ended"
        return Child(int(pid), line) if pid else None

    def _begin(self) -> None:
        if not self._begun:
            words = [sys.executable, "-P", str(Path(__file__).resolve())]
            how: Any = {"stdin": self._theirs.fileno(), "stdout": subprocess.DEVNULL, "start_new_session": True}
            self._server = subprocess.Popen(words, env=self._env, cwd="/", **how)
            self._begun = True


def at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(AT_START)}


def serve() -> None:
    """Fork for whoever comes through the door, until the starter has gone."""
    for name in LOADED:
        __import__(name)
    del sys.modules[RUNNER]  # it is executed anew, as by -m
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that wait for runners are waited for by nobody
    door = socket.socket(fileno=0)
    while fds := socket.recv_fds(door, 1, 1)[1]:
        if os.fork() == 0:
            _wait_for_one(socket.socket(fileno=fds[0]))
        os.close(fds[0])


def _wait_for_one(connection: socket.socket) -> NoReturn:
    """Start a runner, and say with what it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with suppress(OSError, ValueError):  # the starter may be gone by then
        line = connection.makefile("rw")
        asked = json.loads(line.readline())
        if (pid := os.fork()) == 0:
            _be_runner(connection, *asked)
        status = os.waitpid(pid, 0)[1]
        print(os.waitstatus_to_exitcode(status), file=line, flush=True)
    os._exit(0)


def _be_runner(connection: socket.socket, run_id: str, log: str, cwd: str, env: dict[str, str]) -> NoReturn:
    try:
        os.setsid()
        os.chdir(cwd)
        output, nothing = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666), os.open(os.devnull, os.O_RDONLY)
        for one, number in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(one, number)
        os.environ.clear()
        os.environ.update(env)
        connection.sendall(f"{os.getpid()}\n".encode())
        os.closerange(3, 256)
        sys.argv = [RUNNER, run_id]
        runpy.run_module(RUNNER, run_name="__main__", alter_sys=True)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


if __name__ == "__main__":
    serve()
