"""How runs are hurt, and what must be true of one that was: it ends as if it had never been."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pyarrow.parquet as pq
from driving import gone, row, state_file, wait_for
from trees import in_folder, temporaries

from migrator import api, recording

SEED = int(os.environ.get("MIGRATOR_SEED", "0")) or secrets.randbits(32)
RUNNER = Path(__file__).with_name("small_shards.py")


@contextmanager
def runners_under(folder: Path, words: Sequence[str] = ()) -> Iterator[None]:
    """Runs that are started or resumed inside get small shards, and these words before their interpreter."""
    script = folder / "interpreter"
    script.write_text(f'#!/bin/sh\nexec {shlex.join([*words, sys.executable, str(RUNNER)])} "$@"\n')
    script.chmod(0o700)
    here = recording.here() | {"interpreter": str(script)}
    with mock.patch.object(recording, "here", return_value=here):
        yield


def runner(run: api.Run) -> psutil.Process | None:
    """The process of a run, also one that has not claimed it yet; None when it is gone."""
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(row(run)["pid"])
        return None if gone(found) or found.pid == os.getpid() else found
    return None


def kill_family(run: api.Run) -> None:
    """Kill the runner and its keeper at once, so that neither can write the other's death down."""
    victim = runner(run)
    if victim is None:
        return
    with suppress(psutil.NoSuchProcess):
        victim.suspend()  # so that it can't start another keeper in between
        family = [*victim.children(recursive=True), victim]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    wait_for(lambda: gone(victim), 10, "the runner is gone")


def end_what_is_left(folder: Path) -> None:
    """Kill every process of ours that a test left: its command or environment names the test's folder."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = any(part.startswith("migrator.") or part == str(RUNNER) for part in process.cmdline())
            if ours and str(folder) in process.environ().get("MIGRATOR_STATE", ""):
                process.kill()


def facts(run: api.Run) -> dict[str, tuple[int, str]]:
    """What a run's receipts say of each key: size and digest. Two receipts for a key, or none, are a fault."""
    items = run.items()
    rows = [dict(zip(items.columns, values, strict=True)) for values in items.fetchall()]
    assert len({item["key"] for item in rows}) == len(rows)
    assert {item["status"] for item in rows} <= {"copied", "adopted"}
    assert {item["evidence"] for item in rows} == {"re-read"}
    return {item["key"]: (item["size"], item["digest"]) for item in rows}


def assert_as_if_never_hurt(run: api.Run, source: Path, target: Path, clean: dict[str, tuple[int, str]]) -> None:
    """Tree, receipts and counts of a run are those of one that nothing happened to."""
    seen = run.snapshot()
    assert seen.status == "completed", seen
    assert in_folder(target) == in_folder(source)
    assert temporaries(target) == []
    assert facts(run) == clean
    assert (seen.total, seen.done, seen.copied + seen.adopted) == (len(clean),) * 3
    assert seen.bytes_done == seen.bytes_total == sum(size for size, _ in clean.values())
    statuses = [status for status, _ in newest_receipts(run).values()]
    assert (statuses.count("copied"), statuses.count("adopted")) == (seen.copied, seen.adopted)
    assert sums(run) == (seen.copied, seen.adopted, seen.bytes_done)


def newest_receipts(run: api.Run) -> dict[int, tuple[str, str]]:
    """Status and digest of each item's newest receipt, read from the files that the state DB names."""
    found: dict[int, tuple[str, str]] = {}
    for shard in shards(run):
        for name in json.loads(shard["receipts"]):
            for receipt in pq.read_table(Path(row(run)["workspace"], name)).to_pylist():
                found[receipt["item_no"]] = (receipt["status"], receipt["digest"])
    return found


def sums(run: api.Run) -> tuple[int, int, int]:
    """What the shards' rows add up to."""
    return tuple(sum(shard[name] for shard in shards(run)) for name in ("copied", "adopted", "bytes_done"))  # type: ignore[return-value]


def shards(run: api.Run) -> list[dict[str, Any]]:
    return ask("select * from shards where run_id = ? order by no", run.id)


def ask(statement: str, *values: object) -> list[dict[str, Any]]:
    """What the state DB says, with nobody's help."""
    connection = sqlite3.connect(f"file:{state_file()}?mode=ro", uri=True, timeout=30)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(found) for found in connection.execute(statement, values)]
    finally:
        connection.close()
