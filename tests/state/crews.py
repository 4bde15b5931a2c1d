"""Several processes on one state DB at the same instant, and rows for them to fight over."""

from __future__ import annotations

import multiprocessing
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pytest

from migrator.lifecycle import process
from migrator.state import StateDB, queues, runs

# Forked from one that has loaded all this: what is spawned loads for a second and more before it does a thing.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["crews", "psycopg", "pymysql", "migrator.migrations", "migrator.recording"])


def at_once(work: Callable[..., Any], each: Sequence[tuple[Any, ...]], timeout: float = 240) -> list[Any]:
    """What ``work(*arguments)`` gives in a process for each, all begun together."""
    gate, results = CONTEXT.Barrier(len(each)), CONTEXT.Queue()
    crew = [CONTEXT.Process(target=_member, args=(work, arguments, gate, results), daemon=True) for arguments in each]
    for one in crew:
        one.start()
    given = [results.get(timeout=timeout) for _ in crew]
    for one in crew:
        one.join(30)
    failed = [text for kind, text in given if kind == "failed"]
    if failed:
        pytest.fail("\n".join(failed))
    return [value for _, value in given]


def queued(db: StateDB, *ids: str, **values: Any) -> None:
    """Runs that wait in a queue in this order, and could run here."""
    with db.write() as connection:
        queues.ensure(connection, values.get("queue", "default"))
        for run_id in ids:
            how = {"mode": "queue", "status": "queued", "interpreter": sys.executable, "cwd": "/"}
            runs.create(connection, **{"id": run_id, "place": runs.next_place(connection)} | how | values)


def living(db: StateDB, run_id: str, **values: Any) -> None:
    """A run of this process, which lives."""
    with db.write() as connection:
        how = {"status": "starting", "started_at": 1, "lease_until": 2**50, **asdict(process.myself())}
        runs.create(connection, **{"id": run_id} | how | values)


def _member(work: Callable[..., Any], arguments: tuple[Any, ...], gate: Any, results: Any) -> None:
    gate.wait()
    try:
        results.put(("given", work(*arguments)))
    except BaseException:
        results.put(("failed", traceback.format_exc()))
