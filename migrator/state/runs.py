"""Runs as rows: made, read, claimed, ended. Each change of status is a compare-and-set."""

from __future__ import annotations

import json
import platform
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from .. import __version__
from ..errors import TokenLost, UnknownRun
from ..model import LIVE, RESUMABLE, Identity
from . import events, leases
from .db import StateDB
from .dialects import clock, now_ms, now_us
from .schema import runs

Row = Mapping[str, Any]

# What the attempt before this one left in a row, and nobody may take for this one's.
_FRESH: Mapping[str, Any] = {
    "token": None, "pid": None, "error": None, "phase": None, "finished_at": None, "rate": None, "byte_rate": None,
    "held_for": None, "throttled_by": None, "throttled_since": None, "waiting_for": None,
}  # fmt: skip
_UNASKED: Mapping[str, Any] = {"cancel_requested_at": None, "pause_requested_at": None, "start_requested_at": None}
STARTABLE = ("draft", *sorted(RESUMABLE))
DRAFT_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to execute a run: its token goes into every write of this attempt."""

    run_id: str
    token: str
    attempt: int
    row: Row


def create(connection: sa.Connection, **values: Any) -> None:
    """Record a run and its first event."""
    now = now_ms(connection)
    connection.execute(runs.insert().values({"created_at": now, "heartbeat_at": now} | values))
    events.append(connection, values["id"], "status", {"status": values["status"], "by": values.get("owner")})


def get(connection: sa.Connection, run_id: str) -> Row:
    """One run's row, and in ``now`` the time of this look by the state DB's clock.

    Raises
    ------
    UnknownRun
        If there is none of that id.
    """
    row = next(iter(select(connection, runs.c.id == run_id)), None)
    if row is None:
        raise UnknownRun(f"There is no run {run_id!r} in this state DB. `migrator runs` lists them.")
    return row


def by_key(connection: sa.Connection, key: str) -> Row | None:
    """The run that was started with ``key=``, if any."""
    return next(iter(select(connection, runs.c.key == key)), None)


def newest(
    connection: sa.Connection, limit: int, *, before: int | None = None, before_id: str = "",
    status: Sequence[str] = (), text: str = "", tag: str | None = None, title: str | None = None,
) -> list[Row]:  # fmt: skip
    """Rows, newest first, as far as they fit; see `feed.snapshots`."""
    conditions = [runs.c.status.in_(status) if status else runs.c.status != "draft"]
    if before is not None:
        earlier = runs.c.created_at < before
        conditions.append(earlier | (runs.c.created_at == before) & (runs.c.id < before_id) if before_id else earlier)
    if text:
        conditions.append(
            sa.or_(*(column.icontains(text, autoescape=True) for column in (runs.c.id, runs.c.name, runs.c.title)))
        )
    if title is not None:
        conditions.append(runs.c.title == title)
    if tag is not None:  # tags are JSON, and how a text is written in that is the same everywhere
        conditions.append(sa.cast(runs.c.tags, sa.Text).contains(json.dumps(tag), autoescape=True))
    return select(connection, *conditions, order=(runs.c.created_at.desc(), runs.c.id.desc()), limit=limit)


def unended(connection: sa.Connection) -> list[Row]:
    """Every run that is queued or should have a process."""
    return select(connection, runs.c.status.in_(LIVE))


def select(
    connection: sa.Connection, *conditions: Any, order: tuple[Any, ...] = (), limit: int | None = None
) -> list[Row]:
    """Rows as `get` gives them."""
    wanted = (
        sa.select(runs, clock(connection.dialect.name).label("now")).where(*conditions).order_by(*order).limit(limit)
    )
    return [{**row, "now": row["now"] // 1000} for row in connection.execute(wanted).mappings()]


def with_process(connection: sa.Connection) -> list[Row]:
    """Every run that should have a process."""
    return select(connection, runs.c.status.in_(("starting", "running")))


def restart(connection: sa.Connection, run_id: str, by: str, taken: str | None = None, **values: Any) -> bool:
    """Make a draft or an ended run ready for its next attempt; False when another caller was first.

    ``values`` say how: ``status`` ``starting`` with the starter's identity, or ``queued``;
    ``taken`` who took a start that was asked for, ``kernel`` or ``server``.
    """
    told = {} if taken is None else {"taken": taken}
    fresh = {**_FRESH, **_UNASKED, "crashes": 0, "heartbeat_at": now_ms(connection), **values}
    ready = change(connection, run_id, runs.c.status.in_(STARTABLE), **fresh)
    if ready:
        events.append(connection, run_id, "request", {"request": "start", "by": by, **told})
        events.append(connection, run_id, "status", {"status": values["status"]})
    return ready


def begin(connection: sa.Connection, run_id: str, starter: Identity, lease_ms: int, **values: Any) -> bool:
    """A queued run's turn has come: ``starter`` is about to spawn its process. False when another was first."""
    turn = starting(connection, starter, lease_ms) | values
    begun = change(connection, run_id, runs.c.status == "queued", waiting_for=None, **turn)
    if begun:
        events.append(
            connection, run_id, "status", {"status": "starting", "by": f"pid {starter.pid} on {starter.host}"}
        )
    return begun


def starting(connection: sa.Connection, starter: Identity, lease_ms: int) -> dict[str, Any]:
    """The columns of a run whose process is about to be spawned: should the starter die first, that is seen."""
    now = now_ms(connection)
    return {"status": "starting", "heartbeat_at": now, "lease_until": now + lease_ms, **asdict(starter)}


def next_place(connection: sa.Connection) -> int:
    """The end of every queue: its age in microseconds, later than any that this process gave before."""
    global _last_place
    _last_place = max(_last_place + 1, now_us(connection))
    return _last_place


_last_place = 0


def note_child(connection: sa.Connection, run_id: str, child: Identity) -> None:
    """Who was spawned for a run that nobody has claimed yet, so that an early death is seen."""
    unclaimed = (runs.c.id == run_id) & (runs.c.status == "starting") & runs.c.token.is_(None)
    connection.execute(sa.update(runs).where(unclaimed).values(**asdict(child)))


def claim(db: StateDB, run_id: str, me: Identity, token: str | None = None) -> Claim:
    """Take a starting run. One process wins; the others raise.

    Parameters
    ----------
    token : str, optional
        For one who may have to ask again, since the answer can be lost: with the same token he wins again.

    Raises
    ------
    TokenLost
        If the run is not waiting for its process: another one has it, or it was given up.
    """
    mine = token or secrets.token_hex(8)
    return db.transact(lambda connection: _claim(connection, run_id, me, db.lease_ms, mine))


def _claim(connection: sa.Connection, run_id: str, me: Identity, lease_ms: int, token: str) -> Claim:
    now = now_ms(connection)
    won = change(
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
    if row["token"] == token and not won:
        return Claim(run_id, token, row["attempt"], row)
    if not won:
        raise TokenLost(f"Run {run_id} is {row['status']} and not waiting for a process; this one stops.")
    by = {"release": __version__, "python": platform.python_version()}
    events.append(connection, run_id, "status", {"status": "running", "attempt": row["attempt"], **asdict(me), **by})
    return Claim(run_id, token, row["attempt"], row)


def renew(db: StateDB, run_id: str, token: str) -> Row:
    """The heartbeat: lengthen the lease, and see what is asked.

    Raises
    ------
    TokenLost
        If another attempt owns the run, or it has ended.
    """
    with db.write() as connection:
        now = now_ms(connection)
        fence(connection, run_id, token, heartbeat_at=now, lease_until=now + db.lease_ms)
        return get(connection, run_id)


def fence(connection: sa.Connection, run_id: str, token: str, **values: Any) -> None:
    """Write to a run as its owner, or raise TokenLost; the row stays locked until the commit."""
    mine = (runs.c.id == run_id) & (runs.c.token == token) & (runs.c.status == "running")
    if connection.execute(sa.update(runs).where(mine).values(**values)).rowcount != 1:
        raise TokenLost(f"Run {run_id} belongs to another attempt now; this process writes nothing more.")


def end(
    connection: sa.Connection, run_id: str, token: str | None, status: str, error: str | None = None, *,
    holder: Identity | None = None,
) -> bool:  # fmt: skip
    """Give a run its terminal status, and its leases back; False when ``token`` no longer owns it.

    Owner, reaper and keeper all end runs by this, each with the token that it saw; the reaper with the ``holder``
    whom it found dead, too: attempts that nobody has claimed have no token to tell them apart.
    """
    over = {"status": status, "error": error, "finished_at": now_ms(connection), "lease_until": None, "held_for": None}
    ended = change(connection, run_id, _owned(token, holder), token=None, **over)
    if ended:
        leases.release(connection, run_id)
        events.append(connection, run_id, "status", {"status": status, "error": error})
    return ended


def requeue(
    connection: sa.Connection, run_id: str, token: str | None, why: str, *, crashed: bool,
    holder: Identity | None = None,
) -> bool:  # fmt: skip
    """Put a run back into its old place in the queue; False when ``token`` no longer owns it, as for `end`."""
    crashes = runs.c.crashes + int(crashed)
    back = change(connection, run_id, _owned(token, holder), **{**_FRESH, "status": "queued", "crashes": crashes})
    if back:
        leases.release(connection, run_id)
        events.append(connection, run_id, "status", {"status": "queued", "error": why})
    return back


def purge_drafts(connection: sa.Connection) -> None:
    """Forget drafts that nobody started within a day."""
    old = runs.c.created_at < now_ms(connection) - DRAFT_MS
    connection.execute(sa.delete(runs).where(runs.c.status == "draft", old))


def _owned(token: str | None, holder: Identity | None) -> sa.ColumnElement[bool]:
    """Live, and under the token that was seen (None: nobody has claimed it yet), of the process that was."""
    seen = {"token": token, **(asdict(holder) if holder else {})}
    return sa.and_(runs.c.status.in_(("starting", "running")), *(runs.c[name] == told for name, told in seen.items()))


def change(connection: sa.Connection, run_id: str, condition: Any, **values: Any) -> bool:
    """Compare and set: whether the run was as ``condition`` says, and has these values now."""
    changed = connection.execute(sa.update(runs).where(runs.c.id == run_id, condition).values(**values))
    return changed.rowcount == 1
