"""The runbook notebook as papermill executes it: done once, done again, and failing when the job fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import migrator as mg

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "00_runbook.ipynb"


def papermill(copy: Path, **parameters: object) -> subprocess.CompletedProcess[str]:
    given = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
    words = [sys.executable, "-m", "papermill", str(NOTEBOOK), str(copy), *given, "--cwd", str(NOTEBOOK.parent)]
    return subprocess.run(words, capture_output=True, text=True, timeout=240, env=os.environ | {"PYTHONWARNINGS": ""})


@pytest.fixture
def source(tmp_path: Path, state: str) -> Path:
    folder = tmp_path / "in"
    (folder / "tmp").mkdir(parents=True)
    for name in ("a", "b", "tmp/c"):
        (folder / name).write_text(name)
    return folder


def test_it_copies_what_it_is_given_and_twice_is_as_good_as_once(source: Path, tmp_path: Path) -> None:
    for copy in ("first", "second"):
        done = papermill(tmp_path / f"{copy}.ipynb", source=source, target=tmp_path / "out", job="night")
        assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["a", "b"]
    assert [run.snapshot().copied for run in mg.runs()] == [2]
    assert "completed: 2 of 2" in (tmp_path / "first.ipynb").read_text()


# Mutation: let `await run` not raise (Run.wait without check), and it goes on to the report.
def test_it_fails_when_the_job_fails_and_the_copy_says_why(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("something else")
    failed = papermill(tmp_path / "copy.ipynb", source=source, target=tmp_path / "out", job="night")
    assert failed.returncode != 0
    assert "RunNotCompleted" in failed.stderr
    cells = nbformat.read(tmp_path / "copy.ipynb", as_version=4).cells
    shown = str([cell.get("outputs") for cell in cells])
    assert "1 refused" in shown
    assert "partial" in shown
    assert not cells[-1].outputs
    assert (tmp_path / "out" / "a").read_text() == "something else"
