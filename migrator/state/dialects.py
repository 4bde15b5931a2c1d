"""What databases say differently: the time, an insert of what may be there, a race that was lost.

SQLAlchemy's dialects are imported where they are used: the three together cost each process 50 ms.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from ..errors import StateError

# deadlock and lock wait (MySQL, MariaDB); serialization failure, deadlock and lock wait (PostgreSQL)
RACES = ("1213", "1205", "1020", "40001", "40P01", "55P03")

# How long to wait for another process that makes the tables.
LOCK_S = 15
_ALONE = 0x6D69_6772_6174_6F72  # "migrator"

_CLOCKS = {
    "postgresql": "cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)",
    # not unix_timestamp(): that goes by the session's zone, where an hour comes twice in autumn
    "mysql": "timestampdiff(microsecond, '1970-01-01', utc_timestamp(6))",
}


_ALIASES = {"mariadb": "mysql"}  # a caller's connection may say so


def kind(connection: sa.Connection) -> str:
    """``sqlite``, ``postgresql`` or ``mysql``, which is MariaDB as well."""
    return _ALIASES.get(connection.dialect.name, connection.dialect.name)


def clock(dialect: str) -> sa.ColumnElement[int]:
    """The time as an expression, in microseconds since the epoch.

    A server's own clock, so that hosts need not agree; on SQLite, which is one host, the host's.
    """
    if (expression := _CLOCKS.get(_ALIASES.get(dialect, dialect))) is not None:
        return sa.literal_column(expression, sa.BigInteger)
    return sa.literal(time.time_ns() // 1000, sa.BigInteger)


def now_us(connection: sa.Connection) -> int:
    """Microseconds since the epoch by the state DB's clock."""
    if (name := kind(connection)) not in _CLOCKS:
        return time.time_ns() // 1000
    return int(connection.execute(sa.select(clock(name))).scalar_one())


def now_ms(connection: sa.Connection) -> int:
    """Milliseconds since the epoch by the state DB's clock."""
    return now_us(connection) // 1000


def insert_missing(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Insert a row unless one with its primary key is there.

    Looked for first: on MySQL the attempt alone locks the row, until its transaction ends.
    """
    known = [column == values[column.name] for column in table.primary_key]
    if connection.execute(sa.select(*table.primary_key).where(*known)).first() is None:
        connection.execute(_insert_or_leave(kind(connection), table, values))


def _insert_or_leave(name: str, table: sa.Table, values: Mapping[str, Any]) -> sa.Executable:
    if name == "mysql":
        from sqlalchemy.dialects import mysql

        column = next(iter(table.primary_key))
        return mysql.insert(table).values(**values).on_duplicate_key_update({column.name: column})
    if name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    return insert(table).values(**values).on_conflict_do_nothing()


@contextmanager
def alone(connection: sa.Connection) -> Iterator[None]:
    """Inside, no other process makes or changes the tables of this database.

    For a connection in its transaction. On PostgreSQL the lock ends with that; on SQLite the
    transaction is the lock.
    """
    name = kind(connection)
    if name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ALONE)))
    if name != "mysql":
        yield
        return
    # Of the server, so the database's name belongs in it. DDL commits at once and leaves it alone.
    lock = sa.func.concat("migrator ", sa.func.md5(sa.func.database()))
    if connection.execute(sa.select(sa.func.get_lock(lock, LOCK_S))).scalar() != 1:
        raise StateError("Another process makes or upgrades the tables of the state DB just now. Try again.")
    try:
        yield
        connection.exec_driver_sql("commit")  # before anybody else looks
    finally:
        connection.execute(sa.select(sa.func.release_lock(lock)))


def fit_tables(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """On MySQL and MariaDB texts are Unicode, and equal only when they are the same.

    By their defaults `a` is `A`, and in most of their binary collations `a` is `a `; those without
    padding have different names.
    """
    dialect: Any = connection.dialect
    if dialect.name != "mysql":
        return
    collation = "utf8mb4_nopad_bin" if dialect.is_mariadb else "utf8mb4_0900_bin"
    for table in metadata.tables.values():
        table.dialect_options["mysql"].update(engine="InnoDB", charset="utf8mb4", collate=collation)


def lost_a_race(error: BaseException | None) -> bool:
    """Whether a database gave this transaction up for another's sake: it may be done again."""
    orig = getattr(error, "orig", None)
    codes = (
        str(getattr(orig, "sqlstate", "")),
        str(getattr(orig, "pgcode", "")),
        str(next(iter(getattr(orig, "args", ())), "")),
    )
    return any(code in RACES for code in codes)
