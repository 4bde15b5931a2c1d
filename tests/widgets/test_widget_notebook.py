"""The panel in notebooks that run from top to bottom, with nobody looking."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from nbclient.exceptions import CellExecutionError

HOUSE = Path(__file__).parents[2]
MAKE = """import migrator as mg
from widgets import MigrationPanel
panel = MigrationPanel(mg.CopyObjects("in", "out"))
panel"""


def test_runs_from_top_to_bottom(run_notebook):
    sheet = run_notebook(
        MAKE, "panel.start()", "end = await panel.wait(60)\nprint(end.status, end.copied)", "import time; time.sleep(2)"
    )
    shown, started, waited, after = (cell.outputs for cell in sheet.cells)
    assert "completed" in shown[0].data["text/html"]
    assert waited[0].text == "completed 20\n"
    assert (len(shown), started, after) == (1, [], [])  # nothing was printed by a thread


def test_waiting_for_nothing_fails_at_once(run_notebook):
    with pytest.raises(CellExecutionError, match="has not been started"):
        run_notebook(MAKE, "await panel.wait()")


def test_the_library_needs_no_widgets():
    widgets = {"ipywidgets", "anywidget", "widgets"}
    code = f"import sys, migrator; migrator.start; sys.exit(len({widgets} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=HOUSE, check=False).returncode == 0
