"""A state DB is looked at before it is touched, and made where there is none."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from ..errors import NewerSchema, StateError
from . import schema
from .dialects import alone, fit_tables


def look_first(path: Path, shown: str) -> None:
    """Refuse a file that is not ours before anything is set: even WAL mode is a change of it."""
    if not path.exists() or not path.stat().st_size:
        return
    # Immutable: no -wal or -shm is made. What another process is writing may then be missed or torn;
    # the look that follows, with SQLite's locks, sees it.
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            found = dict(connection.execute("select name, value from meta").fetchall()) if "meta" in tables else {}
    except sqlite3.Error:
        return
    if tables:
        check(found, shown)


def read_meta(connection: sa.Connection, shown: str) -> dict[str, str]:
    """What the state DB says of itself; nothing where there is none yet.

    Raises
    ------
    StateError
        If tables of our names are there, and not ours.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if "meta" not in tables:
        if taken := sorted(tables & schema.metadata.tables.keys()):
            raise _not_ours(shown, f"it has a table {taken[0]!r} already")
        return {}
    if {column["name"] for column in sa.inspect(connection).get_columns("meta")} != {"name", "value"}:
        raise _not_ours(shown, "its table 'meta' is not ours")
    rows = connection.execute(sa.select(schema.meta.c.name, schema.meta.c.value))
    return {row.name: row.value for row in rows}


def is_made(found: dict[str, str]) -> bool:
    """Whether there is anything: a state DB, or what says that it is none."""
    return bool(found) and found.keys() != {"state_id"}


def create(connection: sa.Connection, shown: str) -> None:
    """Make the tables, unless another process was first.

    MySQL commits each statement by itself. So the version is written last: a state DB without one is
    half made, and whoever comes next makes the rest.
    """
    with alone(connection):
        found = read_meta(connection, shown)
        if is_made(found):
            return
        fit_tables(connection, schema.metadata)
        schema.meta.create(connection, checkfirst=True)
        if "state_id" not in found:
            connection.execute(schema.meta.insert().values(name="state_id", value=secrets.token_hex(8)))
        schema.metadata.create_all(connection)
        version = {"name": "schema_version", "value": str(schema.SCHEMA_VERSION)}
        connection.execute(schema.meta.insert().values(**version))


def check(found: dict[str, str], shown: str) -> int:
    """The version of a state DB's schema, if it is one that this release knows."""
    if not {"schema_version", "state_id"} <= found.keys():
        raise _not_ours(shown)
    version = int(found["schema_version"])
    if version > schema.SCHEMA_VERSION:
        raise NewerSchema(
            f"The state DB {shown} has schema {version}; this release knows {schema.SCHEMA_VERSION}. "
            "Upgrade jupyter-migrator here, or set MIGRATOR_STATE to another state DB."
        )
    return version


def _not_ours(shown: str, why: str = "") -> StateError:
    return StateError(f"{shown} is another program's database{f': {why}' if why else ''}. Set MIGRATOR_STATE to "
                      "another place.")  # fmt: skip
