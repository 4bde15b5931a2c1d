"""What a run starts when it has done its own part, and waits for: the deletion of a move."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import BadInput, MigratorError, StateError
from .handle import Run
from .migrations import Migration
from .model import RESUMABLE, Snapshot
from .recording import Taken, Terms, launch, new_row

if TYPE_CHECKING:
    from .engine.control import Control
    from .state import Journal, StateDB
    from .state.runs import Row

log = logging.getLogger("migrator")
LOOK_S = 0.25


class Asked(NamedTuple):
    """What somebody asks of a run while it works."""

    pause: bool
    limits: dict[str, Any]


def follow(db: StateDB, row: Row, migration: Migration, journal: Journal, control: Control) -> str | None:
    """Run what is to come after a run, and see its end.

    Returns
    -------
    str or None
        ``partial`` where that did not complete; it is said why, then. None where all is well.

    A pause, an unpause and limits are passed on to it while it is waited for.

    Raises
    ------
    Stopped
        If the run was asked to stop: a cancel is passed on, by any other reason what follows goes on by itself.
    """
    phase = str(migration.afterwards)
    journal.enter(phase)
    control.cancelled()  # whoever paused the move wants nothing deleted
    control.check()
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
    journal.note("followed", {"run": run.id, "phase": phase})
    seen = _wait(run, Run(row["id"], db), control)
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
    terms = Terms(key=key, name=f"{seen.name}: {migration.afterwards}", tags=seen.tags, limits=dict(seen.limits))
    after = migration.then(ended)
    after.check()
    try:
        return Run(launch(db, new_row(after, terms) | {"owner": seen.owner}), db)
    except Taken as other:
        run = Run(str(other), db)
        if run.status in RESUMABLE:
            return run.resume()
        with suppress(BadInput):
            run.unpause()  # whoever resumes the move means this, too
        return run


def _wait(run: Run, move: Run, control: Control) -> Snapshot:
    """The end of what follows. It is another process's: a state DB that is away is no reason to give up on it."""
    passed = Asked(False, dict(run.snapshot().limits))
    while True:
        with suppress(StateError):
            seen = run.snapshot()
            if seen.terminal:
                break
            if control.stopped:
                _stop(run, seen, control)
            else:
                passed = _pass_on(run, move, passed)
        if control.wait(LOOK_S):
            time.sleep(LOOK_S)  # asked to stop, control.wait returns at once
    control.check()
    return seen


def _stop(run: Run, seen: Snapshot, control: Control) -> None:
    if control.why != "cancelled":
        control.check()
    if not seen.cancel_requested:
        with suppress(BadInput):  # it ended just now
            run.cancel()


def _pass_on(run: Run, move: Run, passed: Asked) -> Asked:
    """Ask of what follows what is newly asked of the move. A pause of its own stays: it deletes."""
    seen = move.snapshot()
    asked = Asked(seen.pause_requested, dict(seen.limits))
    with suppress(BadInput):  # it ended just now
        if asked.pause != passed.pause:
            (run.pause if asked.pause else run.unpause)()
        if asked.limits != passed.limits:
            run.limit(**asked.limits)
    return asked
