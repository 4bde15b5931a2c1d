"""The panel in notebooks that run from top to bottom, with nobody looking."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

HOUSE = Path(__file__).parents[2]
MAKE = """import migrator as mg
from widgets import MigrationPanel
panel = MigrationPanel(mg.CopyObjects("in", "out"))
panel"""


@pytest.fixture
def run_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs cells in a kernel of their own; gives the outputs of each."""
    monkeypatch.setenv("MIGRATOR_STATE", str(tmp_path / "state.db"))
    monkeypatch.setenv("MIGRATOR_WORKSPACE", str(tmp_path / "runs"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(HOUSE), os.environ.get("PYTHONPATH")])))
    (tmp_path / "in").mkdir()
    for number in range(20):
        (tmp_path / "in" / f"{number}.txt").write_text("text")

    def run(*cells: str) -> list[Any]:
        sheet = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbclient.NotebookClient(
            sheet, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
        return [cell.outputs for cell in sheet.cells]

    return run


def test_runs_from_top_to_bottom(run_notebook):
    shown, started, waited, after = run_notebook(
        MAKE, "panel.start()", "end = await panel.wait(60)\nprint(end.status, end.copied)", "import time; time.sleep(2)"
    )
    assert shown[0].data["text/plain"].startswith("MigrationPanel(")
    assert "not started" in shown[0].data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown[0].data
    assert waited[0].text == "completed 20\n"
    assert (len(shown), started, after) == (1, [], [])  # nothing was printed by a thread


def test_waiting_for_nothing_fails_at_once(run_notebook):
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="has not been started"):
        run_notebook(MAKE, "await panel.wait()")


def test_the_library_needs_no_widgets():
    widgets = {"ipywidgets", "anywidget", "widgets"}
    code = f"import sys, migrator; migrator.start; sys.exit(len({widgets} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=HOUSE, check=False).returncode == 0
