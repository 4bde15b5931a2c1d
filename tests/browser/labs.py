"""Starting a JupyterLab that touches nothing of the user's, and working a notebook in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Error, Locator, Page, expect
from servers import free_ports

TOKEN = "browser-tests"
VIEWPORT: Any = {"width": 1200, "height": 900}
HOUSE = Path(__file__).parents[2]
LONG = 60_000
START_S = 150  # where others have the machine; on an idle one it takes three
# When the frame that says so was drawn, by the clock that a runner's end is written with.
CANCELLED = """() => new Promise((done) => {
  const pill = document.querySelector(".mgp-pill"), look = () => pill.textContent === "cancelled" && done(Date.now());
  new MutationObserver(() => requestAnimationFrame(look)).observe(pill, { childList: true, subtree: true });
  look();
})"""
KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"


@dataclass(frozen=True)
class Lab:
    """A running server: where it listens, the notebooks' folder, the folder of everything else, and its process."""

    url: str
    root: Path
    folder: Path
    pid: int


@contextmanager
def running_lab(folder: Path, extended: bool = False, venv: Path | None = None) -> Iterator[Lab]:
    """JupyterLab on a free port, on this machine only, behind a token, with a state DB of its own.

    ``extended``: with our server extension and renderer, as after ``pip install``. ``venv``: that of an environment
    of its own, with what was installed there and nothing that we say.
    """
    root = folder / "notebooks"
    root.mkdir(exist_ok=True)
    [port] = free_ports(1)
    python = [str(venv / "bin" / "python") if venv else sys.executable]
    command = [
        *python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    # Said in both cases: where the package is installed its server extension is enabled.
    said = f'--ServerApp.jpserver_extensions={{"jupyterlab": True, "migrator.server": {extended}}}'
    command += [] if venv else [said]
    if extended:
        found = folder / "share" / "labextensions"
        found.mkdir(parents=True)
        (found / "jupyter-migrator").symlink_to(HOUSE / "widgets" / "labextension")  # as pip would have installed it
    log = folder / "lab.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, env=environment(folder, venv), cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )  # elsewhere than here: what is imported is what was installed, or what PYTHONPATH says
        lab = Lab(f"http://127.0.0.1:{port}/", root, folder, server.pid)
        try:
            _await_answer(lab, server, log)
            yield lab
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def environment(folder: Path, venv: Path | None = None) -> dict[str, str]:
    """Nothing of the user's; our house on the import path, or what ``venv`` has installed."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)  # a toast about news would lie over the page
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    own = {
        "HOME": "home", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython", "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_PATH": "share", "MIGRATOR_STATE": "state/state.db", "MIGRATOR_WORKSPACE": "state/runs",
        "MIGRATOR_CONFIG": "migrator.toml",
    }  # fmt: skip
    for name in ("home", "state"):
        (folder / name).mkdir(exist_ok=True)
    path = {"PYTHONPATH": os.pathsep.join(filter(None, [str(HOUSE), kept.get("PYTHONPATH")]))}
    if venv:  # Lab's own files lie where Lab is installed
        path = {"PYTHONPATH": "", "JUPYTERLAB_DIR": str(Path(sys.prefix) / "share" / "jupyter" / "lab")}
    return kept | path | {name: str(folder / where) for name, where in own.items()}


def _await_answer(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            opener.open(f"{lab.url}api", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("JupyterLab did not start: " + log.read_text()[-3000:])


def new_page(browser: Browser) -> Page:
    context = browser.new_context(viewport=VIEWPORT, reduced_motion="reduce")
    return ready(context.new_page())


def ready(page: Page) -> Page:
    page.set_default_timeout(20_000)
    return page


def stop_clock(page: Page) -> None:
    """From here on a page's installed clock stands, frames too, but for `run_for`: however slow the machine is."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 60)


def write_notebook(lab: Lab, name: str, *cells: str) -> None:
    sheet = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    sheet.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(sheet, lab.root / name)


def click(panel: Locator, name: str) -> None:
    panel.get_by_role("button", name=name, exact=True).click()


def pill(panel: Locator, words: str, timeout: float = LONG) -> None:
    expect(panel.locator(".mgp-pill")).to_have_text(words, timeout=timeout)


class Notebook:
    """One notebook in Lab, worked from outside through `window.jupyterapp`."""

    def __init__(self, page: Page, lab: Lab, name: str) -> None:
        self.page, self.lab, self.name = page, lab, name

    @property
    def panel(self) -> Locator:
        return self.page.locator(".mgp-panel")

    def open(self, token: str) -> Notebook:
        self.page.goto(f"{self.lab.url}lab/tree/{self.name}?token={token}&reset")  # reset: a clean workspace
        return self.ready()

    def ready(self) -> Notebook:
        self.page.wait_for_function(f"{KERNEL}?.status === 'idle'", timeout=90_000)
        self.js("(async () => { const w = jupyterapp.shell.currentWidget; await w.context.ready; await w.revealed })()")
        return self

    def js(self, code: str) -> Any:
        return self.page.evaluate(code)

    def command(self, name: str, wait: bool = True) -> None:
        # What a command returns can't be serialised, so nothing is.
        promise = f"jupyterapp.commands.execute('{name}')"
        self.js(f"{promise}.then(() => null)" if wait else f"void {promise}")

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def run(self, cell: int, wait: bool = True) -> None:
        self.js(f"{{const n = jupyterapp.shell.currentWidget.content; n.activeCellIndex = {cell}; n.deselectAll()}}")
        self.command("notebook:run-cell", wait)

    def write(self, cell: int, code: str) -> None:
        model = f"jupyterapp.shell.currentWidget.content.widgets[{cell}].model.sharedModel"
        self.js(f"{model}.setSource({json.dumps(code)})")

    def output(self, cell: int) -> str:
        """What the cell printed."""
        outputs = f"jupyterapp.shell.currentWidget.content.widgets[{cell}].model.outputs.toJSON()"
        return self.js(f"{outputs}.map(o => o.text ?? o.evalue ?? '').join('')")

    def cells(self) -> int:
        return self.js("jupyterapp.shell.currentWidget.content.widgets.length")

    def restart_kernel(self) -> None:
        self.js(f"{KERNEL}.restart()")
        self.page.wait_for_function(f"{KERNEL}?.status === 'idle'", timeout=60_000)

    def shut_down_kernel(self) -> None:
        self.js("jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def get_another_kernel(self) -> None:
        """Whatever the one that it has is at; the page is loaded again."""
        self.shut_down_kernel()
        self.page.wait_for_function(f"!{KERNEL}", timeout=LONG)
        self.page.reload()
        self.ready()

    def cancel(self) -> float:
        """By a click; how many seconds after its end the run is seen to have ended."""
        run_id = self.panel.get_attribute("data-run")
        self.panel.get_by_role("button", name="Cancel", exact=True).click()
        seen = self.page.evaluate(CANCELLED)
        told = self.js(f"fetch('/migrator/api/runs/{run_id}').then((answer) => answer.json())")
        return (seen - told["snapshot"]["finished_at"]) / 1000


# All that stands in Lab's main area but what is open now, and what a test may have changed for the next.
TIDY = """async (name) => {
  const { shell, serviceManager, commands } = jupyterapp;
  for (const each of [...shell.widgets("main")]) if (each.context?.path !== name) each.dispose();
  for (const each of document.querySelectorAll(".Toastify__close-button, .jp-Notification-Toast-Close")) each.click();
  localStorage.clear();
  if (!name) await serviceManager.sessions.shutdownAll();
  if (document.body.dataset.jpThemeName !== "JupyterLab Light")
    await commands.execute("apputils:change-theme", { theme: "JupyterLab Light" });
}"""


class Desk:
    """Lab in one page, where the notebooks of several tests are opened one after the other."""

    def __init__(self, lab: Lab, make: Callable[[], Page]) -> None:
        self.lab, self._make = lab, make
        self.page: Page | None = None

    def open(self, name: str) -> Notebook:
        """A notebook, and nothing beside it."""
        if self.page is None:
            self.page = self._make()
            book = Notebook(self.page, self.lab, name).open(TOKEN)
            self.page.evaluate("window.onDesk = true")
            return book
        self.page.evaluate(f"jupyterapp.commands.execute('docmanager:open', {{path: {name!r}}}).then(() => null)")
        self.page.wait_for_function(f"jupyterapp.shell.currentWidget?.context?.path === {name!r}")
        self.page.evaluate(TIDY, name)
        return Notebook(self.page, self.lab, name).ready()

    def clear(self) -> None:
        """Put away what a test left: its notebook, other pages, kernels. What can't be is left to a new page.

        So is one that was loaded again: it may open its notebook once more when nobody thinks of it.
        """
        try:
            if self.page and self.page.evaluate("window.onDesk"):
                self._tidy(self.page)
            else:
                self.close()
        except Error:  # it shows something else than Lab
            self.close()

    def _tidy(self, page: Page) -> None:
        for each in page.context.pages:
            if each is not page:
                each.close()
        page.context.set_offline(False)
        page.set_viewport_size(VIEWPORT)
        page.evaluate(TIDY, "")

    def close(self) -> None:
        if self.page:
            self.page.context.close()
            self.page = None


class Standing:
    """A notebook whose run goes on from one test to the next: to begin one takes longer than what most look at.

    A test may end the run: it is resumed for the next. What it did to the kernel it puts right itself; after one that
    failed all is begun anew.
    """

    def __init__(self, desk: Desk, name: str, *cells: str) -> None:
        self._desk, self._name, self._cells = desk, name, cells
        self._book: Notebook | None = None

    def take(self) -> Notebook:
        """The notebook, its run running."""
        if self._book is None:
            write_notebook(self._desk.lab, self._name, *self._cells)
            self._book = self._desk.open(self._name)
            self._book.run(0)
            click(self._book.panel, "Run")
        elif not self._book.panel.locator(".mgp-stop").is_visible():
            click(self._book.panel, "Resume")
        pill(self._book.panel, "running")
        return self._book

    def close(self) -> None:
        """End the run, where it can be reached; another is begun for whoever asks next."""
        if self._book and self._book.panel.count() == 1 and self._book.panel.locator(".mgp-stop").is_visible():
            click(self._book.panel, "Cancel")
            with suppress(AssertionError):  # its kernel may be gone
                pill(self._book.panel, "cancelled", 2_000)
        self._book = None
        self._desk.close()
