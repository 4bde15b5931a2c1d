"""What a run starts when it has done its own part, and waits for: the deletion of a move."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from .errors import BadInput, MigratorError
from .handle import Run
from .migrations import Migration
from .model import LIVE, RESUMABLE, Snapshot
from .recording import Taken, Terms, launch, new_row

if TYPE_CHECKING:
    from .engine.control import Control
    from .state import Journal, StateDB
    from .state.runs import Row

log = logging.getLogger("migrator")
LOOK_S = 0.25


def follow(db: StateDB, row: Row, migration: Migration, journal: Journal, control: Control) -> str | None:
    """Run what is to come after a run, and see its end.

    Returns
    -------
    str or None
        ``partial`` where that did not complete; it is said why, then. None where all is well.

    Raises
    ------
    Stopped
        If the run was asked to stop: a cancel is passed on, by any other reason what follows goes on by itself.
    """
    phase = str(migration.afterwards)
    journal.enter(phase)
    journal.let_go()  # what follows may write to the same place
    try:
        run = _begin(db, row, migration)
    except BadInput as error:
        log.info("%s: nothing to do. %s", phase, error)
        return None
    except MigratorError as error:
        journal.warn(f"What was to come afterwards was not started: {error}")
        return "partial"
    log.info("%s: run %s", phase, run.id)
    seen = _wait(run, control)
    log.info("run %s %s: %s", run.id, seen.status, seen.outcome or "nothing to do")
    if seen.status == "completed":
        return None
    journal.warn(f"Run {run.id}, which came afterwards, ended {seen.status}: {seen.error or seen.outcome or 'see it'}")
    return "partial"


def _begin(db: StateDB, row: Row, migration: Migration) -> Run:
    """Start it, or find the one that an earlier attempt started after as many objects."""
    ended = Run(row["id"], db)
    seen = ended.snapshot()
    key = f"{seen.id} {migration.afterwards} {seen.copied + seen.adopted}"
    terms = Terms(key=key, name=f"{seen.name}: {migration.afterwards}", tags=seen.tags)
    after = migration.then(ended)
    after.check()
    try:
        return Run(launch(db, new_row(after, terms) | {"owner": seen.owner}), db)
    except Taken as other:
        run = Run(str(other), db)
        return run.resume() if run.status in RESUMABLE else run


def _wait(run: Run, control: Control) -> Snapshot:
    while not (seen := run.snapshot()).terminal:
        control.wait(LOOK_S)
        if not control.stopped:
            continue
        if control.why != "cancelled":
            control.check()
        if not seen.cancel_requested and run.status in LIVE:
            run.cancel()
        time.sleep(LOOK_S)  # asked to stop, control.wait returns at once
    control.check()
    return seen
