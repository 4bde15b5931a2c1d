"""What axe finds in panel, dashboard, form, preview and page, in each theme: nothing; forty panels; a fast output."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from labs import LONG, TOKEN, Lab
from playwright.sync_api import Browser, Page, expect
from test_browser_lab import IMPORTS

import migrator as mg

HERE = Path(__file__).parent
PANELS = 40
# A run that goes on, a plan, and the list of both.
CELLS = (
    f"{IMPORTS}from slow import Slow\nrun = mg.start(Slow(items=20000, failing=7), name='a run')\nMigrationPanel(run)",
    "plan = mg.start(mg.CopyObjects('in', 'out'), dry_run=True, name='a plan')\nplan.wait()\nMigrationPanel(plan)",
    "MigrationPanel()",
    f"from IPython.display import display\nfor _ in range({PANELS}): display(MigrationPanel(run))",
    "run.cancel()",
)
THEMES = ("Light", "Dark", "Dark High Contrast")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def lab(browser: Browser, extended_lab: Lab) -> Lab:
    """JupyterLab with our server extension and renderer, and some files to plan with."""
    for number in range(60):
        file = extended_lab.root / "in" / str(number % 5) / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 100 * number)
    return extended_lab


def found(page: Page, place: str) -> list[str]:
    """What axe finds wrong in the part of a page that is ours."""
    told = Axe().run(page, place).response["violations"]
    return [f"{each['id']}: {node['html'][:160]} {node['any'][:1]}" for each in told for node in each["nodes"]]


# Mutation: take the label off a field, or give a text the colour of a border, and its line fails.
def test_axe_finds_nothing_in_any_theme(notebook: Any, lab: Lab, picture: Any) -> None:
    book = notebook(*CELLS)
    page: Page = book.page
    page.set_viewport_size({"width": 1200, "height": 2600})  # what is not in sight is not drawn
    for cell in (0, 1, 2):
        book.run(cell)
    board = page.locator(".mgp-dashboard")
    expect(page.locator(".mgp-pill").first).to_have_text("running", timeout=LONG)
    expect(page.locator(".mgp-page-plan .mgp-row-create")).to_be_visible(timeout=LONG)
    expect(board.locator(".mgp-entry").first).to_be_visible(timeout=LONG)
    wrong: dict[str, list[str]] = {}
    for theme in THEMES:
        book.js(
            f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}}).then(() => null)"
        )
        page.wait_for_function(f"document.body.dataset.jpThemeName === 'JupyterLab {theme}'")
        page.wait_for_timeout(300)  # colours that fade
        name = theme.lower().replace(" ", "-")
        wrong |= {f"{name}, panel, plan and list": found(page, ".jp-Notebook .mgp")}
        picture(page, f"axe-{name}")
        board.get_by_role("button", name="New migration").click()
        expect(board.get_by_label("Source", exact=True)).to_be_visible()
        wrong |= {f"{name}, form": found(page, ".mgp-dashboard")}
        picture(board, f"axe-form-{name}")
        board.get_by_role("button", name="← All runs").click()
    run_id = page.locator(".mgp-panel[data-run]").first.get_attribute("data-run")
    own = page.context.new_page()
    for scheme in ("light", "dark"):
        own.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
        own.goto(f"{lab.url}migrator?token={TOKEN}")
        expect(own.locator(".mgp-entry").first).to_be_visible(timeout=LONG)
        wrong |= {f"page, {scheme}": found(own, "html")}
        own.goto(f"{lab.url}migrator/runs/{run_id}")
        expect(own.locator(".mgp-pill:visible")).to_have_text("running", timeout=LONG)
        wrong |= {f"page of a run, {scheme}": found(own, "html")}
    own.emulate_media(color_scheme="light", forced_colors="active")
    wrong |= {"page of a run, forced colours": found(own, "html")}
    picture(own, "axe-page-forced-colours")
    own.close()
    book.run(4)
    assert {where: what for where, what in wrong.items() if what} == {}


# Mutation: make a Hub for each panel (`hub` in socket.js), and there are forty sockets.
def test_forty_panels_on_a_page_share_one_socket_and_leave_the_server_free(notebook: Any, lab: Lab) -> None:
    book = notebook(*CELLS)
    page: Page = book.page
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    book.run(0)
    book.run(3)
    panels = page.locator(".mgp-panel")
    expect(panels).to_have_count(PANELS + 1, timeout=LONG)
    expect(panels.last.locator(".mgp-pill")).to_have_text("running", timeout=LONG)
    one = "+panel.querySelector('.mgp-figure b').textContent.replaceAll(',', '')"
    figures = f"[...document.querySelectorAll('.mgp-panel')].map((panel) => {one})"
    before = page.evaluate(f"Math.min(...{figures})")
    page.wait_for_function(f"({figures}).length === {PANELS + 1} && Math.min(...{figures}) >= {before} + 10")
    answer = page.evaluate("fetch('/migrator/api/runs', {signal: AbortSignal.timeout(15_000)}).then((a) => a.status)")
    assert answer == 200
    # None where the page has one already.
    assert len([url for url in sockets if re.search("/migrator/api/socket", url)]) <= 1
    book.run(4)


# The window of a page that the server sends to, and how long each frame took.
WINDOW = """async () => {
  const { LogWindow } = await import("/migrator/static/log.js"), was = LogWindow.prototype.append;
  LogWindow.prototype.append = function (...given) { window.output = this; return was.apply(this, given); };
  window.frames_ = [];
  let before = performance.now();
  requestAnimationFrame(function look(now) { frames_.push(now - before); before = now; requestAnimationFrame(look); });
}"""


# Mutation: let the server send a frame of output only to every other place (hub._tell_log), and lines are missing.
@pytest.mark.parametrize("lines", [15_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_every_line_of_a_fast_output_is_in_the_page(
    lab: Lab, page: Page, lines: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At five thousand a second, from the file through server and socket into the window."""
    monkeypatch.setenv("MIGRATOR_STATE", str(lab.folder / "state" / "state.db"))
    monkeypatch.setenv("MIGRATOR_WORKSPACE", str(lab.folder / "state" / "runs"))
    run = mg.start(mg.CopyObjects(lab.root / "in", tmp_path / "out"), bytes_per_s=100)
    page.goto(f"{lab.url}migrator/runs/{run.id}?token={TOKEN}")
    expect(page.locator(".mgp-pill:visible")).to_have_text("running", timeout=LONG)
    page.evaluate(WINDOW)
    began, sent = time.monotonic(), 0
    with (Path(run.snapshot().workspace) / "output.log").open("a") as log:
        while sent < lines:
            due = min(lines, int((time.monotonic() - began) * 5_000))
            log.writelines(f"line {n:06} of a fast output {'x' * (n % 60)}\n" for n in range(sent, due))
            log.flush()
            sent = due
            time.sleep(0.05)
    # Not the very last: the runner may say how far it is in the same instant.
    last = f"output?.lines.all.slice(-20).some((line) => line.startsWith('line {lines - 1:06}'))"
    page.wait_for_function(last, timeout=LONG)
    frames = sorted(page.evaluate("frames_"))  # before the test itself keeps the page busy with all of them
    there = page.evaluate("output.lines.all.filter((line) => line.startsWith('line'))")
    assert there == [f"line {n:06} of a fast output {'x' * (n % 60)}" for n in range(lines)]
    print(f"\n{lines:,} lines through the server: worst frame {frames[-1]:.0f} ms")
    bound_ms = 100 if lines == 100_000 else 500  # beside other tests a frame may have to wait for the machine
    assert frames[int(len(frames) * 0.95)] < bound_ms
    run.cancel()
    run.wait(30, check=False)
