"""What a state DB's errors say, as ours: what it is, and what to do."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from sqlalchemy.exc import OperationalError

from ..errors import StateError, StateFull
from ..words import sized

# SQLite's log grows to about this before it is folded into the file.
ROOM_BYTES = 8 << 20
ON_A_SERVER = "Check that the server runs and lets this user in, or set MIGRATOR_STATE to another state DB."
# With less than this left, a full disk is why SQLite speaks of an I/O error.
NOTHING_BYTES = 64 << 10


def told(error: Exception, shown: str, path: Path | None, *, server: bool = False) -> StateError:
    """Our error for one of a driver's; ``path`` is the file, where there is one."""
    if path and _is_full(error, path.parent):
        lacks = max(ROOM_BYTES - _free(path.parent), NOTHING_BYTES)
        return StateFull(f"Disk full: it needs about {sized(lacks)} more at {str(path.parent)!r}, for the state DB.")
    advice = ON_A_SERVER if server else _advice(error)
    return StateError(f"The state DB {shown} can't be used: {_reason(error).rstrip('.')}. {advice}")


def _is_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    text = str(error)
    return "disk is full" in text or ("disk I/O error" in text and _free(folder) < NOTHING_BYTES)


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return ROOM_BYTES


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(getattr(error, "orig", error)).strip().splitlines()[0]


def _advice(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OperationalError) and "locked" in text:
        return "Another process holds it; try again."
    if "not a database" in text or "malformed" in text:
        return "The file is something else or damaged; set MIGRATOR_STATE to another place."
    return "Check the place and its permissions, or set MIGRATOR_STATE to another one."
