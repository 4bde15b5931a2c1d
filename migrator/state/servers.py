"""How a database server is reached: its driver, its patience, its rules.

The session's rules are not left to the server: one may be lax with text that is too long, another waits
for a lock for a minute, and none gives up by itself a transaction whose client was stopped or cut off –
which may hold the row that every claim of a queue needs.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError

from ..errors import StateError

CONNECT_S = 5
ANSWER_S = 20
LOCK_S = 10
# A transaction of ours takes milliseconds; one that says nothing for so long has lost its client.
IDLE_S = 15

DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",  # the server says by itself which of the two it is
    "mariadb+pymysql": "mysql+pymysql",
}
# The part after `/*M!` is for MariaDB alone; MySQL has no such limit, and takes it for a comment.
_MYSQL_RULES = (
    f"set session sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', session innodb_lock_wait_timeout = {LOCK_S} "
    f"/*M! , session idle_transaction_timeout = {IDLE_S} */"
)
_POSTGRESQL_RULES = (f"set lock_timeout = '{LOCK_S}s'", f"set idle_in_transaction_session_timeout = '{IDLE_S}s'")


def parse(url: str) -> sa.URL:
    """A state DB's URL with the driver that we ask for, where it names none.

    Raises
    ------
    StateError
        If it is no URL; what it says is not repeated, since it may hold a password.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise StateError(
            "The URL of the state DB can't be read. It looks like postgresql://user:password@host:5432/database; "
            "special characters in a password are written as %XX."
        ) from None
    return parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))


def shown(url: sa.URL) -> str:
    """A URL without its password, wherever that stands."""
    secret = [name for name in url.query if "pass" in name.lower() or name.lower() == "pwd"]
    return url.update_query_dict(dict.fromkeys(secret, "***")).render_as_string(hide_password=True)


def make_engine(url: sa.URL) -> sa.Engine:
    """An engine for a server, on which a write sees what was committed before each statement."""
    name = url.get_backend_name()
    engine = sa.create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=_arguments(url))
    rules = {"postgresql": _POSTGRESQL_RULES, "mysql": (_MYSQL_RULES,)}.get(name, ())
    event.listen(engine, "connect", lambda connection, _: _set_rules(connection, rules))
    return engine


def _arguments(url: sa.URL) -> dict[str, Any]:
    """What the driver needs to give up in time; what the URL says goes first."""
    known: dict[str, dict[str, Any]] = {
        "psycopg": {"connect_timeout": CONNECT_S, "keepalives_idle": 10, "keepalives_interval": 5,
                    "keepalives_count": 3, "tcp_user_timeout": ANSWER_S * 1000},
        "pymysql": {"connect_timeout": CONNECT_S, "read_timeout": ANSWER_S, "write_timeout": ANSWER_S,
                    "charset": "utf8mb4"},
    }  # fmt: skip
    arguments = known.get(url.get_driver_name(), {})
    return {name: value for name, value in arguments.items() if name not in url.query}


def _set_rules(connection: Any, rules: tuple[str, ...]) -> None:
    cursor = connection.cursor()
    for rule in rules:
        cursor.execute(rule)
    cursor.close()
    connection.commit()
