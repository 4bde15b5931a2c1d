"""A disk that is full: everything waits, one looks, and work goes on when there is room."""

from __future__ import annotations

import errno
import logging
import os
import threading

from ..errors import DiskFull
from ..words import sized
from .gate import Gate

log = logging.getLogger("migrator")

LOOK_S = 1.0
# Room for what else is in flight, and for the file system's own bookkeeping.
SPARE_BYTES = 16 << 20


def is_full(error: BaseException) -> bool:
    """Whether it says that a disk has no room; DuckDB and Arrow say it in words."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def wait_for_room(error: DiskFull, gate: Gate, stopped: threading.Event) -> None:
    """Hold the gate until there is room for what failed, or the run is asked to stop.

    Any number of threads may come here at once, each for its own object; it is said once.
    """
    who = f"disk {threading.get_ident()}"
    if not gate.why:
        log.warning("%s Everything waits until there is room.", lack(error) or error)
    try:
        gate.hold(who, lack(error) or str(error))
        while not stopped.wait(LOOK_S) and (lacks := lack(error)):
            gate.hold(who, lacks)
    finally:
        gate.free(who)


def lack(error: DiskFull) -> str | None:
    """What must be freed before it is worth another try; None when there is room."""
    folder = standing(error.path)
    missing = needed(error) - free_bytes(folder)
    if missing > 0:
        return f"Disk full: it needs {sized(missing)} more at {folder!r}."
    status = os.statvfs(folder)
    return f"Disk full: no more files can be made at {folder!r}." if status.f_files and not status.f_favail else None


def needed(error: DiskFull) -> int:
    """Bytes that must be free before it is tried again: a part of the disk, where the disk is small."""
    return error.size + min(SPARE_BYTES, total_bytes(standing(error.path)) // 50)


def free_bytes(folder: str) -> int:
    """What this user may still write on the file system that holds ``folder``."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def total_bytes(folder: str) -> int:
    status = os.statvfs(folder)
    return status.f_blocks * status.f_frsize


def standing(path: str) -> str:
    """The nearest folder that exists."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path
