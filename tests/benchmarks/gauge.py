"""Runs a command to its end and that of all it started: ``python gauge.py FIGURES COMMAND...`` writes what it took.

A process of its own, since it must be the one to which what was left behind is given: so the processor time of a
detached runner is counted to the last tick, and none of another's.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

LOOK_S = 0.2  # a look costs milliseconds, which all contenders would miss
_PR_SET_CHILD_SUBREAPER = 36


class Memory:
    """The most that each process of the family held, and that all of them held at once, in bytes; and it over time."""

    def __init__(self) -> None:
        self.family, self._peaks, self._names = 0, {}, {}
        self._begun, self._samples = time.perf_counter(), [(0.0, 0, 0)]

    def look(self) -> None:
        held, runner = 0, 0
        for pid in descendants(os.getpid()):
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                said = {name: value for name, _, value in (line.partition(":") for line in lines)}
                self._peaks[pid] = int(said["VmHWM"].split()[0]) << 10
                self._names[pid] = Path(f"/proc/{pid}/cmdline").read_text()  # it may have become another program
                now = int(said["VmRSS"].split()[0]) << 10
                held, runner = held + now, now if "migrator.runner" in self._names[pid] else runner
            except (OSError, KeyError):
                continue  # it has ended
        self.family = max(self.family, held)
        self._samples.append((time.perf_counter() - self._begun, runner, held))

    def course(self) -> list[tuple[float, int, int]]:
        """At ten moments: seconds, what the runner held, what all held."""
        last = len(self._samples) - 1
        return [self._samples[last * tenth // 10] for tenth in range(1, 11)]

    def peak(self, word: str) -> int:
        """The largest process whose command has this word in it; of all where none has."""
        named = [peak for pid, peak in self._peaks.items() if word in self._names.get(pid, "")]
        return max(named or self._peaks.values(), default=0)


def descendants(pid: int) -> list[int]:
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            said = stat.read_text().rpartition(")")[2].split()  # the name before it may hold anything
        except OSError:
            continue
        children[int(said[1])].append(int(stat.parent.name))
    found, new = [], [pid]
    while new:
        new = [child for parent in new for child in children[parent]]
        found += new
    return found


def main() -> None:
    figures, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    memory, over = Memory(), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_S):
            memory.look()

    threading.Thread(target=watch, daemon=True).start()
    begun = time.perf_counter()
    code = subprocess.call(command)
    wall = time.perf_counter() - begun
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    over.set()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = {"code": code, "wall": wall, "cpu": used.ru_utime + used.ru_stime,
            "runner": memory.peak("migrator.runner"), "family": memory.family, "course": memory.course()}  # fmt: skip
    Path(figures).write_text(json.dumps(took))


if __name__ == "__main__":
    main()
