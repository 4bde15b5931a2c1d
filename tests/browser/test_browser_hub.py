"""The panel under JupyterHub, behind its proxy and below a prefix: live, steered, and refused where a hub refuses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hubs import PASSWORD, USER, missing, running_hub
from labs import LONG, Lab, Notebook, click, pill
from playwright.sync_api import Page, expect
from test_browser_mime import PANEL, lives

HERE = Path(__file__).parent

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

# How a request of the page is answered; a stream is left after its first words.
ASK = """async ([path, options]) => {
  const base = JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl;
  const xsrf = decodeURIComponent(document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "");
  const headers = options.xsrf ? { "X-XSRFToken": xsrf } : {};
  const { method = "GET", body } = options;
  const answer = await fetch(`${base}migrator/api/${path}`, { method, headers, body });
  return [answer.status, answer.ok ? new TextDecoder().decode((await answer.body.getReader().read()).value) : ""];
}"""
# What a client of events that is no script of ours hears; it can send no header.
LISTEN = """([path, named]) => new Promise((done) => {
  const base = JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl;
  const xsrf = decodeURIComponent(document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "");
  const query = named ? `?_xsrf=${encodeURIComponent(xsrf)}` : "";
  const source = new EventSource(`${base}migrator/api/${path}${query}`);
  source.addEventListener("snapshot", () => { source.close(); done("snapshot"); });
  source.onerror = () => { source.close(); done("refused"); };
})"""


@pytest.fixture(scope="module")
def hub(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if reason := missing():
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with running_hub(tmp_path_factory.mktemp("hub")) as started:
        shutil.copy(HERE / "slow.py", started.root)
        yield started


@pytest.fixture
def book(hub: Lab, page: Page) -> Notebook:
    """A run that was started by a click, seen by a user who has logged in."""
    sheet = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in (PANEL, "import time; time.sleep(30)")]
    )
    sheet.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(sheet, hub.root / "book.ipynb")
    page.context.clear_cookies()  # the tests of a module share them, and the one before has logged in
    page.goto(f"{hub.url.partition('user/')[0]}hub/spawn")
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{hub.url}**", timeout=LONG)  # once the server that was started answers
    page.goto(f"{hub.url}lab/tree/book.ipynb?reset")
    made = Notebook(page, hub, "book.ipynb").ready()
    made.run(0)
    click(made.panel, "Run")
    pill(made.panel, "running")
    return made


def test_it_is_live_and_steered_and_refuses_what_a_hub_refuses(book: Notebook, picture: Any) -> None:
    lives(book.panel)
    picture(book.page, "hub")
    book.command("docmanager:save")
    book.page.reload()
    book.ready()
    lives(book.panel)
    book.run(1, wait=False)
    lives(book.panel)  # the kernel sleeps
    run_id = book.panel.get_attribute("data-run")

    def ask(path: str, **options: Any) -> list[Any]:
        return book.page.evaluate(ASK, [path, options])

    assert ask(f"runs/{run_id}/pause", method="POST", body="{}")[0] == 403  # no X-XSRFToken
    assert ask("runs", xsrf=True)[0] == 200
    status, words = ask(f"runs/{run_id}/events", xsrf=True)
    assert status == 200
    assert "retry" in words
    assert book.page.evaluate(LISTEN, [f"runs/{run_id}/events", True]) == "snapshot"
    assert book.page.evaluate(LISTEN, [f"runs/{run_id}/events", False]) == "refused"
    other = book.page.context.new_page()
    other.goto(f"{book.lab.url}migrator/runs/{run_id}")  # the page of its own, in a second tab
    lives(other.locator(".mgp-panel"))
    other.close()
    book.shut_down_kernel()
    lives(book.panel)
    click(book.panel, "Cancel")
    pill(book.panel, "cancelled")
    expect(book.panel).to_have_attribute("data-status", "cancelled")


def test_nobody_comes_in_without_a_login(book: Notebook, browser: Any) -> None:
    run_id = book.panel.get_attribute("data-run")
    stranger = browser.new_context().new_page()
    stranger.goto(f"{book.lab.url}migrator")
    assert "/hub/login" in stranger.url
    for path, method in (("runs", "GET"), (f"runs/{run_id}/cancel", "POST"), (f"runs/{run_id}/events", "GET")):
        answer = stranger.request.fetch(f"{book.lab.url}migrator/api/{path}", method=method, max_redirects=0)
        assert answer.status in (302, 403), (path, answer.status)
    stranger.context.close()
    click(book.panel, "Cancel")
    pill(book.panel, "cancelled")
