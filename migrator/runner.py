"""``python -m migrator.runner RUN``: the detached process that executes one run.

Reads top to bottom as its life: claim, keeper, pulse, work, end. It is the only place where the
engine and the state DB meet, and the only process that writes what a run has done.
"""

from __future__ import annotations

import functools
import gc
import json
import logging
import os
import secrets
import signal
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

if __name__ == "__main__":
    gc.disable()  # until all is loaded; see lazily.py

from .config import state_url
from .engine.control import Control, Stopped
from .engine.output import log_to_stdout
from .errors import MigrationLoadError, MigratorError, NewerSchema, StateError, TokenLost
from .keeping import Keeper
from .lifecycle import process
from .lifecycle.early import WAITS
from .lifecycle.notices import tell
from .migrations import Migration, registry
from .outages import AGAIN_S, Outage, Patience
from .pulse import Pulse
from .state import Journal, StateDB, runs

log = logging.getLogger("migrator")
# How long a state DB that is away is waited for before the run is taken.
START_S = 600.0


def main(run_id: str) -> int:
    """Execute a run that waits for its process. Returns the exit code: 0 when its end is recorded."""
    log_to_stdout()
    try:
        db, claim = _claim(run_id)
    except (TokenLost, StateError) as error:
        log.error("%s", error)
        return 1
    log.info("attempt %d, pid %d: %s", claim.attempt, os.getpid(), claim.row["title"])
    control = Control(run_id, claim.attempt, workspace=Path(claim.row["workspace"]))
    control.throttle.set(claim.row["limits"])
    outage = Outage(control)
    journal = Journal(db, claim, Patience(control, outage))
    _stop_on_signals(control)
    with ExitStack() as stack:
        lost = functools.partial(control.stop, "token lost")
        stack.enter_context(Keeper(claim, db.lease_ms / 1000, control.gate, on_lost=lost))
        stack.enter_context(Pulse(journal, control, claim, outage))
        status, error = _attempt(db, journal, control, claim)
    if _record_end(journal, claim, status, error):
        log.info("%s%s", status, f": {error}" if error else "")
        tell(db, run_id)
        return 0
    log.error("the run was taken over or given up meanwhile; this attempt's end is not recorded")
    return 1


def _claim(run_id: str) -> tuple[StateDB, runs.Claim]:
    """Take the run; a state DB that is away is waited for, since a crash of this process would count."""
    token, gives_up = secrets.token_hex(8), time.monotonic() + START_S
    while True:
        try:
            db = StateDB(state_url())
            return db, runs.claim(db, run_id, process.myself(), token)
        except NewerSchema:
            raise
        except StateError as error:
            if time.monotonic() > gives_up:
                raise
            log.warning("%s", error)
            time.sleep(AGAIN_S)


def _record_end(journal: Journal, claim: runs.Claim, status: str, error: str | None) -> bool:
    """A queued run that was merely told to stop goes back to its place; all else is an end."""
    if status == "interrupted" and claim.row["mode"] == "queue" and claim.row["resumable"]:
        return journal.requeue(str(error))
    return journal.end(status, error)


def _attempt(db: StateDB, journal: Journal, control: Control, claim: runs.Claim) -> tuple[str, str | None]:
    """Do the work; whatever comes of it becomes a status and a sentence."""
    try:
        return _execute(db, journal, control, claim), None
    except Stopped:
        return _stopped(control)
    except TokenLost as error:
        return "interrupted", str(error)
    except MigratorError as error:
        return "failed", str(error)
    except Exception as error:
        log.exception("the run failed with an error that nothing foresaw")
        if isinstance(error, FileNotFoundError) and str(control.workspace) in str(error):
            return "failed", (
                f"What this run keeps in {control.workspace} was removed, and it can't go on without. Start it anew: "
                "what is at the target already is skipped."
            )
        return "failed", f"{type(error).__name__}: {error}. The run's output has the traceback."


def _execute(db: StateDB, journal: Journal, control: Control, claim: runs.Claim) -> str:
    migration = _load(claim)
    if type(migration) in registry.BUILT_IN.values():
        _spare()
    # Heavy imports come after the claim, so that the run is seen to live while they load.
    from .engine.debris import clear_late
    from .engine.executors import executor_of
    from .engine.phases import Attempt
    from .engine.uploads import abort_left

    gc.freeze()  # what was loaded stays: no collection need look through it again
    gc.enable()
    executor = None if claim.row["dry_run"] else executor_of(migration)
    label = f"{claim.attempt}-{claim.token}"
    try:
        status = Attempt(migration, journal, control, Path(claim.row["workspace"]), label).execute(executor)
    finally:
        if executor is not None:
            executor.close()
            if control.why != "token lost":  # whoever owns the run now may carry them on
                abort_left(migration, Path(claim.row["workspace"]))
                clear_late(migration, claim.run_id, claim.attempt)
    if executor is None or migration.afterwards is None:
        return status
    from .following import follow

    return follow(db, claim.row, migration, journal, control) or status


def wait_to_begin() -> None:
    """Load what a run of ours needs, and wait for the word that it is recorded: the file for its output."""
    _spare()
    from .engine import copy_executor, duck, executors, phases, uploads  # noqa: F401
    from .migrations import ordinary  # noqa: F401

    duck.load()
    line = sys.stdin.readline()
    if not line:  # whoever was to record it has ended
        os._exit(0)
    output, nothing = os.open(json.loads(line), os.O_WRONLY | os.O_APPEND), os.open(os.devnull, os.O_RDONLY)
    for here, there in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(here, there)
    os.close(output)
    os.close(nothing)


def _spare() -> None:
    """Arrow and DuckDB load numpy and pandas where they find them: half a second and 80 MB of no use to ours."""
    for name in ("numpy", "pandas"):
        # For good: let in later, beside an Arrow that began without, numpy ends the process.
        sys.modules.setdefault(name, None)  # pyright: ignore[reportArgumentType]


def _load(claim: runs.Claim) -> Migration:
    kind = registry.load(claim.row["migration"])
    recorded = claim.row["source_hash"]
    if recorded and registry.source_hash(kind) != recorded:
        log.warning("the file of %s has changed since this run was recorded; going on with what it says now", kind)
    try:
        return kind.model_validate(claim.row["spec"])
    except ValueError as error:
        raise MigrationLoadError(f"The run's specification no longer fits {kind.__name__}: {error}") from None


def _stopped(control: Control) -> tuple[str, str | None]:
    if control.why == "cancelled":
        return "cancelled", None
    return "interrupted", f"It was stopped ({control.why}); resume goes on with what is left."


def _stop_on_signals(control: Control) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        control.stop(f"signal {signal.Signals(number).name}")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)


if __name__ == "__main__":
    if WAITS in sys.argv:
        wait_to_begin()
    code = main(sys.argv[1])
    logging.shutdown()
    with suppress(OSError):
        sys.stdout.flush()
    # Past this point nothing is left to do, and interpreter shutdown can abort beside native threads.
    os._exit(code)
