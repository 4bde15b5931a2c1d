"""All runs in one place: in a notebook by the server and by the kernel, in a tab of Lab's, and on a page of its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from labs import LONG, TOKEN, Lab, running_lab
from playwright.sync_api import Browser, Locator, Page, Route, expect
from test_browser_lab import IMPORTS

HERE = Path(__file__).parent
RUNS = """import migrator as mg
from slow import Slow
first = mg.start(Slow(items=30), name="the first")
first.wait()
second = mg.start(Slow(items=20000), name="the <i>second</i>")
print(first.id)"""
MORE = """more = [mg.start(Slow(items=20, failing=failing)) for failing in (10, 0, 0)]
for run in more:
    run.wait(check=False)"""

# Notices stand until they are closed, however long the list takes to be read once more: else they go after eight
# seconds, and it is read each five.
STAND = """() => {
  const style = document.head.appendChild(document.createElement("style")), now = Date.now, at = now();
  style.textContent = ".Toastify__progress-bar { animation-play-state: paused !important; }";
  Date.now = () => at;
  window.passOn = () => { style.remove(); Date.now = now; };
}"""
WATCHED = re.compile(r"/migrator/api/runs\?limit=50")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), extended=True) as started:
        shutil.copy(HERE / "slow.py", started.root)
        yield started


def entries(place: Locator | Page) -> Locator:
    return place.locator(".mgp-entry:visible")


@pytest.mark.parametrize("bundle", ["mime", "widget"])
def test_the_dashboard_lists_finds_and_opens_runs_by_the_keyboard(bundle: str, notebook: Any, picture: Any) -> None:
    book = notebook(f"{IMPORTS}{RUNS}", f"MigrationPanel(bundle={bundle!r})", "second.cancel()")
    book.run(0)
    book.page.wait_for_function("() => document.querySelector('.jp-OutputArea-output')?.innerText.trim()")
    finished = book.output(0).strip()
    book.run(1)
    board = book.page.locator(".mgp-dashboard")
    expect(entries(board).first).to_contain_text("running", timeout=LONG)
    picture(book.page, f"dashboard-{bundle}")
    search = board.get_by_role("searchbox")
    search.fill(finished)
    expect(entries(board)).to_have_count(1)
    expect(entries(board)).to_contain_text("completed")
    search.focus()
    for _ in range(6):  # over the kinds, to the one that was found
        book.page.keyboard.press("Tab")
    book.page.keyboard.press("Enter")
    panel = board.locator(".mgp-stage .mgp-panel")
    expect(panel).to_have_attribute("data-run", finished, timeout=LONG)
    expect(board.get_by_role("button", name="← All runs")).to_be_focused()
    picture(book.page, f"dashboard-{bundle}-opened")
    book.page.keyboard.press("Enter")
    expect(entries(board)).to_be_focused()
    search.fill("")
    board.get_by_role("button", name="Running", exact=True).click()
    expect(entries(board)).to_have_count(1)
    before = entries(board).inner_text()
    expect(entries(board)).not_to_have_text(before, timeout=15_000)  # it is looked at again by itself
    book.run(2)
    expect(entries(board)).to_have_count(0, timeout=15_000)
    expect(board).to_contain_text("No run is like that.")
    assert book.cells() == 3


def test_a_form_plans_and_runs_what_the_server_allows(notebook: Any, lab: Lab, picture: Any) -> None:
    (lab.root / "in").mkdir(exist_ok=True)
    (lab.root / "in" / "one").write_text("1")
    book = notebook(f"{IMPORTS}MigrationPanel(bundle='mime')")
    book.run(0)
    board, keys = book.page.locator(".mgp-dashboard"), book.page.keyboard
    board.get_by_role("button", name="New migration").press("Enter")
    expect(board.get_by_label("Source", exact=True)).to_be_focused()
    keys.type(str(lab.root / "nothing-there"))
    keys.press("Tab")
    keys.type(str(lab.root / "made-by-form"))
    keys.press("Enter")
    expect(board.get_by_role("alert")).to_contain_text("nothing-there")
    picture(book.page, "dashboard-form")
    board.get_by_label("Source", exact=True).fill(str(lab.root / "in"))
    expect(board.locator(".mgp-code")).to_contain_text('made-by-form"), dry_run=True')
    keys.press("Enter")
    panel = board.locator(".mgp-stage .mgp-panel")
    expect(panel.locator(".mgp-pill")).to_have_text("plan ready", timeout=LONG)
    assert not (lab.root / "made-by-form").exists()
    panel.get_by_role("button", name="Apply this plan").click()
    expect(panel.locator(".mgp-pill")).to_have_text("completed", timeout=LONG)
    assert (lab.root / "made-by-form" / "one").read_text() == "1"
    assert book.cells() == 1


def test_a_form_starts_what_the_kernel_knows(notebook: Any) -> None:
    book = notebook(f"{IMPORTS}from slow import Slow\nMigrationPanel(bundle='widget')")
    book.run(0)
    board = book.page.locator(".mgp-dashboard")
    board.get_by_role("button", name="New migration").click()
    board.get_by_label("What to start").select_option("Slow")
    expect(board.locator(".mgp-code")).to_contain_text("from slow import Slow")
    board.get_by_label("Items").fill("some")
    board.get_by_role("button", name="Plan it").click()
    expect(board.locator(".mgp-fault:visible")).to_have_text("This should be a valid integer.")
    board.get_by_label("Items").fill("5")
    board.get_by_label("Dry run").uncheck()
    board.get_by_role("button", name="Run", exact=True).click()
    expect(board.locator(".mgp-stage .mgp-pill")).to_have_text("completed", timeout=LONG)


# Mutations: let watchEnds take `newest` for 0 at first, and runs that ended long ago are announced; give `standing` no
# `until`, and each end has a notice of its own; leave the look at the page out of `notify`, and what
# was closed comes again; renew a notice before it is dismissed, and it stays beside the one that takes its place.
def test_the_end_of_a_run_is_announced_once_whatever_tab_is_in_front(lab: Lab, notebook: Any, picture: Any) -> None:
    book = notebook(f"{IMPORTS}{RUNS}", "second.cancel()", MORE)
    page = book.page
    page.emulate_media(reduced_motion="no-preference")  # as most have it: a notice that goes takes its time
    toasts, tab = page.locator(".Toastify__toast"), page.evaluate("jupyterapp.shell.currentWidget.id")
    page.evaluate(STAND)
    book.run(0)
    page.wait_for_function("() => document.querySelector('.jp-OutputArea-output')?.innerText.trim()")
    told = toasts.filter(has_text=re.compile("the first: completed|runs ended: .*completed"))  # with what ended before
    expect(told).to_have_count(1, timeout=15_000)
    _end_another(page)
    told = toasts.filter(has_text=re.compile("runs ended: [2-9] completed"))
    expect(told.first).to_be_visible(timeout=15_000)
    expect(toasts).to_have_count(1)
    page.unroute(WATCHED)
    told.locator(".jp-Notification-Toast-Close").dispatch_event("click")  # it moves, and goes by itself in a while
    expect(toasts).to_have_count(0)
    book.run(1)
    told = toasts.filter(has_text="the <i>second</i>: cancelled")
    expect(told).to_have_count(1, timeout=15_000)
    told.get_by_role("button", name="Show").dispatch_event("click")
    expect(page.locator("#migrator-runs .mgp-stage .mgp-pill:visible")).to_have_text("cancelled", timeout=LONG)
    page.evaluate("(id) => jupyterapp.shell.activateById(id)", tab)
    page.wait_for_function("(id) => jupyterapp.shell.currentWidget?.id === id", arg=tab)
    book.run(2)
    told = toasts.filter(has_text=re.compile("runs ended: 2 completed, .*1 partial"))
    expect(told).to_have_count(1, timeout=20_000)
    expect(toasts).to_have_count(1)
    page.evaluate("passOn()")
    picture(page, "notice")
    later = page.context.new_page()
    later.goto(f"{lab.url}lab/workspaces/later?token={TOKEN}")
    expect(later.locator(".jp-Launcher:visible, .jp-Notebook:visible").first).to_be_visible(timeout=LONG)
    later.wait_for_timeout(4000)  # the list is read every three seconds
    assert later.locator(".Toastify__toast").filter(has_text=re.compile("completed|cancelled")).count() == 0
    later.close()
    expect(told).to_have_count(1)  # it stays, since something went wrong
    told.get_by_role("button", name="Show").click()
    expect(entries(page.locator("#migrator-runs")).first).to_contain_text("completed", timeout=LONG)


def _end_another(page: Page) -> None:
    """One more run in the list that the page watches, just ended."""

    def more(route: Route) -> None:
        answer = route.fetch()
        newest, *older = answer.json()
        another = {**newest, "id": "zzzzz-slow-0101", "status": "completed", "created_at": newest["created_at"] + 1}
        route.fulfill(response=answer, json=[another, newest, *older])

    page.route(WATCHED, more)


def test_a_page_of_its_own_shows_all_runs_and_each_by_its_address(lab: Lab, notebook: Any, picture: Any) -> None:
    book = notebook(f"{IMPORTS}{RUNS}\nsecond.cancel()")
    book.run(0)
    book.page.wait_for_function("() => document.querySelector('.jp-OutputArea-output')?.innerText.trim()")
    finished = book.output(0).strip()
    page = book.page.context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{lab.url}migrator?token={TOKEN}")
    found = entries(page).filter(has_text="completed").first
    found.click()
    expect(page).to_have_url(re.compile(r"/migrator/runs/[\w-]+$"))
    page.goto(f"{lab.url}migrator/runs/{finished}")
    expect(page.locator(".mgp-panel[data-run]")).to_have_attribute("data-run", finished, timeout=LONG)
    expect(page.locator(".mgp-pill:visible")).to_have_text("completed")
    picture(page, "page-run")
    page.get_by_role("button", name="← All runs").click()
    expect(page).to_have_url(re.compile("/migrator$"))
    page.go_back()
    expect(page.locator(".mgp-stage")).to_be_visible()
    page.go_forward()
    expect(entries(page).first).to_be_visible()
    for scheme, width in (("light", 1100), ("dark", 1100), ("dark", 480)):
        page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
        page.set_viewport_size({"width": width, "height": 700})
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        picture(page, f"page-{scheme}-{width}")
    assert not errors


def test_who_is_not_logged_in_sees_the_login(lab: Lab, browser: Browser) -> None:
    context = browser.new_context()
    stranger = context.new_page()
    stranger.goto(f"{lab.url}migrator")
    assert "/login" in stranger.url
    context.close()


def test_the_launcher_opens_them_in_a_tab(notebook: Any, picture: Any) -> None:
    book = notebook("1")
    book.command("launcher:create")
    card = book.page.locator(".jp-LauncherCard").filter(has_text="Migrations")
    card.click()
    tab = book.page.locator("#migrator-runs .mgp-dashboard")
    expect(tab.get_by_role("searchbox")).to_be_visible(timeout=LONG)
    picture(book.page, "launcher-tab")
