"""A wall clock that can be moved, for processes that are started under it (libfaketime)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
# With the monotonic clock left alone, libfaketime breaks the way in which Python 3.11 sleeps (EINVAL).
SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
NOW = "import time; print(time.time())"


class WallClock:
    """``env`` puts a process under it; ``move`` changes what all of them take for the time, at once."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.folder = folder / "site"
        self.folder.mkdir()
        (self.folder / "sitecustomize.py").write_text(SLEEP)
        self.env = {
            "LD_PRELOAD": _library(), "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
            "PYTHONPATH": f"{self.folder}:{os.environ['PYTHONPATH']}",
        }  # fmt: skip
        self.move(0)

    def move(self, hours: int) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{hours * 3600:+d}\n")
        fresh.replace(self._file)

    def ahead(self) -> float:
        """Hours by which a process under it is ahead of this one."""
        words = [sys.executable, "-c", f"{NOW}; {NOW.replace('time.time()', 'time.sleep(0.01)')}"]
        told = subprocess.run(words, env=os.environ | self.env, capture_output=True, text=True, check=True).stdout
        own = subprocess.run([sys.executable, "-c", NOW], capture_output=True, text=True, check=True).stdout
        return (float(told.split()[0]) - float(own)) / 3600


def _library() -> str:
    found = [path for pattern in LIBRARIES for path in Path("/").glob(pattern[1:])]
    if not found:
        pytest.skip("libfaketime is not installed: apt install libfaketime")
    return str(found[0])
