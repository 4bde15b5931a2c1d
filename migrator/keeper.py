"""The runner's small companion process: renews the lease, ends a runner that must end.

It is a process of its own so that a runner that hangs in native code still has a heartbeat, and
one that lost its lease is stopped whatever it does. It holds the other end of a pipe: when the
runner dies, by whatever means, the pipe closes and the death is written down at once.

Its own start costs its runner nothing: what the state DB needs is imported when it is first read, a second later, and
many a run is over by then.

They speak in lines. The keeper says ``until SECONDS`` (of the clock that counts suspended time)
after each renewal, and ``lost`` when another attempt owns the run. The runner answers a lease that
was not renewed in time by writing nothing more, and says ``quiet SECONDS``; if it does not, it is
killed before somebody else may write.
"""

from __future__ import annotations

import json
import select
import signal
import sys
import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .clocks import boottime
from .config import CANCEL_GRACE_S, state_url
from .errors import StateError, TokenLost
from .lifecycle import process
from .model import Identity

if TYPE_CHECKING:
    from .state import StateDB

# How often the keeper looks whether its runner lives; how often it reads what is asked.
LOOK_S = 0.5
# From its start until it first reads: the lease is fresh, and so is the run.
EARLY_S = 1.0
# A state DB that does not answer must not keep the keeper from enforcing the lease's end.
BUSY_MS = 2_000
# From the loss of the token until the runner is killed.
STOP_S = 2.0
# The kill comes so long before the lease ends, and so long after it was first seen to be near: a machine
# that was suspended has a moment to renew before anything is killed.
KILL_MARGIN_S = 1.0
WAKE_S = 2.0


def main() -> int:
    """Keep until the runner is gone or no longer the owner."""
    line = sys.stdin.readline()
    if not line:  # the runner died before it could say whose keeper this is; a reader will find it gone
        return 1
    brief = json.loads(line)
    runner = Identity(**brief["runner"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _Keep(runner, _Lease(runner, brief["run_id"], brief["token"], brief["ends"], brief["lease_s"])).loop()


class _Lease:
    """A thread that renews and reads: only it waits for the state DB."""

    def __init__(self, runner: Identity, run_id: str, token: str, ends: float, length: float) -> None:
        self._runner, self.run_id, self.token = runner, run_id, token
        self.ends, self._length = ends, length
        self.lost = False
        self._cancel_seen: float | None = None
        self._due = 0.0
        threading.Thread(target=self._loop, name="lease", daemon=True).start()

    @cached_property
    def db(self) -> StateDB:
        from .state import StateDB

        return StateDB(state_url(), busy_ms=BUSY_MS)

    def _loop(self) -> None:
        time.sleep(EARLY_S)
        while not self.lost:
            try:
                self._look()
            except TokenLost:
                self.lost = True
            except StateError:
                pass  # it may come back before the lease ends
            time.sleep(LOOK_S)

    def _look(self) -> None:
        from .state import runs

        # A stopped runner can't say that it stopped writing; its lease runs out, and another may have it.
        if boottime() >= self._due and not process.stopped(self._runner):
            begun = boottime()
            row = runs.renew(self.db, self.run_id, self.token)
            self.ends, self._due = begun + self._length, begun + self._length / 4
        else:
            with self.db.read() as connection:
                row = runs.get(connection, self.run_id)
        self._note_cancel(row["token"] == self.token and row["cancel_requested_at"] is not None)

    def _note_cancel(self, asked: bool) -> None:
        # From when it was first seen, by our own clock: wall clocks differ and jump, and the grace is the runner's.
        self._cancel_seen = (self._cancel_seen or boottime()) if asked else None

    @property
    def cancel_waited_s(self) -> float:
        return boottime() - self._cancel_seen if self._cancel_seen else 0.0


class _Keep:
    """The loop that enforces, by the clock alone."""

    def __init__(self, runner: Identity, lease: _Lease) -> None:
        self._runner, self._lease = runner, lease
        self._said = 0.0
        self._quiet_at = -1.0
        self._near_since: float | None = None

    def loop(self) -> int:
        while True:
            if not self._hear() or not process.alive(self._runner):
                return self._bury()
            if self._lease.lost:
                return self._end()
            self._tell()
            self._enforce_lease()
            self._enforce_cancel()

    def _hear(self) -> bool:
        """What the runner says within a moment; False when its end of the pipe is closed."""
        if not select.select([sys.stdin], [], [], LOOK_S)[0]:
            return True
        line = sys.stdin.readline()
        if line.startswith("quiet "):
            self._quiet_at = float(line.split()[1])
        return bool(line)

    def _tell(self) -> None:
        if self._lease.ends > self._said:
            self._said = self._lease.ends
            _say(f"until {self._said}")

    def _enforce_lease(self) -> None:
        """A runner that writes on towards the end of its lease is killed before it."""
        ends, now = self._lease.ends, boottime()
        if now < ends - KILL_MARGIN_S - WAKE_S:
            self._near_since = None
            return
        self._near_since = self._near_since or now
        quiet = self._quiet_at >= ends - 0.001 and not process.stopped(self._runner)
        if not quiet and now >= max(ends - KILL_MARGIN_S, self._near_since + WAKE_S):
            process.send_group(self._runner, signal.SIGKILL)

    def _enforce_cancel(self) -> None:
        """A runner that does not heed a cancel in time is terminated, then killed."""
        waited = self._lease.cancel_waited_s
        if waited > 2 * CANCEL_GRACE_S:
            process.send_group(self._runner, signal.SIGKILL)
        elif waited > CANCEL_GRACE_S:
            process.send_group(self._runner, signal.SIGTERM)

    def _end(self) -> int:
        """Tell the runner that it is not the owner any more, and see to it that it ends."""
        _say("lost")
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
        from .lifecycle.notices import tell
        from .lifecycle.reap import bury, death

        row = self._read()
        ours = row and row["status"] == "running" and row["token"] == self._lease.token
        why = death(row) if ours else None
        if why and self._lease.db.transact(lambda connection: bury(connection, row, why)):
            tell(self._lease.db, self._lease.run_id)
        return 0

    def _read(self) -> Any:
        from .state import runs

        try:
            with self._lease.db.read() as connection:
                return runs.get(connection, self._lease.run_id)
        except StateError:
            return None


def _say(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # the runner is gone; the next look finds its end of the other pipe closed


if __name__ == "__main__":
    sys.exit(main())
