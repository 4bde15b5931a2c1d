"""What `pip install` gives: both extensions enabled, the panel live; and an edit of the view is seen at once."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import pytest
from labs import HOUSE, LONG, TOKEN, Lab, Notebook, environment, running_lab
from playwright.sync_api import Browser, expect
from test_browser_mime import PANEL, click, lives, pill

HERE = Path(__file__).parent


pytestmark = pytest.mark.timeout(300)


def install(venv: Path, *what: str) -> None:
    """By uv where there is one, else by pip."""
    python = str(venv / "bin" / "python")
    uv = ["uv", "pip", "install", "--quiet", "--python", python]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python, "install"]
    run([*(uv if shutil.which("uv") else pip), *what])


def run(command: list[str], **env: str) -> str:
    told = subprocess.run(command, capture_output=True, text=True, timeout=250, env=os.environ | env)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout + told.stderr


def build(folder: Path) -> str:
    """The wheel of this house."""
    uv = ["uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(HOUSE)]
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(HOUSE)]
    run(uv if shutil.which("uv") else pip)
    [wheel] = folder.glob("*.whl")
    return str(wheel)


def bare(folder: Path, borrowed: bool = True) -> Path:
    """An environment without this package; ``borrowed``: with everything else that we have."""
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    if borrowed:
        spec = importlib.util.find_spec("jupyterlab")
        assert spec
        assert spec.origin
        [packages] = (folder / "lib").glob("python*/site-packages")
        # A path in a .pth is searched, its own .pth files are not read: so not what is installed there as editable.
        (packages / "borrowed.pth").write_text(str(Path(spec.origin).parents[1]))
    return folder


def listed(venv: Path, folder: Path, module: str) -> str:
    env = environment(folder, venv)
    return run([str(venv / "bin" / "python"), "-W", "ignore", "-m", module, "list"], **env)


@pytest.fixture(params=["borrowed", pytest.param("complete", marks=pytest.mark.soak)])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The wheel in an environment of its own, beside our packages, or with all that it names fetched."""
    borrowed = request.param == "borrowed"
    venv, wheel = bare(tmp_path / "venv", borrowed), build(tmp_path / "wheel")
    install(venv, *(["--no-deps", wheel] if borrowed else [f"{wheel}[lab]"]))
    return venv


def open_panel(browser: Browser, lab: Lab) -> Notebook:
    shutil.copy(HERE / "slow.py", lab.root)
    cells = [nbformat.v4.new_code_cell(cell) for cell in (PANEL, "import migrator; print(migrator.__file__)")]
    sheet = nbformat.v4.new_notebook(cells=cells)
    sheet.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(sheet, lab.root / "book.ipynb")
    book = Notebook(browser.new_page(viewport={"width": 1200, "height": 900}), lab, "book.ipynb").open(TOKEN)
    book.run(0)
    return book


# Mutation: leave either line of shared-data out of pyproject.toml, and it is listed no more.
def test_a_wheel_enables_both_extensions_and_its_panel_is_live(
    browser: Browser, installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "lab").mkdir()
    servers = listed(installed, tmp_path / "lab", "jupyter_server.extension.serverextension")
    assert [line for line in servers.splitlines() if "migrator.server" in line and "enabled" in line], servers
    pages = listed(installed, tmp_path / "lab", "jupyterlab.labextensions")
    assert [line for line in pages.splitlines() if "jupyter-migrator v" in line and "enabled" in line], pages
    with running_lab(tmp_path / "lab", venv=installed) as lab:
        book = open_panel(browser, lab)
        click(book.panel, "Run")
        pill(book.panel, "running")
        book.run(1)
        assert book.output(1).startswith(str(installed))
        book.shut_down_kernel()
        lives(book.panel)  # so it is the server's
        click(book.panel, "Cancel")
        pill(book.panel, "cancelled")
        book.page.close()


# Mutation: take the link out of the Makefile, or compute_etag out of ViewHandler, and the page has what was before.
@pytest.mark.soak
def test_an_edit_in_an_editable_install_is_seen_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    house = tmp_path / "house"
    for name in ("migrator", "widgets"):
        shutil.copytree(HOUSE / name, house / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "Makefile"):
        shutil.copy(HOUSE / name, house)
    venv = bare(house / ".venv")
    install(venv, "--no-deps", "--editable", str(house))
    run(["make", "-C", str(house), "link"])
    [record] = (venv / "lib").glob("python*/site-packages/jupyter_migrator-*.dist-info/RECORD")
    assert "labextensions" not in record.read_text()  # what an uninstaller deletes
    (tmp_path / "lab").mkdir()
    with running_lab(tmp_path / "lab", venv=venv) as lab:
        book = open_panel(browser, lab)
        expect(book.panel.get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=LONG)
        book.command("docmanager:save")
        edit(house / "widgets" / "static" / "head.js", ': "Run",', ': "Go now",')
        static = house / "widgets" / "labextension" / "static"
        edit(next(static.iterdir()), '"Migrations"', '"All of them"')
        run(["make", "-C", str(house), "entry"])
        [entry] = static.iterdir()
        book.page.reload()
        book.ready()
        expect(book.panel.get_by_role("button", name="Go now", exact=True)).to_be_visible(timeout=LONG)
        assert book.js("jupyterapp.commands.label('migrator:open')") == "All of them"
        assert fetch(f"{lab.url}lab/extensions/jupyter-migrator/static/{entry.name}") == entry.read_bytes()
        book.page.close()
    # Whoever installs it once more must not lose through the link what was written.
    install(venv, "--no-deps", "--editable", str(house))
    assert '"All of them"' in entry.read_text()


def edit(file: Path, before: str, after: str) -> Path:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    return file


def fetch(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"token {TOKEN}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        return answer.read()
