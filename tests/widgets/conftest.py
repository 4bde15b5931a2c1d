"""Panels without a kernel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from desks import Desk
from fake_run import FakeQueue, FakeRun

import migrator as mg
from widgets import feed

HOUSE = Path(__file__).parents[2]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    """Makes desks, with rounds so short that tests need not wait."""
    monkeypatch.setattr(feed, "QUICK_S", 0.01)
    monkeypatch.setattr(feed, "STEADY_S", 0.02)
    monkeypatch.setattr(feed, "SLOW_S", 0.05)
    made: list[Desk] = []

    def make(what: Any, **options: Any) -> Desk:
        made.append(Desk(what, **options))
        return made[-1]

    yield make
    for each in made:
        each.panel.close()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `migrator.start` was asked for; it gives a fake run."""
    asked: list[dict[str, Any]] = []

    def start(migration: Any, **options: Any) -> FakeRun:
        asked.append({"migration": migration, **options})
        return FakeRun(dry_run=options.get("dry_run", False))

    monkeypatch.setattr(mg, "start", start, raising=False)
    return asked


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeQueue]:
    """The queues that were looked at, by name."""
    known: dict[str, FakeQueue] = {}
    monkeypatch.setattr(mg, "Queue", lambda name, state: known.setdefault(name, FakeQueue(name, state)), raising=False)
    return known


@pytest.fixture
def run_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs cells in a kernel of their own; gives the notebook as it would be saved."""
    monkeypatch.setenv("MIGRATOR_STATE", str(tmp_path / "state.db"))
    monkeypatch.setenv("MIGRATOR_WORKSPACE", str(tmp_path / "runs"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(HOUSE), os.environ.get("PYTHONPATH")])))
    (tmp_path / "in").mkdir()
    for number in range(20):
        (tmp_path / "in" / f"{number}.txt").write_text("text")

    def run(*cells: str) -> Any:
        sheet = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbclient.NotebookClient(
            sheet, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
        return sheet

    return run
