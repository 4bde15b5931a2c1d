"""The state DB's engine: one way to open it, one way to write, one way to read."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..config import LEASE_LOCAL_S, LEASE_SERVER_S
from ..errors import MigratorError, StateError
from . import opening, places, schema, servers, troubles, upgrades
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
    dead : callable, optional
        Whether a run, by its row, is known to be gone, for an upgrade of the schema: by itself that waits
        until none is starting or running.

    Raises
    ------
    StateError
        If it can't be opened, read or created.
    NewerSchema
        If a newer release wrote it; nothing has been changed then.
    """

    def __init__(self, url: str, busy_ms: int = BUSY_MS, dead: Callable[[Any], bool] = lambda _: False) -> None:
        self.url = url
        self._busy_ms = busy_ms
        self._parsed = servers.parse(url)
        self.shown = servers.shown(self._parsed)
        self.sqlite = self._parsed.get_backend_name() == "sqlite"
        with self._doors():
            self._prepare_file()
            self._engine = self._make_engine()
            self._over = threading.Event()
            event.listen(self._engine, "checkin", partial(_close_if, self._over))
            # One that nobody closes closes its connections as it goes; at the process's end the system does.
            weakref.finalize(self, self._engine.dispose).atexit = False
            # A server's reads are of one moment as well; SQLite's are by themselves.
            self._reader = self._engine if self.sqlite else _of_one_moment(self._engine)
            try:
                self.state_id = self._open_schema(dead)
            except BaseException:
                self.close()
                raise

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
        with self._doors(), self._reader.connect() as connection, connection.begin():
            if self.sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    def run_alone(self, statement: str) -> None:
        """One statement outside of any transaction, where the database takes it only so."""
        with self._doors(), self._engine.connect() as connection:
            if not self.sqlite:
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(statement)

    @property
    def kind(self) -> str:
        """``sqlite``, ``postgresql`` or ``mysql``, which is MariaDB as well."""
        return self._engine.dialect.name

    def quote(self, name: str) -> str:
        """A table's name as its SQL writes it."""
        return self._engine.dialect.identifier_preparer.quote(name)

    def close(self) -> None:
        """Close its connections; one that a thread is using when that is done."""
        self._over.set()
        self._engine.dispose()

    @contextmanager
    def _doors(self) -> Iterator[None]:
        """Foreign errors leave as ours, the cause attached, with no SQL or parameters in the text."""
        try:
            yield
        except (DatabaseError, InterfaceError, PoolTimeout, sqlite3.Error, OSError) as error:
            raise troubles.told(error, self.shown, self._path, server=not self.sqlite) from error
        except StatementError as error:  # a value that a column does not take
            if isinstance(error.orig, MigratorError):
                raise error.orig from None
            raise
        except ArgumentError as error:
            raise StateError(f"{self.shown!r} is no URL of a state DB: {error}.") from None
        except ImportError as error:
            raise StateError(_no_driver(self._parsed, error)) from None

    def _prepare_file(self) -> None:
        path = self._path
        if path is None:
            return
        places.refuse_network(path)
        opening.look_first(path, self.shown)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made by us with its mode before SQLite sees it: SQLite gives -wal and -shm the mode of the file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))

    @property
    def _path(self) -> Path | None:
        name = self._parsed.database if self.sqlite else None
        return Path(name) if name and name != ":memory:" else None

    def _make_engine(self) -> sa.Engine:
        if not self.sqlite:
            return servers.make_engine(self._parsed)
        engine = sa.create_engine(self._parsed, connect_args={"timeout": self._busy_ms / 1000})
        event.listen(engine, "connect", lambda connection, _: _set_pragmas(connection, self._busy_ms))
        return engine

    def _open_schema(self, dead: Callable[[Any], bool]) -> str:
        if not opening.is_made(self._meta()):
            with self.write() as connection:
                opening.create(connection, self.shown)
        found = self._meta()
        if opening.check(found, self.shown) < schema.SCHEMA_VERSION:
            with self.write() as connection:
                upgrades.upgrade(connection, self.shown, dead)
        return found["state_id"]

    def _meta(self) -> dict[str, str]:
        with self.read() as connection:
            return opening.read_meta(connection, self.shown)


def _close_if(over: threading.Event, _: Any, record: sa.pool.ConnectionPoolEntry) -> None:
    # The pool that it goes back to may be one that has been disposed of, which closes nothing any more.
    if over.is_set():
        record.invalidate()


def _set_pragmas(connection: Any, busy_ms: int) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    try:
        for pragma in (f"busy_timeout={busy_ms}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            _set_pragma(cursor, pragma, time.monotonic() + busy_ms / 1000)
    except BaseException:
        connection.close()  # the pool has not heard of it yet
        raise
    cursor.close()


def _set_pragma(cursor: Any, pragma: str, end: float) -> None:
    # While another process makes a new database a WAL one, SQLite does not wait: it says at once that it is locked.
    while True:
        try:
            cursor.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)


def _no_driver(url: sa.URL, error: ImportError) -> str:
    extra = {"postgresql": "postgres", "mysql": "mysql"}.get(url.get_backend_name())
    way_out = f"pip install 'jupyter-migrator[{extra}]'" if extra else "Install it"
    return f"The state DB {servers.shown(url)} needs a driver that is not installed ({error}): {way_out}."


def _of_one_moment(engine: sa.Engine) -> sa.Engine:
    return engine.execution_options(isolation_level="REPEATABLE READ")
