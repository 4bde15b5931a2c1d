"""A real Chromium, a page that shows the panel alone, and a real JupyterLab with kernels."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from labs import Desk, Lab, Notebook, new_page, ready, running_lab, write_notebook
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect, sync_playwright

from widgets import view

HERE = Path(__file__).parent
OUTPUT = HERE.parent / "output"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
# Headless in a container: no sandbox to nest, no GPU, and nothing that calls home.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

expect.set_options(timeout=20_000)  # the machine's pace is no test's affair


_running = ExitStack()  # the browser, from the first test that wants one to the last of this folder
_browsers: list[Browser] = []


@pytest.fixture(scope="module")
def browser() -> Browser:
    if not Path(CHROMIUM).exists():
        missing = f"Chromium is not at {CHROMIUM}: apt-get install chromium, or set CHROMIUM."
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    if not _browsers:
        playwright = _running.enter_context(sync_playwright())
        _browsers.append(playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS))
        _running.callback(lambda: _browsers.pop().close())
    return _browsers[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Any:
    """While Playwright's loop runs in this thread, no other test may call asyncio.run."""
    told = yield
    if nextitem is None or HERE not in nextitem.path.parents:
        _running.close()
    return told


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for the pages of a module: another one for each would be another process for each."""
    made = new_page(browser).context
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that is wide enough for Lab; what it throws fails the test."""
    page = ready(context.new_page())
    yield page
    if page.url.startswith("http"):
        page.evaluate("localStorage.clear()")
    page.close()


@pytest.fixture
def clock(page: Page) -> Iterator[Any]:
    """The page's, to be installed and stopped: it is the context's, so it goes on for those who come after."""
    yield page.clock
    page.clock.resume()


@pytest.fixture
def harness(page: Page) -> Iterator[Callable[..., Page]]:
    """Opens the panel alone; `harness(show="running", theme="dark", width=480)`."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield partial(open_harness, page)
    assert not errors


def open_harness(page: Page, width: int = 860, **query: Any) -> Page:
    """The panel alone, fed by the page itself."""
    page.route("http://harness/**", _serve)
    page.set_viewport_size({"width": width, "height": 700})
    page.goto("http://harness/harness.html?" + "&".join(f"{name}={value}" for name, value in query.items()))
    page.wait_for_function("window.harness && document.readyState === 'complete'")
    page.evaluate("harness.drawn()")
    return page


def _serve(route: Route) -> None:
    """The view as it is shipped; with `parts=1` the harness asks for its parts as they are written."""
    name = route.request.url.removeprefix("http://harness/").partition("?")[0]
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
    if name not in MADE and not (found := [each / name for each in (view.STATIC, HERE) if (each / name).is_file()]):
        return route.fulfill(status=404)
    text = MADE[name]() if name in MADE else found[0].read_text(encoding="utf-8")
    return route.fulfill(body=text, content_type=f"{kinds[Path(name).suffix]}; charset=utf-8")


def _parts() -> str:
    every = "".join(f'export * from "/{name}.js";' for name in view.MODULES)
    return f'{every}export {{ default }} from "/comm.js";'


MADE = {"panel.js": view.module, "panel.css": view.sheet, "parts.js": _parts}


@pytest.fixture
def picture() -> Callable[[Page | Locator, str], None]:
    """Saves a screenshot, of a page or of a part of it, for people to look at: in CI nobody does, but at a failure."""
    OUTPUT.mkdir(exist_ok=True)

    def save(what: Page | Locator, name: str) -> None:
        if os.environ.get("CI") == "true" and not name.startswith("failed-"):
            return
        whole = {"full_page": True} if isinstance(what, Page) else {}
        what.screenshot(path=OUTPUT / f"{name}.png", **whole)

    return save


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab of our own; `browser` first, so that a machine without one does not start it."""
    with running_lab(tmp_path_factory.mktemp("lab")) as started:
        yield started


@pytest.fixture(scope="session")
def extended_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One with our server extension and renderer, for all modules that want such a one."""
    with running_lab(tmp_path_factory.mktemp("extended-lab"), extended=True) as started:
        shutil.copy(HERE / "slow.py", started.root)
        yield started


@pytest.fixture(scope="module")
def desk(browser: Browser, lab: Lab) -> Iterator[Desk]:
    """Lab in one page for the tests of a module: to open it takes longer than most of them."""
    made = Desk(lab, partial(new_page, browser))
    yield made
    made.close()


@pytest.fixture
def notebook(desk: Desk, request: pytest.FixtureRequest, picture: Any) -> Iterator[Callable[..., Notebook]]:
    """Opens a new notebook of these cells in Lab; `fresh`: in a page of its own."""

    def make(*cells: str, fresh: bool = False) -> Notebook:
        if fresh:
            desk.close()
        name = f"{request.node.name}.ipynb"
        write_notebook(desk.lab, name, *cells)
        return desk.open(name)

    yield make
    if getattr(request.node, "failed", False):
        if desk.page:
            picture(desk.page, f"failed-{request.node.name}")
        desk.close()  # what it left there is nobody else's affair
    desk.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call":
        item.failed = report.failed  # pyright: ignore[reportAttributeAccessIssue]
    return report
