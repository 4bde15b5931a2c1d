"""What databases say differently: the time, an insert of what may be there, a race that was lost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

# deadlock and lock wait (MySQL, MariaDB); serialization failure and deadlock (PostgreSQL)
RACES = ("1213", "1205", "40001", "40P01", "1020")

_CLOCKS = {
    "postgresql": "cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)",
    "mysql": "cast(unix_timestamp(sysdate(6)) * 1000000 as signed)",
    "mariadb": "cast(unix_timestamp(sysdate(6)) * 1000000 as signed)",
}


def clock(dialect: str) -> sa.ColumnElement[int]:
    """The time as an expression, in microseconds since the epoch.

    A server's own clock, so that hosts need not agree; on SQLite, which is one host, the host's.
    """
    if dialect in _CLOCKS:
        return sa.literal_column(_CLOCKS[dialect], sa.BigInteger)
    return sa.literal(time.time_ns() // 1000, sa.BigInteger)


def now_us(connection: sa.Connection) -> int:
    """Microseconds since the epoch by the state DB's clock."""
    if connection.dialect.name not in _CLOCKS:
        return time.time_ns() // 1000
    return int(connection.execute(sa.select(clock(connection.dialect.name))).scalar_one())


def now_ms(connection: sa.Connection) -> int:
    """Milliseconds since the epoch by the state DB's clock."""
    return now_us(connection) // 1000


def insert_missing(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Insert a row unless one with its primary key is there."""
    name = connection.dialect.name
    if name in ("mysql", "mariadb"):
        connection.execute(table.insert().prefix_with("IGNORE").values(**values))
        return
    from sqlalchemy.dialects import postgresql, sqlite

    insert = postgresql.insert if name == "postgresql" else sqlite.insert
    connection.execute(insert(table).values(**values).on_conflict_do_nothing())


def lost_a_race(error: BaseException | None) -> bool:
    """Whether a database gave this transaction up for another's sake: it may be done again."""
    orig = getattr(error, "orig", None)
    codes = (
        str(getattr(orig, "sqlstate", "")),
        str(getattr(orig, "pgcode", "")),
        str(next(iter(getattr(orig, "args", ())), "")),
    )
    return any(code in RACES for code in codes)
