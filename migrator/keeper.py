"""The runner's small companion process: renews the lease, ends a runner that must end.

It is a process of its own so that a runner that hangs in native code still has a heartbeat, and
one that lost its lease is stopped whatever it does. It holds the other end of a pipe: when the
runner dies, by whatever means, the pipe closes and the death is written down at once.
"""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from .config import CANCEL_GRACE_S, HEARTBEAT_S, LEASE_S, state_url
from .errors import StateError, TokenLost
from .lifecycle import process
from .lifecycle.reap import bury, death
from .model import Identity
from .state import StateDB, now_ms, runs

# How often the keeper looks whether its runner lives and whether cancel was asked.
LOOK_S = 1.0
# From the loss of the lease, or of the state DB for a whole lease, until the runner is killed.
STOP_S = 2.0


class Keeper:
    """The runner's side: starts the keeper, hears it, and starts another should it die."""

    def __init__(self, url: str, claim: runs.Claim, on_stop: Callable[[], None]) -> None:
        self._brief = {"run_id": claim.run_id, "token": claim.token, "runner": asdict(process.myself())}
        self._on_stop = on_stop
        self._over = False
        self._child: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._listen, name="keeper", daemon=True)

    def __enter__(self) -> Keeper:
        self._start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        child = self._child
        if child is not None:
            child.stdin.close()  # type: ignore[union-attr]
            child.terminate()
            child.wait()

    def _start(self) -> None:
        self._child = child = subprocess.Popen(
            [sys.executable, "-P", "-m", "migrator.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a signal to the runner's group must not reach it
        )
        assert child.stdin is not None
        child.stdin.write(json.dumps(self._brief) + "\n")
        child.stdin.flush()

    def _listen(self) -> None:
        while not self._over:
            child = self._child
            assert child
            assert child.stdout
            if child.stdout.readline().strip() == "stop":
                self._on_stop()
                return
            child.wait()
            if not self._over:
                time.sleep(0.2)
                self._start()


def main() -> int:
    """Keep until the runner is gone or no longer the owner."""
    line = sys.stdin.readline()
    if not line:  # the runner died before it could say whose keeper this is; a reader will find it gone
        return 1
    brief = json.loads(line)
    runner = Identity(**brief["runner"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _Keep(StateDB(state_url()), brief["run_id"], brief["token"], runner).loop()


class _Keep:
    """The keeper's side."""

    def __init__(self, db: StateDB, run_id: str, token: str, runner: Identity) -> None:
        self._db, self._run_id, self._token, self._runner = db, run_id, token, runner
        self._renewed = time.monotonic()
        self._asked_at: int | None = None

    def loop(self) -> int:
        beat = 0.0
        while True:
            closed = bool(select.select([sys.stdin], [], [], LOOK_S)[0])
            if closed or not process.alive(self._runner):
                return self._bury()
            if time.monotonic() >= beat:
                beat = time.monotonic() + HEARTBEAT_S
                if not self._renew():
                    return self._end("stop")
            self._enforce_cancel()

    def _renew(self) -> bool:
        """Lengthen the lease; False once it is lost, or will run out before it can be renewed."""
        try:
            runs.renew(self._db, self._run_id, self._token, int(LEASE_S * 1000))
            self._renewed = time.monotonic()
        except TokenLost:
            return False
        except StateError:
            return time.monotonic() - self._renewed < LEASE_S - HEARTBEAT_S
        return True

    def _enforce_cancel(self) -> None:
        """A runner that does not heed a cancel in time is terminated, then killed."""
        row = self._read()
        asked = row["cancel_requested_at"] if row and row["token"] == self._token else None
        if asked is None:
            return
        waited = (now_ms() - asked) / 1000
        if waited > 2 * CANCEL_GRACE_S:
            process.send_group(self._runner, signal.SIGKILL)
        elif waited > CANCEL_GRACE_S:
            process.send_group(self._runner, signal.SIGTERM)

    def _end(self, word: str) -> int:
        """Tell the runner to stop writing, and see to it that it does."""
        sys.stdout.write(word + "\n")
        sys.stdout.flush()
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline and process.alive(self._runner):
            time.sleep(0.05)
        process.send_group(self._runner, signal.SIGKILL)
        return 1

    def _bury(self) -> int:
        """The pipe closed: the runner is gone, or on its way out with its end recorded."""
        deadline = time.monotonic() + STOP_S
        while process.alive(self._runner) and time.monotonic() < deadline:
            time.sleep(0.02)
        row = self._read()
        if row and row["status"] == "running" and row["token"] == self._token and (why := death(row)):
            bury(self._db, row, why)
        return 0

    def _read(self) -> Any:
        try:
            with self._db.read() as connection:
                return runs.get(connection, self._run_id)
        except StateError:
            return None


if __name__ == "__main__":
    sys.exit(main())
