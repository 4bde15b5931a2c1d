"""A real Chromium, a page that shows the panel alone, and a real JupyterLab with kernels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from labs import TOKEN, Lab, Notebook, running_lab
from playwright.sync_api import Browser, Page, Route, sync_playwright

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "widgets" / "static"
OUTPUT = HERE.parent / "output"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
# Headless in a container: no sandbox to nest, no GPU, and nothing that calls home.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


# One a module: while Playwright's loop runs in this thread, no other test may call asyncio.run.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        missing = f"Chromium is not at {CHROMIUM}: apt-get install chromium, or set CHROMIUM."
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that is wide enough for Lab; what it throws fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


@pytest.fixture
def harness(page: Page) -> Iterator[Callable[..., Page]]:
    """Opens the panel alone; `harness(show="running", theme="dark", width=480)`."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("http://harness/**", _serve)

    def show(width: int = 860, **query: Any) -> Page:
        page.set_viewport_size({"width": width, "height": 700})
        page.goto("http://harness/harness.html?" + "&".join(f"{name}={value}" for name, value in query.items()))
        page.wait_for_function("window.harness && document.readyState === 'complete'")
        return page

    yield show
    assert not errors


def _serve(route: Route) -> None:
    name = route.request.url.removeprefix("http://harness/").partition("?")[0]
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
    found = next((folder / name for folder in (STATIC, HERE) if (folder / name).is_file()), None)
    if found is None:
        route.fulfill(status=404)
    else:
        route.fulfill(path=found, content_type=f"{kinds[found.suffix]}; charset=utf-8")


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Saves a screenshot for people to look at."""
    OUTPUT.mkdir(exist_ok=True)
    return lambda page, name: page.screenshot(path=OUTPUT / f"{name}.png", full_page=True) and None


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab of our own; `browser` first, so that a machine without one does not start it."""
    with running_lab(tmp_path_factory.mktemp("lab")) as started:
        yield started


@pytest.fixture
def notebook(lab: Lab, page: Page, request: pytest.FixtureRequest, picture: Any) -> Iterator[Callable[..., Notebook]]:
    """Opens a new notebook of these cells in Lab."""

    def make(*cells: str) -> Notebook:
        sheet = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        sheet.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        name = f"{request.node.name}.ipynb"
        nbformat.write(sheet, lab.root / name)
        return Notebook(page, lab, name).open(TOKEN)

    yield make
    if getattr(request.node, "failed", False):
        picture(page, f"failed-{request.node.name}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call":
        item.failed = report.failed  # pyright: ignore[reportAttributeAccessIssue]
    return report
