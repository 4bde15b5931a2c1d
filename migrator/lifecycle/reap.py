"""Runs whose process is gone are written down as such, by whoever looks first."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from ..errors import StateError, UnknownRun
from ..model import TERMINAL, Identity
from ..state import StateDB, runs
from . import process
from .notices import tell_aside

# Past a lease on another host: its clock and the state DB's need not agree to the second.
SKEW_MS = 5_000
# Past the lease of one who was about to start a process, and neither did nor died: he was never told that it was his.
UNSTARTED_MS = 60_000

Row = Mapping[str, Any]


def look(db: StateDB, run_id: str) -> Row:
    """A run's row as it is true: one whose process is gone has been written down as ended."""
    with db.read() as connection:
        row = runs.get(connection, run_id)
    if why := death(row):
        buried = db.transact(lambda connection: bury(connection, row, why))
        with db.read() as connection:
            row = runs.get(connection, run_id)
        if buried and row["status"] in TERMINAL:
            tell_aside(db, run_id)
    return row


def reap(db: StateDB, run_id: str) -> None:
    """The same for its effect alone. Never raises for a busy DB, since the next look will do it, nor for a run that was
    purged meanwhile."""
    with suppress(StateError, UnknownRun):
        look(db, run_id)


def sweep(db: StateDB) -> None:
    """Look at every run that should have a process."""
    with db.read() as connection:
        live = runs.with_process(connection)
    for row in live:
        if death(row):
            reap(db, row["id"])


def bury(connection: sa.Connection, row: Row, why: str) -> bool:
    """End a dead run, if it still is as it was seen: token and process are compared, so a new attempt is safe.

    One of a queue goes back to its place there, if it may be carried on by itself and has not
    crashed too often.
    """
    run_id, token, holder = row["id"], row["token"], holder_of(row)
    if row["cancel_requested_at"]:
        return runs.end(connection, run_id, token, "cancelled", why, holder=holder)
    if row["mode"] != "queue" or not row["resumable"]:
        return runs.end(connection, run_id, token, "interrupted", why, holder=holder)
    crashes = row["crashes"] + 1
    if crashes >= row["max_attempts"]:
        why = f"crashed {crashes} times, the last time so: {why}"
        return runs.end(connection, run_id, token, "failed", why, holder=holder)
    return runs.requeue(connection, run_id, token, why, crashed=True, holder=holder)


def death(row: Row) -> str | None:
    """How a run's process is known to be gone; None when it lives, ended, or can't be known yet.

    On this host identity decides and wall time does not; on another, and for a process that
    somebody stopped, the lease does.
    """
    if row["status"] not in ("starting", "running") or row["pid"] is None:
        return None
    holder = holder_of(row)
    lives = process.alive(holder)
    past_ms = row["now"] - (row["lease_until"] or row["now"])
    if lives and row["token"] is None:
        unstarted = f"Process {holder.pid} on {holder.host} was to start it, and did not."
        return unstarted if past_ms > UNSTARTED_MS else None
    if lives:
        return _stopped(holder) if past_ms > 0 and process.stopped(holder) else None
    if lives is None:
        return f"{holder.host} has been silent for longer than its lease." if past_ms > SKEW_MS else None
    if holder.boot_id != process.boot_id():
        return f"Its process on {holder.host} is gone: the machine restarted."
    if row["token"] is None:
        return (
            f"Its process {holder.pid} on {holder.host} ended before it began; `migrator log {row['id']}` may say why."
        )
    return f"Its process {holder.pid} on {holder.host} is gone."


def holder_of(row: Row) -> Identity:
    """The process that a run's row names."""
    return Identity(row["host"], row["boot_id"], row["pid"], row["start_ticks"])


def _stopped(holder: Identity) -> str:
    return f"Its process {holder.pid} on {holder.host} was stopped by a signal, and its lease ran out."
