"""What a key, a name, a line of output or an error says is text: in the panel, on the page, in what is exported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile import PAYLOADS
from labs import LONG, TOKEN, Lab, click
from playwright.sync_api import Browser, Page, expect
from test_browser_lab import IMPORTS

HERE = Path(__file__).parent
START = """from hostile import Hostile, PAYLOADS
run = mg.start(Hostile(), name=PAYLOADS[1], tags=list(PAYLOADS[:5]))
run.wait(check=False)
# As names and titles, of runs that wait for a worker: the list, their tables, the pages.
waiting = mg.runs(200, status="queued") or [
    mg.start(Hostile(called=n), mode="queue", name=text) for n, text in enumerate(PAYLOADS)]
(open("report.html", "w").write(run.report().to_html()), open("report.md", "w").write(run.report().to_markdown()))
run"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def lab(browser: Browser, extended_lab: Lab) -> Lab:
    shutil.copy(HERE / "hostile.py", extended_lab.root)
    return extended_lab


def unharmed(page: Page) -> None:
    """Nothing of it ran: give it the time that an image or an animation takes to begin."""
    page.wait_for_timeout(600)
    assert page.evaluate("window.harmed ?? 0") == 0


def look_through(page: Page, panel: Any) -> None:
    """Each tab, to its end, with what it says."""
    expect(panel.locator(".mgp-pill").first).to_have_text("partial", timeout=LONG)
    for tab in ("Failed", "Copied", "Output"):
        panel.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(200)
    expect(panel.locator(".mgp-log")).to_contain_text("partial")
    panel.locator(".mgp-log").evaluate("node => { node.scrollTop = 0 }")
    panel.get_by_role("tab", name="Failed").click()
    expect(panel.locator(".mgp-page-items")).to_contain_text(f"001 {PAYLOADS[1]}")
    unharmed(page)


def list_all(board: Any) -> None:
    """The list to its end: a hundred names, each a payload as it is."""
    entries = board.locator(".mgp-entry")
    expect(entries.nth(24)).to_be_visible(timeout=LONG)
    while (before := entries.count()) <= 100:
        click(board, "Show older")
        expect(entries).not_to_have_count(before, timeout=LONG)
    names = board.locator(".mgp-entry-name").all_text_contents()
    assert {" ".join(text.split()) for text in PAYLOADS} <= {" ".join(name.split()) for name in names}
    unharmed(board.page)


# Mutations: innerHTML in details.js (for the key) and in head.js (for the title); no escape in reprs.py and report.py.
def test_nothing_of_a_hundred_payloads_runs(notebook: Any, lab: Lab) -> None:
    """Panel and list, fed by the server and by the kernel, and what is exported of the notebook with all four."""
    shown = [f"MigrationPanel({what}bundle={bundle!r})" for bundle in ("mime", "widget") for what in ("run, ", "")]
    tables = "from IPython.display import HTML; HTML(''.join(each._repr_html_() for each in waiting))"
    book = notebook(f"{IMPORTS}{START}", *shown, tables, fresh=True)
    book.page.set_viewport_size({"width": 1200, "height": 6000})  # what is not in sight is not drawn
    dialogs: list[str] = []
    book.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for cell in range(6):
        book.run(cell)
    cells = book.page.locator(".jp-Notebook .jp-CodeCell")
    for panel, board in ((1, 2), (3, 4)):
        look_through(book.page, cells.nth(panel).locator(".mgp-panel"))
        list_all(cells.nth(board).locator(".mgp-dashboard"))
    book.command("docmanager:save")
    assert not dialogs
    _export(lab.root / book.name, book.page)


def _export(notebook: Path, page: Page) -> None:
    """The saved notebook as HTML and Markdown, and the run's report, opened as files."""
    plain = Path(shutil.copy(notebook, notebook.parent / "saved.ipynb"))  # nbconvert takes brackets for a pattern
    for form in ("html", "markdown"):
        done = subprocess.run(
            [sys.executable, "-m", "nbconvert", "--to", form, "--output", f"exported-{form}", plain.name],
            cwd=notebook.parent, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for name in ("exported-html.html", "report.html"):
        page.goto((notebook.parent / name).as_uri())
        unharmed(page)
        assert PAYLOADS[1] in page.inner_text("body")
    for name in ("exported-markdown.md", "report.md"):
        # Markdown may hold HTML: as a viewer shows it, with nothing sanitised.
        shown = _rendered((notebook.parent / name).read_text(encoding="utf-8"))
        page.set_content(shown)
        unharmed(page)


def _rendered(markdown: str) -> str:
    import mistune

    return str(mistune.create_markdown(escape=False, plugins=["table"])(markdown))


def test_the_page_of_its_own_runs_nothing(browser: Browser, lab: Lab) -> None:
    page = browser.new_page()
    page.goto(f"{lab.url}migrator?token={TOKEN}")
    list_all(page.locator(".mgp-dashboard"))
    page.get_by_role("button", name="To look at").click()
    page.locator(".mgp-entry").filter(has_text="partial").first.click()
    look_through(page, page.locator(".mgp-stage .mgp-panel"))
    click(page.locator(".mgp-dashboard"), "← All runs")
    unharmed(page)
    page.close()
