"""Runs as rows: made, claimed, asked, ended. Each change of status is a compare-and-set."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import TokenLost, UnknownRun
from ..model import LIVE, RESUMABLE, Identity
from . import events
from .db import StateDB, now_ms
from .schema import runs

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to execute a run: its token goes into every write of this attempt."""

    run_id: str
    token: str
    attempt: int
    row: Row


def create(connection: sa.Connection, **values: Any) -> None:
    """Record a run and its first event."""
    now = now_ms()
    connection.execute(runs.insert().values(created_at=now, heartbeat_at=now, **values))
    events.append(connection, values["id"], "status", {"status": values["status"], "by": values.get("owner")})


def get(connection: sa.Connection, run_id: str) -> Row:
    """One run's row.

    Raises
    ------
    UnknownRun
        If there is none of that id.
    """
    row = connection.execute(sa.select(runs).where(runs.c.id == run_id)).mappings().first()
    if row is None:
        raise UnknownRun(f"There is no run {run_id!r} in this state DB. `migrator runs` lists them.")
    return dict(row)


def by_key(connection: sa.Connection, key: str) -> Row | None:
    """The run that was started with ``key=``, if any."""
    row = connection.execute(sa.select(runs).where(runs.c.key == key)).mappings().first()
    return dict(row) if row else None


def newest(connection: sa.Connection, limit: int, *, live_only: bool = False) -> list[Row]:
    """Rows, newest first."""
    wanted = sa.select(runs).order_by(runs.c.created_at.desc(), runs.c.id).limit(limit)
    if live_only:
        wanted = wanted.where(runs.c.status.in_(LIVE))
    return [dict(row) for row in connection.execute(wanted).mappings()]


def restart(connection: sa.Connection, run_id: str, interpreter: str, by: str) -> bool:
    """Make an ended run ready for another attempt; False when another caller was first."""
    ready = _set_status(
        connection,
        run_id,
        runs.c.status.in_(RESUMABLE),
        status="starting",
        token=None,
        pid=None,
        error=None,
        phase=None,
        cancel_requested_at=None,
        finished_at=None,
        rate=None,
        byte_rate=None,
        heartbeat_at=now_ms(),
        interpreter=interpreter,
    )
    if ready:
        events.append(connection, run_id, "request", {"request": "resume", "by": by})
        events.append(connection, run_id, "status", {"status": "starting"})
    return ready


def note_child(connection: sa.Connection, run_id: str, child: Identity) -> None:
    """Who was spawned for a run that nobody has claimed yet, so that an early death is seen."""
    unclaimed = (runs.c.id == run_id) & (runs.c.status == "starting") & runs.c.token.is_(None)
    connection.execute(sa.update(runs).where(unclaimed).values(**asdict(child)))


def claim(db: StateDB, run_id: str, me: Identity, lease_ms: int) -> Claim:
    """Take a starting run. One process wins; the others raise.

    Raises
    ------
    TokenLost
        If the run is not waiting for its process: another one has it, or it was given up.
    """
    token, now = secrets.token_hex(8), now_ms()
    with db.write() as connection:
        won = _set_status(
            connection,
            run_id,
            (runs.c.status == "starting") & runs.c.token.is_(None),
            status="running",
            token=token,
            attempt=runs.c.attempt + 1,
            started_at=sa.func.coalesce(runs.c.started_at, now),
            heartbeat_at=now,
            lease_until=now + lease_ms,
            **asdict(me),
        )
        row = get(connection, run_id)
        if not won:
            raise TokenLost(f"Run {run_id} is {row['status']} and not waiting for a process; this one stops.")
        events.append(connection, run_id, "status", {"status": "running", "attempt": row["attempt"], **asdict(me)})
    return Claim(run_id, token, row["attempt"], row)


def renew(db: StateDB, run_id: str, token: str, lease_ms: int) -> Row:
    """The heartbeat: lengthen the lease, and see what is asked.

    Raises
    ------
    TokenLost
        If another attempt owns the run, or it has ended.
    """
    now = now_ms()
    with db.write() as connection:
        fence(connection, run_id, token, heartbeat_at=now, lease_until=now + lease_ms)
        return get(connection, run_id)


def fence(connection: sa.Connection, run_id: str, token: str, **values: Any) -> None:
    """Write to a run as its owner, or raise TokenLost; the row stays locked until the commit."""
    mine = (runs.c.id == run_id) & (runs.c.token == token) & (runs.c.status == "running")
    if connection.execute(sa.update(runs).where(mine).values(**values)).rowcount != 1:
        raise TokenLost(f"Run {run_id} belongs to another attempt now; this process writes nothing more.")


def end(connection: sa.Connection, run_id: str, token: str | None, status: str, error: str | None = None) -> bool:
    """Give a run its terminal status; False when ``token`` no longer owns it.

    Owner, reaper and keeper all end runs by this, each with the token that it saw.
    """
    seen = runs.c.status.in_(("starting", "running")) & (
        runs.c.token.is_(None) if token is None else runs.c.token == token
    )
    ended = _set_status(
        connection, run_id, seen, status=status, error=error, finished_at=now_ms(), lease_until=None, token=None
    )
    if ended:
        events.append(connection, run_id, "status", {"status": status, "error": error})
    return ended


def request_cancel(connection: sa.Connection, run_id: str, by: str) -> None:
    """Ask a live run to stop; one that waits in a queue is cancelled by this."""
    if _set_status(connection, run_id, runs.c.status == "queued", status="cancelled", finished_at=now_ms()):
        events.append(connection, run_id, "status", {"status": "cancelled", "by": by})
        return
    unasked = runs.c.status.in_(LIVE) & runs.c.cancel_requested_at.is_(None)
    if _set_status(connection, run_id, unasked, cancel_requested_at=now_ms()):
        events.append(connection, run_id, "request", {"request": "cancel", "by": by})


def _set_status(connection: sa.Connection, run_id: str, condition: Any, **values: Any) -> bool:
    changed = connection.execute(sa.update(runs).where(runs.c.id == run_id, condition).values(**values))
    return changed.rowcount == 1
