"""What is asked of a run, as fields on its row: start, cancel, pause, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..model import LIVE
from . import events
from .dialects import now_ms
from .runs import STARTABLE, change
from .schema import runs


def start(connection: sa.Connection, run_id: str, by: str, **values: Any) -> bool:
    """Ask for a draft or an ended run to be started, by whoever is able to; False when it can't be."""
    still = runs.c.status.in_(STARTABLE)
    asked = change(connection, run_id, still, start_requested_at=now_ms(connection), error=None, **values)
    if asked:
        events.append(connection, run_id, "request", {"request": "start asked for", "by": by})
    return asked


def take(connection: sa.Connection, run_id: str) -> bool:
    """Take it upon oneself to start a run that somebody asked for; one of all who try does."""
    return change(connection, run_id, runs.c.start_requested_at.is_not(None), start_requested_at=None)


def refuse(connection: sa.Connection, run_id: str, why: str) -> None:
    """Write down why a run that was asked for could not be started; it stays what it was."""
    if change(connection, run_id, runs.c.status.in_(STARTABLE), error=why):
        events.append(connection, run_id, "warning", {"text": why})


def wanted(connection: sa.Connection, run_ids: Sequence[str]) -> list[str]:
    """Those of these runs that somebody wants started."""
    asked = sa.select(runs.c.id).where(runs.c.id.in_(run_ids), runs.c.start_requested_at.is_not(None))
    return list(connection.execute(asked).scalars())


def cancel(connection: sa.Connection, run_id: str, by: str) -> None:
    """Ask a live run to stop; one that waits in a queue is cancelled by this."""
    now = now_ms(connection)
    if change(connection, run_id, runs.c.status == "queued", status="cancelled", finished_at=now):
        events.append(connection, run_id, "status", {"status": "cancelled", "by": by})
        return
    unasked = runs.c.status.in_(LIVE) & runs.c.cancel_requested_at.is_(None)
    if change(connection, run_id, unasked, cancel_requested_at=now):
        events.append(connection, run_id, "request", {"request": "cancel", "by": by})


def pause(connection: sa.Connection, run_id: str, by: str, *, pause: bool) -> bool:
    """Ask a live run to hold its writes, or to go on; False when it is asked so already, or has ended."""
    asked = runs.c.pause_requested_at
    state = runs.c.status.in_(("starting", "running")) & (asked.is_(None) if pause else asked.is_not(None))
    changed = change(connection, run_id, state, pause_requested_at=now_ms(connection) if pause else None)
    if changed:
        events.append(connection, run_id, "request", {"request": "pause" if pause else "unpause", "by": by})
    return changed


def limit(connection: sa.Connection, run_id: str, by: str, limits: Mapping[str, Any]) -> bool:
    """Set what a live run may use at once; False when it has ended."""
    changed = change(connection, run_id, runs.c.status.in_(LIVE), limits=dict(limits))
    if changed:
        events.append(connection, run_id, "request", {"request": "limit", "by": by, **limits})
    return changed
