"""Migrations from a notebook as detached, observable, stoppable, resumable runs.

The public names; each is loaded when it is first used, so that importing this costs nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .lazily import names_of

if os.name == "nt":
    raise ImportError("migrator runs on Linux and macOS, not on Windows; use WSL there.")

if TYPE_CHECKING:
    from .api import Kept, Queue, Run, apply, attach, quarantine, queue, restore, runs, start
    from .errors import MigratorError, RunNotCompleted
    from .migrations import (
        CopyObjects,
        DeleteExtra,
        DeleteSource,
        Executor,
        Migration,
        PurgeQuarantine,
        Target,
        Verify,
        executes,
    )
    from .model import Event, Item, Receipt, Shard, Snapshot
    from .stores import Location, Preflight, preflight

__version__ = "0.1.0"

_HOMES = {
    "api": ("Kept", "Queue", "Run", "apply", "attach", "quarantine", "queue", "restore", "runs", "start"),
    "errors": ("MigratorError", "RunNotCompleted"),
    "migrations": (
        "CopyObjects",
        "DeleteExtra",
        "DeleteSource",
        "Executor",
        "Migration",
        "PurgeQuarantine",
        "Target",
        "Verify",
        "executes",
    ),
    "model": ("Event", "Item", "Receipt", "Shard", "Snapshot"),
    "stores": ("Location", "Preflight", "preflight"),
}

__all__ = [
    "CopyObjects", "DeleteExtra", "DeleteSource", "Event", "Executor", "Item", "Kept", "Location", "Migration",
    "MigratorError", "Preflight", "PurgeQuarantine", "Queue", "Receipt", "Run", "RunNotCompleted", "Shard", "Snapshot",
    "Target", "Verify", "apply", "attach", "executes", "preflight", "quarantine", "queue", "restore", "runs", "start",
]  # fmt: skip


__getattr__ = names_of(__name__, _HOMES)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
