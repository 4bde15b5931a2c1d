"""Taking runs from a queue in turn, and saying what each waits for."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping
from configparser import ConfigParser, Error
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..model import Identity
from ..state import StateDB, leases, queues, runs, workers
from ..state.schema import runs as runs_table
from . import process
from .leases import describe, take
from .reap import bury, death, holder_of

Row = Mapping[str, Any]
# A worker on another host that was not heard from for so long is taken for dead.
WORKER_SILENT_MS = 60_000
AHEAD = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued run's place (from 1), who is ahead of it, and what it waits for."""

    position: int
    ahead: tuple[str, ...]
    reason: str


def claim(db: StateDB, queue: str) -> Row | None:
    """Take the run whose turn it is, with the leases on what it writes; None when there is none."""
    if not _anything_due(db, queue):  # by a read, which keeps nobody waiting
        return None
    return db.transact(lambda connection: _claim(connection, queue, db.lease_ms))


def _claim(connection: sa.Connection, queue: str, lease_ms: int) -> Row | None:
    queues.ensure(connection, queue)
    settings = queues.settings(connection, queue, lock=True)
    for row in queues.running(connection, queue):
        if why := death(row):
            bury(connection, row, why)  # back into its place, which may be the next
    if settings["paused_at"] or not _has_room(settings, len(queues.running(connection, queue))):
        return None
    earlier: list[leases.Place] = []  # what somebody waits for who came before: it is theirs first
    for row in queues.waiting(connection, queue, due=True, lock=True):
        if lack := missing(row):
            _note(connection, row, lack)
            continue
        wanted = leases.places(row["writes"])
        behind = any(leases.overlap(place, other) for place in wanted for other in earlier)
        if behind or take(connection, row):
            earlier += wanted
        elif runs.begin(connection, row["id"], process.myself(), lease_ms):
            return runs.get(connection, row["id"])
    return None


def unanswered(db: StateDB, known: Container[str]) -> Row | None:
    """A run that this process claimed without being told, since the state DB went away at that moment."""
    me = process.myself()
    with db.read() as connection:
        begun = runs.select(connection, runs_table.c.status == "starting", runs_table.c.token.is_(None))
    return next((row for row in begun if row["id"] not in known and holder_of(row) == me), None)


def missing(row: Row) -> str | None:
    """What a run needs that is not here, in words; None when it can run here."""
    if not os.access(row["interpreter"], os.X_OK):
        return f"{process.host()} has no interpreter {row['interpreter']}"
    if not os.access(row["cwd"], os.X_OK):
        return f"{process.host()} has no folder {row['cwd']}"
    if absent := [path for path in row["import_path"] if not Path(path).exists()]:
        return f"{process.host()} has nothing at {absent[0]}, which its imports need"
    return next((lack for need in row["needs"] if (lack := _lack(*need.partition(":")[::2]))), None)


def _lack(kind: str, name: str) -> str | None:
    if kind == "env" and not os.environ.get(name):
        return f"the worker on {process.host()} has no environment variable {name}"
    if kind == "profile" and not _has_profile(name):
        return f"the worker on {process.host()} has no AWS profile {name!r}"
    if kind == "file" and not os.access(name, os.R_OK):
        return f"the worker on {process.host()} has no file {name} to read credentials from"
    return None


def _has_profile(name: str) -> bool:
    """By the names in AWS's files alone: a worker stays small, and boto3 is not."""
    for variable, default, section in (
        ("AWS_CONFIG_FILE", "~/.aws/config", f"profile {name}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", name),
    ):
        file = ConfigParser(interpolation=None, strict=False)
        with suppress(Error, OSError, UnicodeDecodeError):
            file.read(Path(os.environ.get(variable, default)).expanduser())
            if section in file or name in file:
                return True
    return False


def explain(connection: sa.Connection, row: Row) -> Waiting:
    """Where a queued run stands, and what it waits for, at this moment."""
    position = queues.position(connection, row)
    ahead = tuple(queues.ahead(connection, row, AHEAD))
    return Waiting(position, ahead, _reason(connection, row, position))


def _reason(connection: sa.Connection, row: Row, position: int) -> str:
    queue = row["queue"]
    settings = queues.settings(connection, queue)
    if not living_workers(connection, queue):
        return f"a worker: none serves the queue {queue!r}; `migrator worker --queue {queue}` starts one"
    if settings["paused_at"]:
        return f"the queue {queue!r}, which is paused; `migrator queue unpause {queue}` lets it go on"
    if row["not_before"] > row["now"]:
        return f"its time, in {(row['not_before'] - row['now']) / 1000:.0f} s"
    if row["waiting_for"]:
        return row["waiting_for"]
    if holder := _living_holder(connection, row):
        return f"{describe(holder)}, which writes to the same place"
    running = [other["id"] for other in queues.running(connection, queue) if not death(other)]
    if not _has_room(settings, len(running)):
        return f"its turn: {len(running)} of {settings['max_running']} running ({', '.join(running[:3])})"
    return "its turn" if position > 1 else "a worker to take it"


def living_workers(connection: sa.Connection, queue: str | None = None) -> list[dict[str, Any]]:
    """The workers that are alive, as far as can be told from here."""
    return [worker for worker in workers.known(connection, queue) if lives(worker)]


def lives(worker: Row) -> bool:
    who = Identity(worker["host"], worker["boot_id"], worker["pid"], worker["start_ticks"])
    lives = process.alive(who)
    return worker["now"] - worker["heartbeat_at"] < WORKER_SILENT_MS if lives is None else lives


def _living_holder(connection: sa.Connection, row: Row) -> Row | None:
    holder = leases.find_holder(connection, leases.places(row["writes"]), but=row["id"])
    other = runs.get(connection, holder) if holder else None
    return other if other and other["status"] in ("starting", "running") and not death(other) else None


def _anything_due(db: StateDB, queue: str) -> bool:
    with db.read() as connection:
        return next(iter(queues.waiting(connection, queue, due=True)), None) is not None or any(
            death(row) for row in queues.running(connection, queue)
        )


def _has_room(settings: Row, running: int) -> bool:
    return settings["max_running"] is None or running < settings["max_running"]


def _note(connection: sa.Connection, row: Row, lack: str) -> None:
    if row["waiting_for"] != lack:
        queues.note_lack(connection, row["id"], lack)
