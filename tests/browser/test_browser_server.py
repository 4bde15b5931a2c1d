"""A run does not care about the Jupyter server that it was started from."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from labs import TOKEN, Lab, Notebook, running_lab
from playwright.sync_api import Browser, expect

HERE = Path(__file__).parent
START = (
    "from widgets import MigrationPanel\nfrom slow import Slow\n"
    "panel = MigrationPanel(Slow(items=20_000))\npanel.start()\npanel"
)
LONG = 60_000


def open_notebook(browser: Browser, lab: Lab, name: str, cell: str) -> Notebook:
    sheet = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    sheet.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(sheet, lab.root / name)
    book = Notebook(browser.new_page(), lab, name).open(TOKEN)
    book.run(0)
    expect(book.panel.locator(".mgp-pill")).to_have_text("running", timeout=LONG)
    return book


def done_beyond(book: Notebook, figure: int) -> int:
    """Wait until more than that is done, and say how much."""
    read = "+document.querySelector('.mgp-figure b')?.textContent.replaceAll(',', '')"
    book.page.wait_for_function(f"n => {read} > n", arg=figure, timeout=LONG)
    return book.js(read)


@pytest.mark.timeout(600)  # it starts Lab twice
def test_run_outlives_the_server(browser: Browser, tmp_path: Path) -> None:
    with running_lab(tmp_path) as lab:
        shutil.copy(HERE / "slow.py", lab.root)
        book = open_notebook(browser, lab, "first.ipynb", START)
        before = done_beyond(book, 5)
        run_id = book.panel.get_attribute("data-run")
        found = re.search(r"pid (\d+)", book.panel.inner_text())
        book.page.close()
    assert found, "the panel names the process"
    pid = int(found[1])
    assert Path(f"/proc/{pid}").exists()  # the server, its kernels and the page are gone
    try:
        with running_lab(tmp_path) as lab:
            show = f'from widgets import MigrationPanel\nMigrationPanel("{run_id}")'
            book = open_notebook(browser, lab, "second.ipynb", show)
            assert f"pid {pid}" in book.panel.inner_text()
            done_beyond(book, done_beyond(book, before))
            book.page.close()
    finally:
        os.kill(pid, 15)
