"""The runner's pen: satisfies ``engine.ports.Journal``; every write is fenced by the token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from ..config import EXCEPTION_ROWS
from ..model import Counts, Item, Receipt, Shard
from . import events, runs
from .db import StateDB, now_ms
from .schema import exceptions
from .schema import runs as runs_table
from .schema import shards as shards_table

TALLIES = tuple(asdict(Counts()))


class Journal:
    """One attempt's writes."""

    def __init__(self, db: StateDB, claim: runs.Claim) -> None:
        self._db = db
        self._claim = claim
        self._run_id = claim.run_id

    def enter(self, phase: str) -> None:
        with self._db.write() as connection:
            self._fence(connection, phase=phase)
            events.append(connection, self._run_id, "phase", {"phase": phase, "attempt": self._claim.attempt})

    def planned(self, shards: Sequence[Shard], actions: Mapping[str, Mapping[str, int]], plan_hash: str) -> None:
        rows = [
            {"run_id": self._run_id, "no": s.no, "items": s.items, "bytes": s.bytes, "plan_file": s.plan_file}
            for s in shards
        ]
        with self._db.write() as connection:
            self._fence(
                connection,
                plan_hash=plan_hash,
                actions=actions,
                total=sum(s.items for s in shards),
                bytes_total=sum(s.bytes for s in shards),
            )
            connection.execute(sa.delete(shards_table).where(shards_table.c.run_id == self._run_id))
            if rows:
                connection.execute(shards_table.insert(), rows)
            events.append(connection, self._run_id, "plan", {"actions": actions, "plan_hash": plan_hash})

    def plan_hash(self) -> str | None:
        """The hash of the durable plan; None while there is none."""
        with self._db.read() as connection:
            return runs.get(connection, self._run_id)["plan_hash"]

    def shards(self) -> list[Shard]:
        with self._db.read() as connection:
            return read_shards(connection, self._run_id)

    def commit(self, shard: Shard, receipts: str, counts: Counts, failures: Iterable[tuple[Item, Receipt]]) -> None:
        with self._db.write() as connection:
            self._fence(connection)
            mine = (shards_table.c.run_id == self._run_id) & (shards_table.c.no == shard.no)
            connection.execute(
                sa.update(shards_table)
                .where(mine)
                .values(
                    state="done" if counts.done == shard.items else "todo",
                    receipts=[*shard.receipts, receipts],
                    attempt=self._claim.attempt,
                    **asdict(counts),
                )
            )
            self._replace_exceptions(connection, shard, failures)
            self._fence(connection, **self._sums(connection))

    def pulse(
        self, counts: Counts, rates: tuple[float | None, float | None], engine_ms: int, listed: int | None = None
    ) -> bool:
        """Write how far the run is, and see whether its end is asked for.

        ``listed``, while planning, stands for the total that is not known yet.

        Returns
        -------
        bool
            Whether cancel was requested.
        """
        with self._db.write() as connection:
            figures: dict[str, object] = {
                "rate": rates[0],
                "byte_rate": rates[1],
                "engine_ms": engine_ms,
                **asdict(counts),
            }
            if listed:  # but never over the plan's own total, which another thread may just have written
                unplanned = runs_table.c.plan_hash.is_(None)
                figures["total"] = sa.case((unplanned, listed), else_=runs_table.c.total)
            self._fence(connection, heartbeat_at=now_ms(), **figures)
            asked = sa.select(runs_table.c.cancel_requested_at).where(runs_table.c.id == self._run_id)
            return connection.execute(asked).scalar() is not None

    def warn(self, text: str) -> None:
        with self._db.write() as connection:
            self._fence(connection)
            events.append(connection, self._run_id, "warning", {"text": text})

    def end(self, status: str, error: str | None = None) -> bool:
        """The attempt's last write; False when the run was no longer ours."""
        with self._db.write() as connection:
            return runs.end(connection, self._run_id, self._claim.token, status, error)

    def counts(self) -> Counts:
        """The run's committed tallies."""
        with self._db.read() as connection:
            return Counts(**self._sums(connection))

    def _fence(self, connection: sa.Connection, **values: object) -> None:
        # Something is always written: the UPDATE is what locks the row and proves the token.
        runs.fence(connection, self._run_id, self._claim.token, **(values or {"status": "running"}))

    def _sums(self, connection: sa.Connection) -> dict[str, int]:
        columns = [sa.func.coalesce(sa.func.sum(shards_table.c[name]), 0).label(name) for name in TALLIES]
        row = connection.execute(sa.select(*columns).where(shards_table.c.run_id == self._run_id)).mappings().one()
        return {name: int(row[name]) for name in TALLIES}

    def _replace_exceptions(
        self, connection: sa.Connection, shard: Shard, failures: Iterable[tuple[Item, Receipt]]
    ) -> None:
        of_run = exceptions.c.run_id == self._run_id
        connection.execute(sa.delete(exceptions).where(of_run, exceptions.c.shard_no == shard.no))
        held = connection.execute(sa.select(sa.func.count()).select_from(exceptions).where(of_run)).scalar_one()
        rows = [
            {
                "run_id": self._run_id,
                "item_no": item.item_no,
                "shard_no": shard.no,
                "key": item.key,
                "status": receipt.status,
                "error": receipt.error,
                "attempt": self._claim.attempt,
                "at": receipt.at or now_ms(),
            }
            for item, receipt in failures
        ][: max(0, EXCEPTION_ROWS - held)]
        if rows:
            connection.execute(exceptions.insert(), rows)


def read_shards(connection: sa.Connection, run_id: str) -> list[Shard]:
    """A run's shards, in order."""
    wanted = sa.select(shards_table).where(shards_table.c.run_id == run_id).order_by(shards_table.c.no)
    return [
        Shard(
            row["no"],
            row["items"],
            row["bytes"],
            row["plan_file"],
            tuple(row["receipts"]),
            row["state"],
            Counts(**{name: row[name] for name in TALLIES}),
        )
        for row in connection.execute(wanted).mappings()
    ]


def read_exceptions(connection: sa.Connection, run_id: str, limit: int) -> list[dict[str, object]]:
    """The items that failed or were refused, as far as the state DB keeps them: failed first."""
    columns = (exceptions.c.item_no, exceptions.c.key, exceptions.c.status, exceptions.c.error)
    order = (exceptions.c.status, exceptions.c.item_no)
    wanted = sa.select(*columns).where(exceptions.c.run_id == run_id).order_by(*order).limit(limit)
    return [dict(row) for row in connection.execute(wanted).mappings()]
