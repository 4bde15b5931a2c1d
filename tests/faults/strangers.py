"""Runs as the first process of a pid namespace: gives the pids of dead runners to strangers.

``python strangers.py SOURCE TARGET TIMES`` prints what was seen of each as a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))

from driving import command, gone, keeper_of, moving, row, runner_of, wait_for

from migrator import api
from migrator.lifecycle import process, queue
from migrator.lifecycle.reap import holder_of, sweep
from migrator.model import Identity

STRANGER = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(3600)"]


def take_pid(pid: int) -> subprocess.Popen[bytes]:
    """A stranger with this pid, the leader of its own group, as a runner would be."""
    for _ in range(200):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        stranger = subprocess.Popen(STRANGER, stdout=subprocess.PIPE, start_new_session=True)
        assert stranger.stdout is not None
        if stranger.pid == pid:
            stranger.stdout.readline()
            return stranger
        stranger.kill()
        stranger.communicate()
    raise AssertionError(f"pid {pid} could not be had")


def bury_and_replace(source: Path, target: Path, *, keeper_lives: bool) -> dict[str, object]:
    """Kill a runner, give its pid to a stranger, then do all that signals or asks for a pid."""
    # Started by a command that ends: no parent is left that could see the death first.
    run = api.attach(command("copy", source, target, "--no-follow", "--bytes-per-s", "40000").out.strip())
    runner = runner_of(run)
    keeper = keeper_of(runner)
    moving(run)
    run.cancel()  # so that a keeper has reason to end the runner by force
    for one in (runner, keeper):  # neither may write the death down before the stranger is there
        one.suspend()
    if not keeper_lives:
        keeper.kill()
    runner.kill()
    os.waitpid(runner.pid, 0)  # an orphan is the child of the first process of its namespace
    dead = holder_of(row(run))
    stranger = take_pid(runner.pid)
    if keeper_lives:
        keeper.resume()
        wait_for(lambda: gone(keeper), 20, "the keeper ends")
        time.sleep(0.2)
    by_keeper = row(run)["status"]
    signalled = process.send_group(dead, signal.SIGKILL)  # the one door for signals
    sweep(run.state)
    seen = {
        "pid": stranger.pid, "same_pid": stranger.pid == dead.pid, "by_keeper": by_keeper, "signalled": signalled,
        "status": run.status, "worker_lives": queue.lives(worker_like(dead)), "stranger_lives": stranger.poll() is None,
    }  # fmt: skip
    stranger.kill()
    stranger.communicate()
    return seen


def worker_like(dead: Identity) -> dict[str, object]:
    """The row of a worker that was that process; its heartbeat is of this moment, and proves nothing."""
    now = time.time_ns() // 1_000_000
    return {**{name: getattr(dead, name) for name in ("host", "boot_id", "pid", "start_ticks")},
            "now": now, "heartbeat_at": now}  # fmt: skip


if __name__ == "__main__":
    assert os.getpid() == 1
    for number in range(int(sys.argv[3])):
        target = Path(sys.argv[2], f"out-{number}")
        print(json.dumps(bury_and_replace(Path(sys.argv[1]), target, keeper_lives=number % 2 == 0)), flush=True)
    os._exit(0)
