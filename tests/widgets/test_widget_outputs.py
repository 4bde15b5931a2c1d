"""What stands in a notebook when a run has ended: the same table, whoever writes it and wherever it is shown."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from desks import until
from fake_run import FakeRun
from nbconvert import HTMLExporter, MarkdownExporter

from widgets import outputs

WIDGET = "application/vnd.jupyter.widget-view+json"


class Handle:
    """A place in a notebook, and what was written there."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    def update(self, data: dict[str, Any], **_: Any) -> None:
        self.written.append(data)


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Handle:
    made = Handle()
    monkeypatch.setattr(outputs, "display", lambda data, **_: made)
    return made


def test_the_end_is_written_once_for_each_end(desk: Any, handle: Handle) -> None:
    run = FakeRun()
    panel = desk(run).panel
    panel._ipython_display_()
    until(lambda: panel.snapshot)
    assert not handle.written
    run.change(status="failed")
    until(lambda: handle.written)
    panel._settle()
    assert [(data["text/plain"], "failed" in data["text/html"]) for data in handle.written] == [
        ("Run r1: failed", True)
    ]
    run.change(status="running", attempt=2)
    panel._feed.look_closely()
    until(lambda: panel.snapshot["status"] == "running")
    run.change(status="completed")
    until(lambda: len(handle.written) == 2)


# Mutation: take `again` for False, and what the poller wrote while no cell ran is lost to nbclient.
def test_the_end_is_written_again_as_a_cell_ends_where_no_page_looks(
    desk: Any, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "BACK_S", 60)
    panel = desk(FakeRun(status="completed")).panel
    panel._ipython_display_()
    until(lambda: handle.written)
    for _ in range(3):
        outputs._settle()
        panel._settle()
    assert len(handle.written) == 2


# Mutation: let `seen` write again whenever a page greets, and the two go round for ever.
def test_the_widget_stays_where_a_page_shows_it(desk: Any, handle: Handle) -> None:
    at = desk(FakeRun())
    at.panel._ipython_display_()
    at.ask("hello", client="c1")
    at.panel.run.change(status="completed")
    until(lambda: handle.written)
    for _ in range(3):
        at.ask("hello", client="c1")
        at.panel._settle()
    assert [WIDGET in data for data in handle.written] == [True]


# Mutations: leave `_come_back_later` out, and Lab, which left the widget for the table, never has it again; let
# `_come_back` write no `False` down, and the next cell's end is not the table's.
@pytest.mark.parametrize("what", [FakeRun(status="completed"), None], ids=["run", "list"])
def test_the_widget_comes_back_after_each_cell_until_a_page_shows_it(desk: Any, handle: Handle, what: Any) -> None:
    at = desk(what, bundle="widget")
    at.panel._ipython_display_()
    for _ in range(2):
        outputs._settle()
        assert WIDGET not in handle.written[-1]
        until(lambda: WIDGET in handle.written[-1])
    at.ask("hello", client="c1")
    outputs._settle()
    assert WIDGET in handle.written[-1]


# Mutation: leave `_outputs.close` out of `MigrationPanel.close`, and its thread fails in whatever runs then.
def test_the_widget_of_a_panel_that_is_closed_does_not_come_back(desk: Any, handle: Handle) -> None:
    panel = desk(FakeRun(status="completed"), bundle="widget").panel
    panel._ipython_display_()
    outputs._settle()
    assert WIDGET not in handle.written[-1]
    panel.close()
    panel._outputs._back.join()
    assert WIDGET not in handle.written[-1]


# Mutation: leave out the look at the end of a cell (`_watch_cells`), or the widget's leaving, and it fails.
def test_an_executed_notebook_has_the_end_in_html_and_markdown_too(run_notebook: Any) -> None:
    """For both bundles, with nobody looking and the poller asleep: the kernel is gone right after the last cell."""
    sheet = run_notebook(
        "import migrator as mg\nfrom widgets import MigrationPanel, feed\nfeed.QUICK_S = feed.STEADY_S = 60\n"
        'mime = MigrationPanel(mg.CopyObjects("in", "out"), bundle="mime")\nmime',
        'widget = MigrationPanel(mg.CopyObjects("in", "other"), bundle="widget")\nwidget',
        "mime.start()\nwidget.start()",
        "await mime.run\nawait widget.run\nMigrationPanel(bundle='widget')",
    )
    for cell in sheet.cells[:2]:
        [shown] = cell.outputs
        assert "20 of 20" in shown.data["text/html"]
        assert shown.data["text/plain"].startswith("Run ")
        assert "completed" in shown.data["text/plain"]
    text = nbformat.reads(nbformat.writes(sheet), 4)  # as it is saved, with the state of its widgets
    for exporter in (HTMLExporter(), MarkdownExporter()):
        page, _ = exporter.from_notebook_node(text)
        assert page.count(">completed</td>") == 4, type(exporter)  # of two panels, and of a list of both
