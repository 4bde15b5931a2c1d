"""The runner's side of its keeper: starts it, heeds it, and starts another should it die."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

from .clocks import boottime
from .config import HELD_AT
from .engine.gate import Gate
from .lifecycle import process
from .state.runs import Claim

LOOK_S = 0.25
RESTART_S = 1.0


class Keeper:
    """While inside, a keeper renews the lease of ``claim``, and ``gate`` is shut when it did not.

    Parameters
    ----------
    lease_s : float
        The length of a lease in seconds.
    on_lost : callable
        Called once, when another attempt owns the run.
    """

    def __init__(self, claim: Claim, lease_s: float, gate: Gate, on_lost: Callable[[], None]) -> None:
        runner = asdict(process.myself())
        self._brief = {"run_id": claim.run_id, "token": claim.token, "runner": runner, "lease_s": lease_s}
        self._spare_s = lease_s * (1 - HELD_AT)
        self._gate, self._on_lost = gate, on_lost
        self._ends = boottime() + lease_s
        gate.renewed(self._ends - self._spare_s)
        self._over = threading.Event()
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Keeper:
        self._start()
        for work in (self._listen, self._answer):
            threading.Thread(target=work, name="keeper", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        child = self._child
        if child is not None:
            child.stdin.close()  # type: ignore[union-attr]
            child.terminate()
            child.wait()

    def _start(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "migrator.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a signal to the runner's group must not reach it
        )
        self._say(json.dumps(self._brief | {"ends": self._ends}))

    def _listen(self) -> None:
        while not self._over.is_set():
            child = self._child
            assert child
            assert child.stdout
            for line in child.stdout:
                if line.startswith("lost"):
                    self._on_lost()
                    return
                self._ends = float(line.split()[1])
                self._gate.renewed(self._ends - self._spare_s)
            child.wait()
            if not self._over.wait(RESTART_S):
                self._start()

    def _answer(self) -> None:
        """Say that nothing is being written, once the gate is shut and whoever was inside is out."""
        while not self._over.wait(LOOK_S):
            if boottime() > self._gate.until and self._gate.quiet:
                self._say(f"quiet {self._ends}")
                time.sleep(LOOK_S)

    def _say(self, line: str) -> None:
        child = self._child
        assert child
        assert child.stdin
        try:
            child.stdin.write(line + "\n")
            child.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # it died, and another will be started
