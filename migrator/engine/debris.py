"""What killed attempts leave at a target beside the objects: what they had written to try it out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import MigratorError
from ..stores import open_store
from ..stores.abilities import Served

if TYPE_CHECKING:
    from ..migrations import Migration

log = logging.getLogger("migrator")


def left_by(run_id: str, before: int) -> list[str]:
    """How the names begin of what attempts ``before`` this one wrote."""
    return [f"{run_id}-{attempt}-" for attempt in range(1, before)]


def clear_late(migration: Migration, run_id: str, attempt: int) -> None:
    """At a run's end, remove what arrived late: a request may still be on its way when its sender is killed, and be
    done after the next attempt has looked."""
    from ..migrations import CopyObjects

    names = left_by(run_id, attempt)
    if not names or not isinstance(migration, CopyObjects):
        return
    try:
        target = open_store(migration.target)
        if isinstance(target, Served):
            target.clear_debris(names)
    except MigratorError as error:
        log.warning("what earlier attempts tried out at the target may still be there: %s", error)
