"""The README's pictures of the panel in three themes, from a real JupyterLab: ``make portraits``.

Look at them before they are committed: nothing else does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from conftest import CHROMIUM, FLAGS
from labs import HOUSE, TOKEN, Lab, Notebook, running_lab
from playwright.sync_api import Browser, expect, sync_playwright

SIZES, SCALE = {"move.ipynb": {"width": 1180, "height": 690}, "plan.ipynb": {"width": 1000, "height": 1000}}, 2
THEMES = {"": "JupyterLab Light", "-dark": "JupyterLab Dark", "-contrast": "JupyterLab Dark High Contrast"}
PLACE = Path(tempfile.gettempdir()) / "demo"  # a short one: its name is in every picture
IMPORTS = "import migrator as mg\nfrom widgets import MigrationPanel\n\n"
COPY = IMPORTS + f"MigrationPanel(mg.CopyObjects('{PLACE}/raw-events', '{PLACE}/lake/events'), bytes_per_s='3MB')"
PLAN = (
    IMPORTS + f"MigrationPanel(mg.CopyObjects('{PLACE}/raw-events', '{PLACE}/lake/events', overwrite='if-different', "
    "before='none'), dry_run=True)"
)


def fill(root: Path) -> None:
    """Some thousand files; a few are at the target, differing or not, and one can't be carried."""
    for n in range(6000):
        file = root / "raw-events" / f"2026-0{1 + n % 3}" / f"part-{n:05}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(9_000 + 37 * (n % 400)))
        if n % 9 == 0:
            there = root / "lake" / "events" / file.relative_to(root / "raw-events")
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(file.read_bytes() if n % 90 else b"older")
            os.utime(there, ns=(file.stat().st_mtime_ns, file.stat().st_mtime_ns))
    (root / "raw-events" / "latest").symlink_to("2026-03")


def open_notebook(browser: Browser, lab: Lab, name: str, cell: str, theme: str) -> Notebook:
    sheet = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    sheet.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(sheet, lab.root / name)
    context = browser.new_context(viewport=SIZES[name], device_scale_factor=SCALE)  # pyright: ignore[reportArgumentType]
    book = Notebook(context.new_page(), lab, name).open(TOKEN)
    book.js(f"jupyterapp.commands.execute('apputils:change-theme', {{ theme: '{theme}' }}).then(() => null)")
    book.js("jupyterapp.shell.collapseLeft()")
    book.run(0)
    expect(book.panel).to_be_visible(timeout=60_000)
    return book


def save(book: Notebook, what: Any, name: str) -> None:
    book.page.wait_for_timeout(400)
    what.screenshot(path=HOUSE / "notebooks" / f"{name}.png")
    book.page.context.close()


def portray(browser: Browser, lab: Lab, ending: str, theme: str) -> None:
    book = open_notebook(browser, lab, "plan.ipynb", PLAN, theme)
    book.panel.get_by_role("button", name="Plan it").click()
    expect(book.panel.locator(".mgp-prefix").first).to_be_visible(timeout=60_000)
    book.panel.get_by_role("button", name="Apply this plan").click()
    expect(book.panel.locator(".mgp-confirm")).to_be_visible()
    book.page.add_style_tag(content=".Toastify { display: none }")  # it says that the dry run has ended
    save(book, book.panel, f"plan{ending}")
    book = open_notebook(browser, lab, "move.ipynb", COPY, theme)
    book.panel.get_by_role("button", name="Run", exact=True).click()
    book.page.wait_for_function(
        "document.querySelector('.mgp-progress .mgp-meter')?.getAttribute('aria-valuenow') > 60", timeout=120_000
    )
    save(book, book.page, f"panel{ending}")


def main() -> None:
    PLACE.mkdir()
    try:
        portray_all()
    finally:
        shutil.rmtree(PLACE)


def portray_all() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for ending, theme in THEMES.items():
            with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder), extended=True) as lab:
                shutil.rmtree(PLACE)
                fill(PLACE)
                portray(browser, lab, ending, theme)
        browser.close()


if __name__ == "__main__":
    main()
