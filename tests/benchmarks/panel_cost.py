"""What a panel costs, and how late it is: kernel, server with ten viewers, a poll, a change that is painted, output.

``python tests/benchmarks/panel_cost.py [kernel server poll paint output] [--write]``: real kernels, sockets and
Chromium, on a state DB with a thousand runs. Prints a table; ``--write`` puts it into README.md.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), *(str(HERE.parent / name) for name in ("browser", "server", "."))]

import jupyter_client  # noqa: E402
import nbformat  # noqa: E402
import psutil  # noqa: E402
import websocket  # noqa: E402
from labs import TOKEN, Lab, Notebook, running_lab  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402
from slow import Slow  # noqa: E402

import migrator as mg  # noqa: E402
from migrator.api import open_state  # noqa: E402
from migrator.state import schema  # noqa: E402
from widgets.reading import Reader  # noqa: E402

HISTORY, VIEWERS, WATCHED_S, CHANGES = 1000, 10, 20, 30
HEAD = "| what | measured | bar |\n|---|---:|---:|"
PANEL = "from widgets import MigrationPanel\npanel = MigrationPanel('{id}', bundle='{bundle}')\n"
# Each text of the pill, and when the frame with it had been drawn, by the clock that Python reads too.
PAINTS = """() => { window.paints = []; const pill = document.querySelector('.mgp-pill');
  const seen = () => requestAnimationFrame(() => setTimeout(() => paints.push([Date.now(), pill.textContent])));
  new MutationObserver(seen).observe(pill, { childList: true, characterData: true, subtree: true }); }"""

Line = tuple[str, str, str]


def kernel(lab: Lab, run: mg.Run) -> Iterator[Line]:
    """A kernel that shows a live run and does nothing else, over what it takes with nothing to show."""
    for bundle, who in (("mime", "the server feeds"), ("widget", "it feeds itself, output included")):
        with _kernel() as (ask, process):
            idle = _share(process)
            ask(f"{PANEL.format(id=run.id, bundle=bundle)}display(panel)")
            if bundle == "widget":
                ask("panel._handle_custom_msg({'id': 'q', 'verb': 'hello', 'args': {'client': 'one'}}, [])")
            time.sleep(15)  # the close look at a start is over
            yield f"kernel with a panel that {who}", f"{_share(process) - idle:.2f} % of a core", "≤ 1 %"


def server(lab: Lab, run: mg.Run) -> Iterator[Line]:
    """The Jupyter server with ten sockets open on one live run, each with its output."""
    process = psutil.Process(lab.pid)
    idle = _share(process)
    address = f"{lab.url.replace('http', 'ws', 1)}migrator/api/socket"
    pages = [websocket.create_connection(address, header=[f"Authorization: token {TOKEN}"]) for _ in range(VIEWERS)]
    for page in pages:
        page.send(f'{{"sub": "{run.id}", "log": true}}')
    time.sleep(3)
    share = _share(process)
    for page in pages:
        page.close()
    yield f"server with {VIEWERS} viewers of one run", f"{share - idle:.2f} % of a core", "≤ 2 %"


def poll(lab: Lab, run: mg.Run) -> Iterator[Line]:
    """One round of reading a live run: picture, events, output."""
    reader, spent = Reader(run), []
    reader.wants_log = True
    for _ in range(200):
        begun = time.perf_counter()
        reader.read()
        spent.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.05)
    yield f"one poll, {HISTORY:,} runs in history, p95", f"{_p95(spent):.1f} ms", "≤ 5 ms"


def paint(lab: Lab, run: mg.Run) -> Iterator[Line]:
    """From the commit of a change that another process made to the frame that shows it."""
    with _chromium() as browser:
        for bundle, way, bar in (("mime", "socket", 0.5), ("widget", "kernel's poll", 1.2)):
            book = _notebook(browser, lab, run, bundle)
            book.page.wait_for_function("document.querySelector('.mgp-pill')?.textContent === 'running'")
            book.page.wait_for_timeout(12_000)
            book.page.evaluate(PAINTS)
            late = [_lateness(book, change) for _ in range(CHANGES // 2) for change in (run.pause, run.unpause)]
            book.page.close()
            yield f"a change until it is painted, by the {way}, p95", f"{_p95(late):.2f} s", f"≤ {bar} s"


def output(lab: Lab, run: mg.Run) -> Iterator[Line]:
    """A hundred thousand lines at five thousand a second, in the view alone."""
    from conftest import open_harness
    from test_browser_output import poured

    with _chromium() as browser:
        frames, grown = poured(open_harness(browser.new_page()), 100_000, 5_000)
    yield "100,000 lines at 5,000 a second: worst frame", f"{frames[-1]:.0f} ms", "≤ 100 ms"
    yield "the same: memory of the page", f"{grown:+.0f} MB", "bounded"


PARTS: dict[str, Callable[[Lab, mg.Run], Iterator[Line]]] = {
    "kernel": kernel, "server": server, "poll": poll, "paint": paint, "output": output,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder), extended=True) as lab:
        os.environ["MIGRATOR_STATE"] = f"{folder}/state/state.db"
        os.environ["MIGRATOR_WORKSPACE"] = f"{folder}/state/runs"
        _fill()
        run = mg.start(Slow(items=1_000_000, pause=0.02))
        lines = []
        try:
            for part in asked.parts or PARTS:
                for line in PARTS[part](lab, run):
                    lines.append(line)
                    print(" | ".join(line), flush=True)
        finally:
            run.cancel()
            run.wait(30, check=False)
    if asked.write:
        _write("\n".join([HEAD, *(f"| {' | '.join(line)} |" for line in lines)]))


def _fill() -> None:
    """Runs that ended long ago."""
    rows = [
        {"id": f"old{n}-copy-0101", "status": "completed", "title": f"/in/{n} → /out/{n}", "attempt": 1,
         "created_at": n, "started_at": n, "finished_at": n + 1, "interpreter": sys.executable, "cwd": "/", "seq": 0}
        for n in range(HISTORY)
    ]  # fmt: skip
    with open_state().write() as connection:
        connection.execute(schema.runs.insert(), rows)


@contextmanager
def _kernel() -> Iterator[tuple[Callable[[str], None], psutil.Process]]:
    manager = jupyter_client.KernelManager(kernel_name="python3")
    manager.start_kernel(env=os.environ | {"PYTHONPATH": str(HERE.parents[1])})
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(60)

        def ask(code: str) -> None:
            answer = client.execute_interactive(code, timeout=60, output_hook=lambda _: None)["content"]
            assert answer["status"] == "ok", answer

        ask("import os; pid = os.getpid(); from widgets import MigrationPanel")
        yield ask, psutil.Process(manager.provisioner.pid)  # pyright: ignore[reportOptionalMemberAccess]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@contextmanager
def _chromium() -> Iterator[Browser]:
    from conftest import CHROMIUM, FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def _notebook(browser: Browser, lab: Lab, run: mg.Run, bundle: str) -> Notebook:
    sheet = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"{PANEL.format(id=run.id, bundle=bundle)}panel")]
    )
    sheet.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(sheet, lab.root / f"{bundle}.ipynb")
    book = Notebook(browser.new_page(), lab, f"{bundle}.ipynb").open(TOKEN)
    book.run_all()
    return book


def _lateness(book: Notebook, change: Callable[[], Any]) -> float:
    time.sleep(random.uniform(1.5, 3.5))  # any moment of the reader's round, and the last change is over
    change()
    at = time.time() * 1000
    book.page.wait_for_function("at => paints.some(([when]) => when >= at)", arg=at, polling=50)
    return book.page.evaluate("at => Math.min(...paints.map(([when]) => when).filter((w) => w >= at)) - at", at) / 1000


def _share(process: psutil.Process) -> float:
    """Per cent of a core."""
    before, begun = process.cpu_times(), time.perf_counter()
    time.sleep(WATCHED_S)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / (time.perf_counter() - begun) * 100


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _write(table: str) -> None:
    path = HERE / "README.md"
    marked = f"<!-- panel -->\n{table}\n<!-- /panel -->"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"<!-- panel -->.*<!-- /panel -->", lambda _: marked, text, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
