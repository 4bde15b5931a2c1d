"""``python -m migrator.engine.hand``: one of a run's processes; it executes the shards that its runner hands it.

They speak in lines of JSON. The runner first says what the migration is, then hands out shards, and tells the *terms*
whenever they change: why nothing may be written at the moment, until when the lease allows it, the limits, whether to
stop. A hand tells when a shard is ``begun``, receipts, bytes in flight and what holds it as they come, and when the
shard is ``done``. With ``heard`` it says up to which of the runner's lines ``quiet`` is meant.

A hand keeps the lease's end by its own clock, and dies with its runner: the kernel sees to that where it can, the
closed pipe everywhere.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..model import Item, Receipt, Shard
from ..stores.weather import under
from .control import Control, Stopped
from .executors import executor_told
from .output import log_to_stdout

log = logging.getLogger("migrator")
TICK_S = 0.1
GARBAGE = 20_000  # allocations between two collections
RUNNER = "runner"  # who holds the gate for all hands
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Work until the runner closes the pipe."""
    voice = _take_stdout()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the runner decides, and says so
    brief = json.loads(sys.stdin.buffer.readline() or b"{}")
    if not brief or not _die_with(brief["runner"]):
        return
    log_to_stdout()
    workspace = brief["workspace"] and Path(brief["workspace"])
    control = Control(brief["run_id"], brief["attempt"], brief["shares"], workspace)
    mouth = Mouth(voice, control)
    work = _listen(control, mouth)
    executor = executor_told(brief["migration"])
    gc.freeze()  # what was loaded stays; and what an object takes is seldom a circle: collections are a hundredth of it
    gc.set_threshold(GARBAGE)
    while True:
        shard, rows = work.get()
        error = None
        try:
            if not control.stopped:
                mouth.tell(begun=shard.no)
                with control.writing(), under(control.weather):
                    for receipt in executor.execute(shard, rows, control):
                        mouth.add(receipt)
        except Stopped:
            pass  # what there is was told
        except Exception as failure:
            log.exception("shard %d failed", shard.no + 1)
            error = {"type": type(failure).__name__, "text": str(failure)}
        mouth.done(shard, error)


class Mouth:
    """What is to be told, gathered and told a few times a second: a line for each receipt would cost more than it."""

    def __init__(self, voice: BinaryIO, control: Control) -> None:
        self._voice, self._control = voice, control
        self._receipts: list[Receipt] = []
        self._lock = threading.Lock()
        self._told: dict[str, Any] = {}
        self.heard, self.pending = 0, 0  # lines; shards that are not done
        threading.Thread(target=self._loop, name="mouth", daemon=True).start()

    def add(self, receipt: Receipt) -> None:
        with self._lock:
            self._receipts.append(receipt)

    def given(self) -> None:
        with self._lock:
            self.pending += 1

    def done(self, shard: Shard, error: Mapping[str, str] | None) -> None:
        with self._lock:
            self.pending -= 1
        self.tell(done=shard.no, error=error)

    def tell(self, **more: Any) -> None:
        """Say what is new, and ``more``."""
        with self._lock:
            heard, gate = self.heard, self._control.gate  # first what was heard, then what became of it
            waits = not self.pending or gate.why is not None
            now = {
                "heard": heard, "quiet": waits and gate.quiet, "moved": self._control.in_flight_bytes,
                "held": gate.why_beside(RUNNER), "at_work": self._control.at_work,
            }  # fmt: skip
            weather = self._control.weather.news()
            receipts, self._receipts = self._receipts, []
            warnings = [self._control.warnings.popleft() for _ in range(len(self._control.warnings))]
            if now != self._told or receipts or warnings or more or weather[0]:
                self._told = now
                said = {**now, "receipts": receipts, "warnings": warnings, "weather": weather, **more}
                self._voice.write(json.dumps(said).encode() + b"\n")
                self._voice.flush()

    def _loop(self) -> None:
        while True:
            time.sleep(TICK_S)
            self.tell()


def _listen(control: Control, mouth: Mouth) -> queue.SimpleQueue[tuple[Shard, list[Item]]]:
    """A thread hears the runner; what it hands out is taken from the queue."""
    work: queue.SimpleQueue[tuple[Shard, list[Item]]] = queue.SimpleQueue()

    def hear() -> None:
        for line in sys.stdin.buffer:
            said = json.loads(line)
            if "terms" in said:
                _heed(control, **said["terms"])
            else:
                shard = Shard(**said["shard"])
                mouth.given()
                work.put((shard, [Item(*row) for row in said["rows"]]))
            mouth.heard = said["no"]
        os._exit(0)  # nothing may be written that nobody counts

    threading.Thread(target=hear, name="ear", daemon=True).start()
    return work


def _heed(control: Control, until: float | None, why: str | None, limits: dict[str, Any], stop: str | None) -> None:
    control.gate.renewed(float("inf") if until is None else until)
    control.throttle.set(limits)
    if why is None:
        control.gate.free(RUNNER)
    else:
        control.gate.hold(RUNNER, why)
    if stop:
        control.stop(stop)


def _take_stdout() -> BinaryIO:
    """Where to speak; what anybody prints goes to the run's output."""
    voice = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return voice


def _die_with(runner: int) -> bool:
    """Have the kernel end this process with its runner; False when that is gone already."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == runner


if __name__ == "__main__":
    main()
    os._exit(0)
