"""Leases on targets: who may write where. Held by a run while it is starting or running."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from .dialects import insert_missing, now_ms
from .schema import leases, runs, scopes
from .texts import escape

SCOPE_LENGTH = 255
# (scope, path of whole segments), as migrations.Target says it
Place: TypeAlias = tuple[str, str]


def overlap(one: Place, other: Place) -> bool:
    """Whether one is the other, or lies inside it, by whole path segments."""
    if one[0] != other[0]:
        return False
    a, b = _segments(one[1]), _segments(other[1])
    shorter = min(len(a), len(b))
    return a[:shorter] == b[:shorter]


def places(writes: Iterable[Sequence[str]]) -> list[Place]:
    """A run's ``writes`` column as places, in the form in which they are compared and stored."""
    return [(_fitting(scope), path) for scope, path in writes]


def take(connection: sa.Connection, run_id: str, wanted: Sequence[Place]) -> str | None:
    """Take leases on all of these, or on none.

    Returns
    -------
    str or None
        The id of a run that holds one in the way; None when they are taken.
    """
    _lock_scopes(connection, wanted)
    holder = find_holder(connection, wanted, but=run_id)
    if holder is None and wanted:
        release(connection, run_id)
        now = now_ms(connection)
        rows = [{"run_id": run_id, "scope": scope, "path": path, "taken_at": now} for scope, path in wanted]
        connection.execute(leases.insert(), rows)
    return holder


def find_holder(connection: sa.Connection, wanted: Sequence[Place], but: str) -> str | None:
    """The run that holds a lease which overlaps one of these, if any."""
    in_scopes = leases.c.scope.in_(sorted({scope for scope, _ in wanted}))
    rows = connection.execute(sa.select(leases).where(in_scopes, leases.c.run_id != but).order_by(leases.c.id))
    for row in rows:
        if any(overlap(place, (row.scope, row.path)) for place in wanted):
            return row.run_id
    return None


def release(connection: sa.Connection, run_id: str) -> None:
    """Give back whatever the run holds."""
    connection.execute(sa.delete(leases).where(leases.c.run_id == run_id))


def held(connection: sa.Connection) -> list[dict[str, Any]]:
    """Every lease: ``run_id scope path taken_at``, oldest first."""
    columns = (leases.c.run_id, leases.c.scope, leases.c.path, leases.c.taken_at)
    wanted = sa.select(*columns).join(runs, runs.c.id == leases.c.run_id).order_by(leases.c.id)
    return [dict(row) for row in connection.execute(wanted).mappings()]


def _lock_scopes(connection: sa.Connection, wanted: Sequence[Place]) -> None:
    """One row a scope, in sorted order: of two who want nested prefixes the second waits here and
    then sees the first's. SQLite has one writer at a time already."""
    names = sorted({scope for scope, _ in wanted})
    for name in names:
        insert_missing(connection, scopes, {"name": name})
    if names:
        wanted_rows = sa.select(scopes.c.name).where(scopes.c.name.in_(names)).order_by(scopes.c.name).with_for_update()
        connection.execute(wanted_rows).all()


def _fitting(scope: str) -> str:
    """A scope as the indexed column takes it: a long one by its beginning and its hash."""
    if len(escape(scope)) <= SCOPE_LENGTH:
        return scope
    return f"{scope[:40]}…{hashlib.sha256(scope.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _segments(path: str) -> list[str]:
    return path.split("/") if path else []
