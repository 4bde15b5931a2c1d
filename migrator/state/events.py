"""Facts about runs, numbered per run in the transaction that makes them true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ..model import Event
from .dialects import now_ms
from .schema import events, runs


def append(connection: sa.Connection, run_id: str, kind: str, data: Mapping[str, Any]) -> None:
    """Add an event; its number comes from the run's row, so two writers can't share one."""
    connection.execute(sa.update(runs).where(runs.c.id == run_id).values(seq=runs.c.seq + 1))
    seq = connection.execute(sa.select(runs.c.seq).where(runs.c.id == run_id)).scalar_one()
    connection.execute(
        events.insert().values(run_id=run_id, seq=seq, at=now_ms(connection), kind=kind, data=dict(data))
    )


def after(connection: sa.Connection, run_id: str, seq: int, limit: int = 1000) -> list[Event]:
    """Events numbered above ``seq``, oldest first."""
    wanted = (
        sa.select(events.c.seq, events.c.at, events.c.kind, events.c.data)
        .where(events.c.run_id == run_id, events.c.seq > seq)
        .order_by(events.c.seq)
        .limit(limit)
    )
    return [Event(*row) for row in connection.execute(wanted)]
