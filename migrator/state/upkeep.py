"""The state DB's own care: whether it is whole, how much it holds, its space given back, old runs taken out."""

from __future__ import annotations

import sqlalchemy as sa

from ..model import LIVE, TERMINAL
from . import runs
from .db import StateDB
from .dialects import kind
from .schema import metadata
from .schema import runs as table


def damage(connection: sa.Connection) -> list[str]:
    """What the database itself finds wrong; PostgreSQL has no look of its own, so every table is read there."""
    name = kind(connection)
    if name == "sqlite":
        found = [row[0] for row in connection.exec_driver_sql("pragma integrity_check") if row[0] != "ok"]
        orphans = connection.exec_driver_sql("pragma foreign_key_check")
        return found + [f"{row[0]}: a row of no {row[2]}" for row in orphans]
    if name == "mysql":
        looks = connection.exec_driver_sql(f"check table {', '.join(f'`{name}`' for name in metadata.tables)}")
        return [f"{row[0]}: {row[3]}" for row in looks if row[3] != "OK"]
    for one in metadata.sorted_tables:
        connection.execute(sa.select(sa.func.count()).select_from(one))
    return []


def counts(connection: sa.Connection) -> dict[str, int]:
    """How many runs there are of each status."""
    wanted = sa.select(table.c.status, sa.func.count()).group_by(table.c.status).order_by(table.c.status)
    return {row[0]: row[1] for row in connection.execute(wanted)}


def give_back(db: StateDB) -> None:
    """Give the space of what was deleted back to the file or the server, and let it learn how long its tables are."""
    names = ", ".join(db.quote(name) for name in metadata.tables)
    statements = {
        "sqlite": ("vacuum", "pragma wal_checkpoint(truncate)", "pragma optimize"),
        "postgresql": (f"vacuum (analyze) {names}",),
        "mysql": (f"optimize table {names}", f"analyze table {names}"),
    }
    for statement in statements[db.kind]:
        db.run_alone(statement)


def ended_before(connection: sa.Connection, moment_ms: int, dry_ms: int) -> list[runs.Row]:
    """Runs that ended before a moment (dry runs: before another), and whose plan no live run was made from."""
    live = sa.select(table.c.plan_run).where(table.c.status.in_(LIVE), table.c.plan_run.is_not(None))
    old = sa.case((table.c.dry_run, table.c.finished_at < dry_ms), else_=table.c.finished_at < moment_ms)
    conditions = (table.c.status.in_(TERMINAL), old, table.c.id.not_in(live))
    return runs.select(connection, *conditions, order=(table.c.finished_at, table.c.id))


def remove(connection: sa.Connection, run_id: str, finished_at: int) -> bool:
    """Take out a run with all its rows; False when it is not as it was seen: somebody resumed it."""
    same = (table.c.id == run_id) & table.c.status.in_(TERMINAL) & (table.c.finished_at == finished_at)
    return connection.execute(sa.delete(table).where(same)).rowcount == 1
