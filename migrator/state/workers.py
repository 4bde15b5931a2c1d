"""Workers as rows: who takes runs from a queue, so that a reader can say when nobody does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from ..model import Identity
from .dialects import clock, now_ms
from .schema import workers


def register(connection: sa.Connection, worker_id: str, me: Identity, queue: str, concurrency: int) -> None:
    """A worker begins."""
    now = now_ms(connection)
    values = {"id": worker_id, "queue": queue, "concurrency": concurrency, "started_at": now, "heartbeat_at": now}
    connection.execute(workers.insert().values(**values, **asdict(me)))


def beat(connection: sa.Connection, worker_id: str) -> None:
    """It is still there."""
    now = now_ms(connection)
    connection.execute(sa.update(workers).where(workers.c.id == worker_id).values(heartbeat_at=now))


def remove(connection: sa.Connection, worker_id: str) -> None:
    """It has ended, or was found dead."""
    connection.execute(sa.delete(workers).where(workers.c.id == worker_id))


def known(connection: sa.Connection, queue: str | None = None) -> list[dict[str, Any]]:
    """Workers that registered and did not take leave; ``now`` as in `runs.get`."""
    wanted = sa.select(workers, clock(connection.dialect.name).label("now")).order_by(workers.c.started_at)
    if queue is not None:
        wanted = wanted.where(workers.c.queue == queue)
    return [{**row, "now": row["now"] // 1000} for row in connection.execute(wanted).mappings()]
