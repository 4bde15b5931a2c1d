"""A pid comes again: who has it now is a stranger, is never signalled, and does not make a dead run live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
STRANGERS = Path(__file__).with_name("strangers.py")


@pytest.fixture
def namespace() -> list[str]:
    """The words that start a command in a pid namespace of its own, where the next pid can be chosen."""
    choose = "echo 4000 > /proc/sys/kernel/ns_last_pid"
    try:
        done = subprocess.run([*NAMESPACE, "sh", "-c", choose], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no pid namespace can be had here: {error}")
    if done.returncode:
        pytest.skip(f"no pid namespace can be had here: {done.stderr.strip()}")
    return NAMESPACE


# Mutation: let process.alive compare pids only (`identify(process.pid) is not None`), and the stranger is killed, the
# run stays "running" for ever, and the dead worker lives.
@pytest.mark.parametrize("times", [2, pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])])
def test_a_stranger_with_the_pid_of_a_dead_runner_is_never_signalled(
    times: int, namespace: list[str], tree: Path, tmp_path: Path
) -> None:
    words = [*namespace, sys.executable, str(STRANGERS), str(tree), str(tmp_path), str(times)]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ, timeout=1000)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(seen) == times
    for number, one in enumerate(seen):
        assert one["same_pid"], one
        assert one["stranger_lives"], one
        assert not one["signalled"], one
        assert not one["worker_lives"], one
        assert one["status"] == "cancelled", one  # its cancel was asked for: that is how its death is written down
        assert one["by_keeper"] == ("cancelled" if number % 2 == 0 else "running"), one
    print(f"{times} strangers, none signalled")
