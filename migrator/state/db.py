"""The state DB's engine: one way to open it, one way to write, one way to read."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DatabaseError

from ..config import LEASE_LOCAL_S, LEASE_SERVER_S
from ..errors import NewerSchema, StateError
from . import schema, troubles
from .dialects import lost_a_race

T = TypeVar("T")

BUSY_MS = 15_000
RACES = 8


class StateDB:
    """Where runs live.

    Parameters
    ----------
    url : str
        Any SQLAlchemy URL.
    busy_ms : int
        How long to wait for another process's write lock (SQLite).

    Raises
    ------
    StateError
        If it can't be opened, read or created.
    NewerSchema
        If a newer release wrote it; nothing has been changed then.
    """

    def __init__(self, url: str, busy_ms: int = BUSY_MS) -> None:
        self.url = url
        self._busy_ms = busy_ms
        self.shown = sa.make_url(url).render_as_string(hide_password=True)
        self.sqlite = url.startswith("sqlite")
        with self._doors():
            self._look_first()
            self._prepare_file()
            self._engine = self._make_engine()
            self.state_id = self._open_schema()

    @property
    def lease_ms(self) -> int:
        """How long a lease lasts unless it is renewed: longer where a network lies between."""
        return int((LEASE_LOCAL_S if self.sqlite else LEASE_SERVER_S) * 1000)

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Do ``work`` in one write transaction, again when another transaction's lock made it fail."""
        for attempt in range(RACES):
            try:
                with self.write() as connection:
                    return work(connection)
            except StateError as error:
                if attempt == RACES - 1 or not lost_a_race(error.__cause__):
                    raise
                time.sleep(0.005 * 2**attempt * (1 + secrets.randbelow(100) / 100))
        raise AssertionError

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that holds the write lock from its first statement (SQLite), so that
        what it reads can't be overtaken before it writes."""
        with self._doors(), self._engine.connect() as connection, connection.begin():
            if self.sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent picture."""
        with self._doors(), self._engine.connect() as connection, connection.begin():
            if self.sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _doors(self) -> Iterator[None]:
        """Foreign errors leave as ours, the cause attached, with no SQL or parameters in the text."""
        try:
            yield
        except (DatabaseError, sqlite3.Error, OSError) as error:
            raise troubles.told(error, self.shown, self._path) from error
        except ArgumentError as error:
            raise StateError(f"{self.shown!r} is no URL of a state DB: {error}.") from None
        except ImportError as error:
            raise StateError(f"The state DB {self.shown} needs a driver that is not installed: {error}.") from None

    def _look_first(self) -> None:
        """Refuse what is not ours before anything is set: even WAL mode is a change of the file."""
        path = self._path
        if path is None or not path.exists() or not path.stat().st_size:
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
            self._check_meta(found)

    def _prepare_file(self) -> None:
        path = self._path
        if path is None:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made by us with its mode before SQLite sees it: SQLite gives -wal and -shm the mode of the file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))

    @property
    def _path(self) -> Path | None:
        name = sa.make_url(self.url).database if self.sqlite else None
        return Path(name) if name and name != ":memory:" else None

    def _make_engine(self) -> sa.Engine:
        if not self.sqlite:
            return sa.create_engine(self.url, pool_pre_ping=True, isolation_level="READ COMMITTED")
        engine = sa.create_engine(self.url, connect_args={"timeout": self._busy_ms / 1000})
        event.listen(engine, "connect", lambda connection, _: _set_pragmas(connection, self._busy_ms))
        return engine

    def _open_schema(self) -> str:
        with self._engine.connect() as connection:
            known = sa.inspect(connection).has_table("meta")
        if not known:
            self._create_schema()
        with self.read() as connection:
            rows = connection.execute(sa.select(schema.meta.c.name, schema.meta.c.value))
            return self._check_meta({row.name: row.value for row in rows})

    def _create_schema(self) -> None:
        with self.write() as connection:
            if sa.inspect(connection).has_table("meta"):  # another process was first
                return
            schema.metadata.create_all(connection)
            values = {"schema_version": str(schema.SCHEMA_VERSION), "state_id": secrets.token_hex(8)}
            rows = [{"name": name, "value": value} for name, value in values.items()]
            connection.execute(schema.meta.insert(), rows)

    def _check_meta(self, found: dict[str, str]) -> str:
        """The state DB's id, if it is a state DB, and one that this release knows."""
        if not {"schema_version", "state_id"} <= found.keys():
            raise StateError(f"{self.shown} is another program's database. Set MIGRATOR_STATE to another place.")
        version = int(found["schema_version"])
        if version > schema.SCHEMA_VERSION:
            raise NewerSchema(
                f"The state DB {self.shown} has schema {version}; this release knows {schema.SCHEMA_VERSION}. "
                "Upgrade jupyter-migrator here, or set MIGRATOR_STATE to another state DB."
            )
        return found["state_id"]


def _set_pragmas(connection: Any, busy_ms: int) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={busy_ms}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
