"""The one read path: what is true of a run now, and what happened after a cursor.

Looking is also how a dead run is noticed: a reader that finds the process gone writes that down
first, so that no view ever shows a dead run as running.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .lifecycle import queue, reap
from .migrations.stakes import stakes
from .model import LIVE, Event, Phase, Snapshot
from .moving import moved, seconds_left
from .state import StateDB, events, journal, runs


def snapshot(db: StateDB, run_id: str) -> Snapshot:
    """The present picture of a run.

    Raises
    ------
    UnknownRun
        If there is none of that id.
    """
    return picture(db, reap.look(db, run_id))


def snapshots(
    db: StateDB, limit: int = 50, *, before: int | None = None, before_id: str = "", status: Sequence[str] = (),
    text: str = "", tag: str | None = None, title: str | None = None,
) -> list[Snapshot]:  # fmt: skip
    """Runs, newest first.

    Parameters
    ----------
    before : int, optional
        Only runs made before this moment (ms since the epoch).
    before_id : str
        With ``before`` what a page ended with: the next page, though others were made in the same millisecond.
    status : sequence of str
        Only runs that the state DB has with one of these.
    text : str
        Only runs with this in their id, name or title.
    tag : str, optional
        Only runs with this tag.
    title : str, optional
        Only runs of this very title: of the same places.
    """
    with db.read() as connection:
        rows = runs.newest(
            connection, limit, before=before, before_id=before_id, status=status, text=text, tag=tag, title=title
        )
    return [picture(db, reap.look(db, row["id"]) if row["status"] in LIVE else row) for row in rows]


def any_alive(db: StateDB) -> bool:
    """Whether any run has a process that lives, or waits for its turn."""
    with db.read() as connection:
        return any(not reap.death(row) for row in runs.unended(connection))


def events_after(db: StateDB, run_id: str, seq: int = 0) -> list[Event]:
    """Facts with a number above ``seq``, oldest first."""
    with db.read() as connection:
        return events.after(connection, run_id, seq)


def failures(db: StateDB, run_id: str, limit: int = 200) -> list[dict[str, object]]:
    """Items that failed or were refused: ``item_no key status error``; the state DB keeps the first ten thousand."""
    with db.read() as connection:
        return journal.read_exceptions(connection, run_id, limit)


def output(db: StateDB, run_id: str) -> Path:
    """Where a run's output is written; `migrator.transcript` reads it."""
    with db.read() as connection:
        return Path(runs.get(connection, run_id)["workspace"]) / "output.log"


def picture(db: StateDB, row: Mapping[str, Any]) -> Snapshot:
    """A run's row as a snapshot."""
    works = row["status"] in ("starting", "running")
    done = sum(row[name] for name in ("copied", "adopted", "skipped", "failed", "refused"))
    items_moved, bytes_moved = moved(row, done)
    rates = (row["rate"], row["byte_rate"]) if row["status"] == "running" else (None, None)
    same = ("id name title owner key migration spec mode queue dry_run status attempt phase copied adopted skipped "
            "failed refused losses created_at started_at finished_at error workspace plan_run plan_hash interpreter "
            "seq actions bytes_done bytes_total total priority not_before limits crashes retries")  # fmt: skip
    return Snapshot(
        **{name: row[name] for name in same.split()},
        tags=tuple(row["tags"]),
        phases=_phases(row, done),
        done=done,
        rate=rates[0],
        byte_rate=rates[1],
        eta_s=seconds_left(row, done),
        moved=items_moved,
        bytes_moved=bytes_moved,
        engine_s=row["engine_ms"] / 1000,
        holder=_holder(row),
        silent_s=max(0.0, (row["now"] - row["heartbeat_at"]) / 1000) if works and row["heartbeat_at"] else None,
        start_requested=row["start_requested_at"] is not None,
        cancel_requested=row["cancel_requested_at"] is not None,
        pause_requested=row["pause_requested_at"] is not None,
        held_for=row["held_for"] if works else None,
        throttled=_throttled(row) if works else None,
        stakes=_stakes(row),
        **_waiting(db, row),
    )


def _stakes(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Of what can still be started or applied."""
    planned = row["dry_run"] and row["status"] == "completed"
    waits = planned or row["status"] == "draft"
    return stakes(row["migration"], row["spec"], row["actions"] if planned else {}) if waits else ()


def _throttled(row: Mapping[str, Any]) -> dict[str, Any] | None:
    by = row["throttled_by"]
    return None if by is None else {"by": by, "since": row["throttled_since"]}


def _waiting(db: StateDB, row: Mapping[str, Any]) -> dict[str, Any]:
    if row["status"] != "queued":
        return {"position": None, "ahead": (), "waiting_for": None}
    with db.read() as connection:
        told = queue.explain(connection, row)
    return {"position": told.position, "ahead": told.ahead, "waiting_for": told.reason}


def _phases(row: Mapping[str, Any], done: int) -> tuple[Phase, ...]:
    names = row["phases"]
    # A run that goes on from a durable plan has planned, whatever phase it is in.
    at = names.index(row["phase"]) if row["phase"] in names else (1 if row["plan_hash"] else 0)
    over = row["status"] in ("completed", "partial")
    return tuple(
        Phase(name, _phase_state(number, at, over), *_phase_count(number, row, done))
        for number, name in enumerate(names)
    )


def _phase_state(number: int, at: int, over: bool) -> str:
    return "done" if over or number < at else "now" if number == at else "next"


def _phase_count(number: int, row: Mapping[str, Any], done: int) -> tuple[int, int]:
    """The plan's count is what it found; the working phase's is how far it is."""
    return ((row["total"], row["total"]), (done, row["total"]))[number] if number < 2 else (0, 0)


def _holder(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["pid"] is None:
        return None
    return {name: row[name] for name in ("host", "pid", "boot_id", "start_ticks", "heartbeat_at")}
