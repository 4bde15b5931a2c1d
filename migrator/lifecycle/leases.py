"""Leases on targets, with their holders looked at: a dead one is in nobody's way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ..errors import BadInput, LeaseHeld
from ..model import TERMINAL
from ..options import option
from ..state import StateDB, leases, runs
from . import process
from .reap import bury, death, holder_of

Row = Mapping[str, Any]


def take(connection: sa.Connection, row: Row) -> Row | None:
    """Lease what a run writes, unless a run that lives holds some of it.

    Returns
    -------
    mapping or None
        The holder's row, or None when the leases are taken.
    """
    wanted = leases.places(row["writes"])
    while (holder := leases.take(connection, row["id"], wanted)) is not None:
        other = runs.get(connection, holder)
        if other["status"] not in ("starting", "running"):
            leases.release(connection, holder)  # it has ended: nothing of it counts
        elif (why := death(other)) is None:
            return other
        else:
            bury(connection, other, why)  # or somebody did, and it runs again: the next look tells
    return None


def take_or_refuse(connection: sa.Connection, row: Row) -> None:
    """Lease what a run writes.

    Raises
    ------
    LeaseHeld
        If a run that lives holds some of it; the message names it.
    """
    if holder := take(connection, row):
        raise LeaseHeld(
            f"{_shown(row, holder)} is being written by {describe(holder)}. Wait for it (`migrator follow "
            f"{holder['id']}`), cancel it, or start this one with {option('mode', 'queue')}, where it waits its turn."
        )


def describe(holder: Row) -> str:
    """A holder in words: run, host, pid, since when, and since when silent."""
    since = (holder["now"] - (holder["started_at"] or holder["created_at"])) / 1000
    words = f"run {holder['id']} (pid {holder['pid']} on {holder['host']}, for {_span(since)}"
    silent = (holder["now"] - holder["heartbeat_at"]) / 1000
    return f"{words}, silent for {_span(silent)})" if silent > 10 else f"{words})"


def list_held(db: StateDB) -> list[dict[str, Any]]:
    """Every lease with its holder: ``run place host pid status held_s silent_s``."""
    with db.read() as connection:
        found = leases.held(connection)
        rows = {lease["run_id"]: runs.get(connection, lease["run_id"]) for lease in found}
    return [_told(lease, rows[lease["run_id"]]) for lease in found]


def break_lease(db: StateDB, run_id: str) -> str:
    """End a run that holds a lease and is not known to live; how it ended.

    Raises
    ------
    BadInput
        If its process lives, or was heard from within its lease, or it holds nothing.
    """
    with db.read() as connection:
        row = runs.get(connection, run_id)
    if row["status"] in TERMINAL or row["status"] == "queued":
        raise BadInput(f"Run {run_id} is {row['status']}; it holds no lease.")
    why = death(row)
    if why is None:
        raise BadInput(
            f"The lease stays with {describe(row)}: {_evidence(row)}. `migrator cancel {run_id}` asks it to stop."
        )
    db.transact(lambda connection: bury(connection, row, why))
    return why


def _evidence(row: Row) -> str:
    if process.alive(holder_of(row)):
        return "its process lives"
    left = (row["lease_until"] - row["now"]) / 1000
    return f"it was heard from within its lease, which ends in {_span(max(0.0, left))}"


def _told(lease: dict[str, Any], row: Row) -> dict[str, Any]:
    return {
        "run": row["id"], "place": _place(lease["scope"], lease["path"]), "host": row["host"], "pid": row["pid"],
        "status": row["status"], "held_s": (row["now"] - lease["taken_at"]) / 1000,
        "silent_s": (row["now"] - row["heartbeat_at"]) / 1000,
    }  # fmt: skip


def _shown(row: Row, holder: Row) -> str:
    """The first place of ``row`` that the holder has a part of."""
    theirs = leases.places(holder["writes"])
    mine = leases.places(row["writes"])
    first = next((place for place in mine if any(leases.overlap(place, other) for other in theirs)), mine[0])
    return _place(*first)


def _place(scope: str, path: str) -> str:
    """A lease's place as people write it: ``s3|endpoint|bucket`` and ``file|host`` are ours."""
    kind, _, rest = scope.partition("|")
    if kind == "file":
        return f"/{path}"
    bucket = rest.rpartition("|")[2]
    return f"{kind}://{bucket}/{path}" if bucket else f"{scope} {path}"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
