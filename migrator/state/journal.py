"""The runner's pen: satisfies ``engine.ports.Journal``; every write is fenced by the token."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from ..config import EXCEPTION_ROWS
from ..errors import StateError
from ..model import Counts, Item, Receipt, Shard
from . import events, leases, runs
from .db import StateDB
from .dialects import now_ms
from .schema import exceptions
from .schema import runs as runs_table
from .schema import shards as shards_table

TALLIES = tuple(asdict(Counts()))
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Requests:
    """What is asked of a running attempt."""

    cancel: bool
    pause: bool
    limits: Mapping[str, Any]


class Journal:
    """One attempt's writes.

    Parameters
    ----------
    patience : callable
        Told why the state DB can't be used just now; sleeps, and says whether to try again. Told
        None when it can be used again.
    """

    def __init__(
        self, db: StateDB, claim: runs.Claim, patience: Callable[[StateError | None], bool] | None = None
    ) -> None:
        self._db = db
        self._claim = claim
        self._run_id = claim.run_id
        self._step = claim.row["step"]
        self._patience = patience or (lambda _: False)
        self._in_turn = threading.Lock()  # the pulse's warnings and the engine's commits

    def enter(self, phase: str) -> None:
        def work(connection: sa.Connection) -> None:
            events.append(connection, self._run_id, "phase", {"phase": phase, "attempt": self._claim.attempt})

        self._write(work, phase=phase)

    def planned(self, shards: Sequence[Shard], actions: Mapping[str, Mapping[str, int]], plan_hash: str) -> None:
        rows = [
            {"run_id": self._run_id, "no": s.no, "items": s.items, "bytes": s.bytes, "plan_file": s.plan_file}
            for s in shards
        ]

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(shards_table).where(shards_table.c.run_id == self._run_id))
            if rows:
                connection.execute(shards_table.insert(), rows)
            events.append(connection, self._run_id, "plan", {"actions": actions, "plan_hash": plan_hash})

        totals = {"total": sum(s.items for s in shards), "bytes_total": sum(s.bytes for s in shards)}
        self._write(work, plan_hash=plan_hash, actions=actions, **totals)

    def plan_hash(self) -> str | None:
        """The hash of the durable plan; None while there is none."""
        return self._read(lambda connection: runs.get(connection, self._run_id)["plan_hash"])

    def shards(self) -> list[Shard]:
        return self._read(lambda connection: read_shards(connection, self._run_id))

    def commit(self, shard: Shard, receipts: str, counts: Counts, failures: Iterable[tuple[Item, Receipt]]) -> None:
        failed = list(failures)
        mine = (shards_table.c.run_id == self._run_id) & (shards_table.c.no == shard.no)

        def work(connection: sa.Connection) -> None:
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
            self._replace_exceptions(connection, shard, failed)
            self._fence(connection, **self._sums(connection))

        self._write(work)

    def pulse(
        self,
        counts: Counts,
        rates: tuple[float | None, float | None],
        engine_ms: int,
        listed: int | None = None,
        held_for: str | None = None,
        throttled: Mapping[str, Any] | None = None,
        retries: int = 0,
    ) -> Requests:
        """Write how far the run is, and see what is asked of it.

        ``listed``, while planning, stands for the total that is not known yet; ``throttled``: ``by`` whom, ``since``
        when (ms since the epoch).
        """
        figures: dict[str, object] = {
            "rate": rates[0],
            "byte_rate": rates[1],
            "engine_ms": engine_ms,
            "held_for": held_for,
            "throttled_by": throttled and throttled["by"],
            "throttled_since": throttled and throttled["since"],
            "retries": retries,
            **asdict(counts),
        }
        if listed:  # but never over the plan's own total, which another thread may just have written
            unplanned = runs_table.c.plan_hash.is_(None)
            figures["total"] = sa.case((unplanned, listed), else_=runs_table.c.total)
        asked = sa.select(runs_table.c.cancel_requested_at, runs_table.c.pause_requested_at, runs_table.c.limits)
        with self._db.write() as connection:
            self._fence(connection, heartbeat_at=now_ms(connection), **figures)
            row = connection.execute(asked.where(runs_table.c.id == self._run_id)).one()
        return Requests(row[0] is not None, row[1] is not None, row[2])

    def warn(self, text: str) -> None:
        self._write(lambda connection: events.append(connection, self._run_id, "warning", {"text": text}))

    def note(self, kind: str, data: Mapping[str, Any]) -> None:
        """A fact of another kind, as an event."""
        self._write(lambda connection: events.append(connection, self._run_id, kind, data))

    def let_go(self) -> None:
        """The run itself writes no more: what it held is free."""
        self._write(lambda connection: leases.release(connection, self._run_id))

    def end(self, status: str, error: str | None = None) -> bool:
        """The attempt's last write; False when the run was no longer ours."""
        return self._keep_trying(lambda connection: self._end(connection, status, error))

    def requeue(self, why: str) -> bool:
        """Give the run back to its queue, in its old place; False when it was no longer ours."""
        token = self._claim.token
        return self._keep_trying(lambda c: runs.requeue(c, self._run_id, token, why, crashed=False))

    def counts(self) -> Counts:
        """The run's committed tallies."""
        return Counts(**self._read(self._sums))

    def _write(self, work: Callable[[sa.Connection], None], **values: object) -> None:
        """One fenced write, made once: also when its commit was made and the answer to it lost."""
        mine = (runs_table.c.id == self._run_id) & (runs_table.c.token == self._claim.token)

        def once(connection: sa.Connection) -> None:
            if connection.execute(sa.select(runs_table.c.step).where(mine)).scalar() == self._step:
                return
            self._fence(connection, step=self._step, **values)
            work(connection)

        with self._in_turn:
            self._step += 1
            self._keep_trying(once)

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        def look() -> T:
            with self._db.read() as connection:
                return work(connection)

        return self._patiently(look)

    def _keep_trying(self, work: Callable[[sa.Connection], T]) -> T:
        return self._patiently(lambda: self._db.transact(work))

    def _patiently(self, step: Callable[[], T]) -> T:
        failed = False
        while True:
            try:
                done = step()
                break
            except StateError as error:
                failed = True
                if not self._patience(error):
                    raise
        if failed:
            self._patience(None)
        return done

    def _end(self, connection: sa.Connection, status: str, error: str | None) -> bool:
        if runs.end(connection, self._run_id, self._claim.token, status, error):
            return True
        row = runs.get(connection, self._run_id)  # ended by this very call, whose answer was lost?
        return row["attempt"] == self._claim.attempt and row["status"] == status and row["token"] is None

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
                "at": receipt.at or now_ms(connection),
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
