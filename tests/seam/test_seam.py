"""The seam holds for a migration that knows nothing of runs, stores or state."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import migrator as mg
from migrator.errors import MigrationLoadError

sys.path.insert(0, str(Path(__file__).parent))
from backfill import Backfill


@pytest.fixture
def folder(tmp_path: Path, state: str) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def until(what: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def test_a_users_migration_runs(folder: Path) -> None:
    seen = mg.start(Backfill(folder=str(folder), days=7)).wait(60)
    assert (seen.copied, seen.total, seen.bytes_done) == (7, 7, 70)
    assert len(list(folder.iterdir())) == 7
    assert [phase.name for phase in seen.phases] == ["plan", "run", "report"]


def test_it_is_killed_and_resumes_where_it_was(folder: Path) -> None:
    run = mg.start(Backfill(folder=str(folder), days=120, pause_s=0.03))
    until(lambda: len(list(folder.iterdir())) > 5)
    os.kill(run.snapshot().holder["pid"], signal.SIGKILL)  # type: ignore[index]
    until(lambda: run.status == "interrupted")
    seen = run.resume().wait(60)
    assert (seen.copied, seen.attempt) == (120, 2)
    assert len(list(folder.iterdir())) == 120


def test_cancelled_work_keeps_its_receipts(folder: Path) -> None:
    run = mg.start(Backfill(folder=str(folder), days=120, pause_s=0.03))
    until(lambda: len(list(folder.iterdir())) > 5)
    run.cancel()
    seen = run.wait(20, check=False)
    assert seen.status == "cancelled"
    assert 5 < seen.done < 120
    done_before = seen.done
    run.resume().wait(60)
    # What had a receipt was not done again: one line a file.
    assert sum(len(file.read_text().splitlines()) for file in folder.iterdir()) == 120
    assert run.snapshot().copied == 120 > done_before


def test_it_runs_through_a_process_pool_unchanged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = mg.start(Backfill(folder=str(folder), days=12_000, processes=2)).wait(120)
    assert (seen.copied, seen.status) == (12_000, "completed")
    pids = {file.read_text().strip() for file in list(folder.iterdir())}
    assert 1 <= len(pids) <= 2
    assert str(seen.holder["pid"]) not in pids  # type: ignore[index]


def test_a_class_of_a_notebook_cell_is_refused_with_the_way_out(state: str) -> None:
    cell = type("Cell", (Backfill,), {"__module__": "__main__"})
    with pytest.raises(MigrationLoadError, match="%%writefile"):
        mg.start(cell(folder="x", days=1))
    assert mg.runs() == []


def test_a_migration_that_breaks_fails_with_its_reason(folder: Path) -> None:
    seen = mg.start(Backfill(folder=str(folder / "missing"), days=3)).wait(60, check=False)
    assert seen.status == "failed"
    assert "FileNotFoundError" in str(seen.error)
