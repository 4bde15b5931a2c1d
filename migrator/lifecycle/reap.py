"""Runs whose process is gone are written down as such, by whoever looks first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config import STARTING_S
from ..errors import StateError
from ..model import Identity
from ..state import StateDB, now_ms, runs
from . import process

# Past a lease on another host: its clock and ours need not agree to the second.
SKEW_MS = 5_000


def reap(db: StateDB, run_id: str) -> None:
    """Look at one run, and end it if its process is provably gone. Never raises for a busy DB."""
    try:
        with db.read() as connection:
            row = runs.get(connection, run_id)
        if row["status"] in ("starting", "running") and (why := death(row)):
            bury(db, row, why)
    except StateError:
        pass  # the next look will do it


def bury(db: StateDB, row: Mapping[str, Any], why: str) -> None:
    """End a dead run, if it still is as it was seen: the token is compared, so a new attempt is safe."""
    status = "cancelled" if row["cancel_requested_at"] else "interrupted"
    with db.write() as connection:
        runs.end(connection, row["id"], row["token"], status, why)


def death(row: Mapping[str, Any]) -> str | None:
    """How a run's process is known to be gone; None when it lives, or can't be known yet.

    On this host identity decides and wall time does not; on another the lease does.
    """
    if row["pid"] is None:
        waited = now_ms() - row["heartbeat_at"]
        return "Its process was never started." if waited > STARTING_S * 1000 else None
    holder = Identity(row["host"], row["boot_id"], row["pid"], row["start_ticks"])
    lives = process.alive(holder)
    if lives:
        return None
    if lives is None:
        over = row["lease_until"] is not None and now_ms() > row["lease_until"] + SKEW_MS
        return f"{holder.host} has been silent for longer than its lease." if over else None
    if holder.boot_id != process.boot_id():
        return f"Its process on {holder.host} is gone: the machine restarted."
    if row["token"] is None:
        return (
            f"Its process {holder.pid} on {holder.host} ended before it began; `migrator log {row['id']}` may say why."
        )
    return f"Its process {holder.pid} on {holder.host} is gone."
