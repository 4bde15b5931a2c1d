"""The queue is the runs themselves: who is next, how many run, what place each has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from . import runs
from .dialects import insert_missing, now_ms
from .schema import queues
from .schema import runs as table

# The first candidate is nearly always the one: pages begin small.
PAGES = (4, 16, 64, 256)
ORDER = (table.c.priority.desc(), table.c.place, table.c.id)


def ensure(connection: sa.Connection, name: str) -> None:
    """A queue is there from its first mention on, with a limit of one."""
    insert_missing(connection, queues, {"name": name, "max_running": 1})


def settings(connection: sa.Connection, name: str, *, lock: bool = False) -> dict[str, Any]:
    """``name max_running paused_at`` of a queue; ``lock`` serialises claims, so that its limit holds."""
    wanted = sa.select(queues).where(queues.c.name == name)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().first()
    return dict(row) if row else {"name": name, "max_running": 1, "paused_at": None}


def change(connection: sa.Connection, name: str, **values: Any) -> None:
    """Set ``max_running`` (None: no limit) or ``paused_at`` of a queue."""
    ensure(connection, name)
    connection.execute(sa.update(queues).where(queues.c.name == name).values(**values))


def names(connection: sa.Connection) -> list[str]:
    """Every queue that was ever mentioned."""
    return list(connection.execute(sa.select(queues.c.name).order_by(queues.c.name)).scalars())


def running(connection: sa.Connection, name: str) -> list[runs.Row]:
    """The queue's runs that count against its limit, oldest first."""
    live = table.c.status.in_(("starting", "running"))
    return runs.select(connection, table.c.queue == name, table.c.mode == "queue", live, order=(table.c.place,))


def waiting(connection: sa.Connection, name: str, *, due: bool = False, lock: bool = False) -> Iterator[runs.Row]:
    """The queue's waiting runs in their order, read a page at a time; ``due`` leaves out what is not to start yet."""
    wanted = sa.select(table).where(*_queued(name)).order_by(*ORDER)
    if due:
        wanted = wanted.where(table.c.not_before <= now_ms(connection))
    if lock:  # what somebody cancels or moves at this moment is not to be waited for
        wanted = wanted.with_for_update(skip_locked=True)
    rest, sizes = wanted, iter(PAGES)
    while page := connection.execute(rest.limit(size := next(sizes, PAGES[-1]))).mappings().all():
        yield from map(dict, page)
        if len(page) < size:
            return
        rest = wanted.where(sa.not_(_at_or_ahead_of(dict(page[-1]))))


def position(connection: sa.Connection, row: runs.Row) -> int:
    """A queued run's place, from 1."""
    # Each part is one range of the index; all of them joined by "or" make MariaDB look at every queued run.
    counts = [sa.select(sa.func.count()).where(*_queued(row["queue"]), part).scalar_subquery() for part in _ranges(row)]
    return max(1, sum(connection.execute(sa.select(*counts)).one()))


def ahead(connection: sa.Connection, row: runs.Row, limit: int) -> list[str]:
    """The ids of the first runs ahead of a queued one."""
    before = sa.and_(*_queued(row["queue"]), _at_or_ahead_of(row))
    wanted = sa.select(table.c.id).where(before, table.c.id != row["id"]).order_by(*ORDER).limit(limit)
    return list(connection.execute(wanted).scalars())


def note_lack(connection: sa.Connection, run_id: str, lack: str | None) -> None:
    """Write down what a worker does not have, for those who look."""
    queued = (table.c.id == run_id) & (table.c.status == "queued")
    connection.execute(sa.update(table).where(queued).values(waiting_for=lack))


def _queued(name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.queue == name, table.c.status == "queued"


def _at_or_ahead_of(row: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    return sa.or_(*_ranges(row))


def _ranges(row: Mapping[str, Any]) -> tuple[sa.ColumnElement[bool], ...]:
    """The run itself and those ahead of it, as ranges of the order of turns that do not overlap."""
    same, beside = table.c.priority == row["priority"], table.c.place == row["place"]
    return (
        table.c.priority > row["priority"],
        same & (table.c.place < row["place"]),
        same & beside & (table.c.id <= row["id"]),
    )
