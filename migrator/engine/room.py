"""A disk that is full: everything waits, one looks, and work goes on when there is room."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from ..errors import DiskFull
from .gate import Gate

LOOK_S = 1.0
# Room for what else is in flight, and for the file system's own bookkeeping.
SPARE_BYTES = 16 << 20


def is_full(error: BaseException) -> bool:
    """Whether it says that a disk has no room; DuckDB and Arrow say it in words."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def wait_for_room(error: DiskFull, gate: Gate, stopped: threading.Event) -> None:
    """Hold the gate until there is room for what failed, or the run is asked to stop.

    Any number of threads may come here at once, each for its own object.
    """
    who = f"disk {threading.get_ident()}"
    gate.hold(who, str(error))
    try:
        while not stopped.wait(LOOK_S) and free_bytes(error.path) < needed(error):
            pass
    finally:
        gate.free(who)


def needed(error: DiskFull) -> int:
    """Bytes that must be free before it is tried again: a part of the disk, where the disk is small."""
    return error.size + min(SPARE_BYTES, total_bytes(error.path) // 50)


def free_bytes(path: str) -> int:
    """What this user may still write on the file system that holds ``path``."""
    status = os.statvfs(_standing(path))
    return status.f_bavail * status.f_frsize


def total_bytes(path: str) -> int:
    status = os.statvfs(_standing(path))
    return status.f_blocks * status.f_frsize


def _standing(path: str) -> Path:
    """The nearest folder that exists."""
    folder = Path(path)
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder
