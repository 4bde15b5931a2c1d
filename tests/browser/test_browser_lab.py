"""The panel in a real JupyterLab, on real runs: what it says must hold through refresh, restart and shutdown."""

from __future__ import annotations

import os
import re
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest
from labs import LONG, Desk, Standing, click, new_page, pill
from playwright.sync_api import expect

from migrator.api import Queue, open_state

HERE = Path(__file__).parent
IMPORTS = "import migrator as mg\nfrom widgets import MigrationPanel\n"
SLOW = f"{IMPORTS}from slow import Slow\npanel = MigrationPanel(Slow(items=20_000))\npanel"
# A kernel is missed after ten seconds: of those the page's clock is put forward by eight, and two go by.
LATER = "{ const now = Date.now; Date.now = () => now() + 8000; }"
CELLS = (SLOW, "panel.run.snapshot().holder['pid']", "1 + 1")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", autouse=True)
def folder(lab):
    """The notebooks' folder, with files to copy and a migration that takes its time."""
    shutil.copy(HERE / "slow.py", lab.root)
    for number in range(0 if (lab.root / "in").exists() else 400):
        part = lab.root / "in" / f"part-{number % 8}"
        part.mkdir(parents=True, exist_ok=True)
        (part / f"{number:04}.bin").write_bytes(os.urandom(2_000))
    return lab.root


def done(panel):
    return int(panel.locator(".mgp-figure b").first.inner_text().replace(",", ""))


def grows(panel, by=5):
    """The figure goes on, whatever it is now."""
    seen = done(panel)
    panel.page.wait_for_function(
        "n => +document.querySelector('.mgp-figure b')?.textContent.replaceAll(',', '') > n",
        arg=seen + by,
        timeout=LONG,
    )


@pytest.fixture(scope="module")
def standing(browser, lab, folder):
    made = Standing(Desk(lab, partial(new_page, browser)), "standing.ipynb", *CELLS)
    yield made
    made.close()


@pytest.fixture
def book(standing, request):
    """A slow run, running, in a notebook of three cells."""
    made = standing.take()
    grows(made.panel)
    yield made
    if getattr(request.node, "failed", False):
        standing.close()


def test_run_all_completes(notebook, picture):
    book = notebook(
        f"{IMPORTS}panel = MigrationPanel(mg.CopyObjects('in', 'out'))\npanel.start()\npanel",
        "end = await panel.wait(120)\nprint(end.status, end.copied)",
    )
    book.run_all()
    pill(book.panel, "completed")
    expect(book.panel.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    assert book.output(1) == "completed 400\n"
    expect(book.panel.locator(".mgp-log")).to_contain_text("completed")
    assert book.page.get_by_text(re.compile(r"Error\b")).count() == 0
    picture(book.page, "lab-completed")


def test_dry_run_then_apply(notebook, picture):
    book = notebook(f"{IMPORTS}panel = MigrationPanel(mg.CopyObjects('in', 'applied'))\npanel", "print(panel.run.id)")
    book.run(0)
    book.panel.get_by_label("Dry run").check()
    click(book.panel, "Plan it")
    pill(book.panel, "plan ready")
    expect(book.panel.locator(".mgp-plan tbody")).to_contain_text(re.compile("create.*400"))
    assert not list((book.lab.root / "applied").glob("**/*.bin"))
    picture(book.page, "lab-plan")
    plan = book.panel.get_attribute("data-run")
    click(book.panel, "Apply this plan")
    pill(book.panel, "completed")
    assert book.panel.get_attribute("data-run") != plan
    assert len(list((book.lab.root / "applied").glob("**/*.bin"))) == 400


@pytest.fixture
def workers_end(lab):
    """Ends the workers of this lab's own state DB; they would outlive it."""
    queue = Queue("default", open_state(f"sqlite:///{lab.folder / 'state' / 'state.db'}"))
    yield queue
    for worker in queue.workers:
        os.kill(worker["pid"], signal.SIGTERM)


def test_queue_and_a_worker_by_click(notebook, workers_end, picture):
    book = notebook(f"{IMPORTS}from slow import Slow\npanel = MigrationPanel(Slow(items=100, pause=0.02))\npanel")
    book.run(0)
    book.panel.get_by_role("radio", name="Queue").click()
    click(book.panel, "Queue it")
    pill(book.panel, "queued")
    expect(book.panel.locator(".mgp-aside")).to_have_text("1st in default")
    expect(book.panel.locator(".mgp-ask")).to_contain_text("No worker serves the queue default.")
    picture(book.page, "lab-queued")
    book.panel.get_by_role("button", name="Start a worker").dblclick()
    pill(book.panel, "completed")
    assert done(book.panel) == 100
    assert len(workers_end.workers) == 1
    assert workers_end.running == workers_end.waiting == []


def test_run_now_instead_and_back_into_the_queue(notebook):
    book = notebook(f"{IMPORTS}from slow import Slow\npanel = MigrationPanel(Slow(items=20_000), mode='queue')\npanel")
    book.run(0)
    click(book.panel, "Queue it")
    pill(book.panel, "queued")
    click(book.panel, "Run now instead")
    pill(book.panel, "running")
    expect(book.panel.locator(".mgp-how")).to_have_text("streaming")
    grows(book.panel)
    click(book.panel, "Cancel")
    pill(book.panel, "cancelled")
    book.panel.get_by_role("radio", name="Queue").click()
    click(book.panel, "Resume")
    pill(book.panel, "queued")
    expect(book.panel.locator(".mgp-how")).to_have_text("queue default")
    click(book.panel, "Cancel")
    pill(book.panel, "cancelled")


def test_a_place_that_is_being_written_is_told(notebook):
    book = notebook(
        f"{IMPORTS}first = mg.start(mg.CopyObjects('in', 'shared'), mode='streaming', bytes_per_s=4_000)",
        f"{IMPORTS}MigrationPanel(mg.CopyObjects('in', 'shared'))",
        "first.cancel()",
    )
    book.run(0)
    book.run(1)
    click(book.panel, "Run")
    expect(book.panel.locator(".mgp-notes")).to_contain_text("is being written by run")
    pill(book.panel, "not started")
    book.panel.get_by_role("radio", name="Queue").click()  # where it waits for its turn, as the sentence says
    click(book.panel, "Queue it")
    pill(book.panel, "queued")
    expect(book.panel.locator(".mgp-notes")).to_have_text("")
    click(book.panel, "Cancel")
    pill(book.panel, "cancelled")
    book.run(2)


def test_partial(notebook, picture):
    book = notebook(f"{IMPORTS}from slow import Slow\nMigrationPanel(Slow(items=60, pause=0.01, failing=20))")
    book.run(0)
    click(book.panel, "Run")
    pill(book.panel, "partial")
    book.panel.get_by_role("tab", name="Failed 3").click()
    expect(book.panel.locator(".mgp-items tbody tr")).to_have_count(3)
    expect(book.panel.locator(".mgp-items tbody")).to_contain_text("unit-00020")
    expect(book.panel.get_by_role("button", name="Resume")).to_be_visible()
    picture(book.page, "lab-partial")


# Mutation: let `keep` always begin a view, and the tab is the first one again, and the search is empty.
def test_what_one_looks_at_stays_when_the_end_is_written_into_the_notebook(notebook):
    book = notebook(f"{IMPORTS}from slow import Slow\npanel = MigrationPanel(Slow(items=60, pause=0.05))\npanel")
    book.run(0)
    click(book.panel, "Run")
    book.panel.get_by_role("tab", name="Output").click()
    click(book.panel, "Find")
    field = book.panel.get_by_role("searchbox", name="Find in the output")
    field.fill("unit 1")
    book.panel.evaluate("node => { node.first = true }")
    pill(book.panel, "completed")
    model = "jupyterapp.shell.currentWidget.content.widgets[0].model.outputs.toJSON()[0].data"
    book.page.wait_for_function(f"() => {model}['text/html'].includes('completed')", timeout=LONG)
    book.page.wait_for_timeout(500)  # it is drawn anew
    expect(book.panel).to_have_count(1)
    expect(field).to_have_value("unit 1")
    expect(field).to_be_focused()
    assert book.panel.evaluate("node => node.first")


def test_a_past_run_opens_below_and_can_be_worked(notebook, picture):
    book = notebook(
        f"{IMPORTS}from slow import Slow\nold = mg.start(Slow(items=40, failing=9))\n_ = old.wait(check=False)",
        "panel = MigrationPanel(Slow(items=20)); panel.start(); panel",
    )
    book.run(0)
    book.run(1)
    pill(book.panel, "completed")
    click(book.page.locator(".mgp-past"), "Past runs")
    book.page.get_by_role("button", name="All runs").click()
    book.page.locator(".mgp-entry").filter(has_text="partial").first.click()
    past = book.page.locator(".mgp-stage .mgp-panel")
    pill(past, "partial")
    past.get_by_role("tab", name="Failed 5").click()
    expect(past.locator(".mgp-items tbody tr")).to_have_count(5)
    past.get_by_role("tab", name="Output").click()
    expect(past.locator(".mgp-log")).to_contain_text("unit 30")
    picture(book.page, "lab-past-run")
    click(past, "Resume")  # what failed is tried again
    expect(past.locator(".mgp-spoken")).to_have_text(re.compile("starting|running|partial"))
    expect(past.locator(".mgp-foot")).to_contain_text("streaming")
    pill(past, "partial")
    expect(book.page.locator(".mgp-panel").first.locator(".mgp-pill")).to_have_text("completed")


# From here on of one run that goes on from test to test; what is hardest on it comes last.


def test_prints_land_in_no_cell(book):
    book.run(2)
    click(book.panel, "Cancel")
    pill(book.panel, "cancelled")
    assert book.output(1) == ""
    assert "Error" not in book.output(0)


def test_keys_stay_in_the_panel(book):
    cells = book.cells()
    book.js("{const n = jupyterapp.shell.currentWidget.content; n.activeCellIndex = 0; n.mode = 'command'}")
    book.panel.get_by_role("button", name="Limits").click()
    places = (
        ".mgp-log",
        ".mgp-stop",
        ".mgp-follow",
        ".mgp-tab:visible",
        ".mgp-copy >> nth=0",
        ".mgp-fold",
        ".mgp-field",
    )
    for place in places:
        book.panel.locator(place).first.focus()
        for key in "ddxab":
            book.page.keyboard.press(key)
    book.page.wait_for_timeout(300)
    assert book.cells() == cells
    book.panel.locator(".mgp-stop").focus()
    book.page.keyboard.press("Enter")
    pill(book.panel, "cancelled")


def test_pause_limit_and_unpause_by_click(book, picture):
    if not book.panel.get_by_label("Objects at once", exact=True).is_visible():
        book.panel.get_by_role("button", name="Limits").click()
    book.panel.get_by_label("Objects at once", exact=True).fill("many")
    click(book.panel, "Apply")
    expect(book.panel.locator(".mgp-notes")).to_contain_text("a whole number, such as 64, not 'many'")
    book.panel.get_by_label("Objects at once", exact=True).fill("8")
    book.panel.get_by_label("Bytes a second", exact=True).fill("20MiB")
    picture(book.page, "lab-limits")
    click(book.panel, "Apply")
    expect(book.panel.locator(".mgp-limits-now")).to_have_text("20 MiB/s · 8 at once")
    click(book.panel, "Pause")
    pill(book.panel, "paused")
    book.page.wait_for_timeout(1500)  # what was in flight
    seen = done(book.panel)
    book.page.wait_for_timeout(1500)
    assert done(book.panel) == seen
    picture(book.page, "lab-paused")
    click(book.panel, "Unpause")
    pill(book.panel, "running")
    grows(book.panel)


def test_looks(book, picture):
    for theme in ("Dark High Contrast", "Dark", "Light"):
        command = f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})"
        book.js(f"{command}.then(() => null)")
        grows(book.panel, 10)
        expect(book.panel.locator(".mgp-follow")).to_have_attribute("aria-pressed", "true")
        picture(book.page, f"lab-{theme.replace(' ', '-').lower()}")


def test_live_while_the_kernel_is_busy(book):
    book.write(1, "import time\ntime.sleep(4)")
    book.run(1, wait=False)
    grows(book.panel, 20)
    click(book.panel, "Cancel")  # heard at once, or when the cell has ended: that depends on the ipykernel
    pill(book.panel, "cancelled")


def test_cancel_and_resume_by_click(book):
    click(book.panel, "Cancel")
    expect(book.panel.locator(".mgp-stop")).to_have_text("Cancelling…")
    pill(book.panel, "cancelled")
    expect(book.panel.locator(".mgp-notes")).to_contain_text("Resume goes on")
    click(book.panel, "Resume")
    pill(book.panel, "running")
    grows(book.panel)
    click(book.panel, "Cancel")
    pill(book.panel, "cancelled")


def test_refresh_with_the_kernel_alive(book):
    expect(book.panel.locator(".mgp-log")).to_contain_text("unit ")
    book.command("docmanager:save")
    book.page.reload()
    book.ready()
    pill(book.panel, "running")
    expect(book.panel.locator(".mgp-log")).to_contain_text("unit ")
    grows(book.panel)
    click(book.panel, "Cancel")
    pill(book.panel, "cancelled")


def test_run_outlives_the_kernel(book, picture):
    run_id = book.panel.get_attribute("data-run")
    found = re.search(r"pid (\d+)", book.panel.inner_text())
    assert found
    pid = found[1]
    before = done(book.panel)
    book.restart_kernel()
    book.js(LATER)
    expect(book.panel.locator(".mgp-notes")).to_contain_text(f'MigrationPanel("{run_id}")', timeout=LONG)
    picture(book.page, "lab-kernel-gone")
    book.write(0, f'{IMPORTS}panel = MigrationPanel("{run_id}")\npanel')
    book.run(0)
    pill(book.panel, "running")
    assert f"pid {pid}" in book.panel.inner_text()  # the same process went on meanwhile
    assert done(book.panel) > before
    grows(book.panel)
    book.shut_down_kernel()
    assert Path(f"/proc/{pid}").exists()
    book.js(LATER)
    expect(book.panel.locator(".mgp-notes")).to_contain_text("No word from the kernel", timeout=LONG)
    assert Path(f"/proc/{pid}").exists()
    os.kill(int(pid), 15)
