"""Upgrades of the schema, a step a version.

All steps and their record are one transaction, except on MySQL and MariaDB, which commit each change
of a table by itself. So each step looks at what is there and does what is missing: one that was cut
off is done again from its beginning, and the record is written last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from ..errors import StateError
from . import schema
from .dialects import alone, fit_tables, kind, now_ms

Row = Mapping[str, Any]


def upgrade(connection: sa.Connection, shown: str, dead: Callable[[Row], bool]) -> None:
    """Bring an older schema to this release's, unless a run of an older release may be at work.

    Parameters
    ----------
    dead : callable
        Whether a run that is ``starting`` or ``running``, by its row, is known to be gone.

    Raises
    ------
    StateError
        If one is not; nothing has been changed then.
    """
    with alone(connection):
        version = _version(connection)  # another process may have been first
        if version >= schema.SCHEMA_VERSION:
            return
        if living := [row["id"] for row in _at_work(connection) if not dead(row)]:
            raise StateError(
                f"The state DB {shown} has schema {version}, and {', '.join(living[:3])} of an older release may still "
                "run. Wait until it has ended, or cancel it there; `migrator state upgrade` goes by what lives."
            )
        fit_tables(connection, schema.metadata)
        for number in range(version + 1, schema.SCHEMA_VERSION + 1):
            STEPS[number](connection)
        done = sa.update(schema.meta).where(schema.meta.c.name == "schema_version")
        connection.execute(done.values(value=str(schema.SCHEMA_VERSION)))


def _version(connection: sa.Connection) -> int:
    wanted = sa.select(schema.meta.c.value).where(schema.meta.c.name == "schema_version")
    return int(connection.execute(wanted).scalar_one())


def _at_work(connection: sa.Connection) -> list[Row]:
    """Rows as they are there: the columns are those of their version."""
    rows = connection.exec_driver_sql("select * from runs where status in ('starting', 'running')").mappings()
    return [{**row, "now": now_ms(connection)} for row in rows]


def _to_2(connection: sa.Connection) -> None:
    """The queue, leases that are used, and writes that are made once."""
    number = {"nullable": False, "server_default": sa.text("0")}
    names = {"nullable": False, "server_default": sa.text("('[]')" if kind(connection) == "mysql" else "'[]'")}
    _add_columns(
        connection,
        sa.Column("place", sa.BigInteger, **number),
        sa.Column("not_before", sa.BigInteger, **number),
        sa.Column("max_attempts", sa.Integer, nullable=False, server_default=sa.text("3")),
        sa.Column("crashes", sa.Integer, **number),
        sa.Column("import_path", sa.JSON, **names),
        sa.Column("needs", sa.JSON, **names),
        sa.Column("writes", sa.JSON, **names),
        sa.Column("held_for", sa.Text),
        sa.Column("start_requested_at", sa.BigInteger),
        sa.Column("step", sa.BigInteger, **number),
    )
    if "token" in _columns(connection, "leases"):  # nobody took any
        schema.leases.drop(connection)
    schema.metadata.create_all(connection)
    _exchange_index(connection, "runs_claim", "runs_turn", "runs_status")


def _to_3(connection: sa.Connection) -> None:
    """What stores made a run wait for."""
    _add_columns(
        connection,
        sa.Column("throttled_by", sa.Text),
        sa.Column("throttled_since", sa.BigInteger),
        sa.Column("retries", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    )


STEPS: Mapping[int, Callable[[sa.Connection], None]] = {2: _to_2, 3: _to_3}


def _columns(connection: sa.Connection, table: str) -> set[str]:
    return {column["name"] for column in sa.inspect(connection).get_columns(table)}


def _add_columns(connection: sa.Connection, *columns: sa.Column[Any]) -> None:
    there = _columns(connection, "runs")
    for column in columns:
        if column.name not in there:
            described = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(sa.DDL(f"alter table runs add column {described}".replace("%", "%%")))


def _exchange_index(connection: sa.Connection, old: str, *new: str) -> None:
    there = {index["name"] for index in sa.inspect(connection).get_indexes("runs")}
    if old in there:
        sa.Index(old, _table=sa.Table("runs", sa.MetaData())).drop(connection)
    for index in schema.runs.indexes:
        if index.name in new and index.name not in there:
            index.create(connection)
