"""Server and kernel of two releases: of one series they work together, of two the panel says who is to be upgraded.

The other releases are this one under another number (and schema): what is between them is the state DB.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupyter_client
import pytest
from serving import HOUSE, Server, run_server

from migrator import __version__
from migrator.state.schema import SCHEMA_VERSION

TYPE = "application/vnd.migrator.run+json"
SHOW = "from migrator.migrations import CopyObjects\nfrom widgets import MigrationPanel\nimport json\n"
PATCH, SERIES = "0.1.99", "0.2.0"


def released(folder: Path, version: str, schema: int | None = None) -> Path:
    """This house under another number; with a schema of its own, which needs no change of any table."""
    for name in ("migrator", "widgets"):
        shutil.copytree(HOUSE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    replace(folder / "migrator" / "__init__.py", f'__version__ = "{__version__}"', f'__version__ = "{version}"')
    if schema:
        replace(folder / "migrator" / "state" / "schema.py", r"SCHEMA_VERSION = \d+", f"SCHEMA_VERSION = {schema}")
        upgrades = folder / "migrator" / "state" / "upgrades.py"
        upgrades.write_text(f"{upgrades.read_text()}\nSTEPS[{schema}] = lambda connection: None\n")
    return folder


def replace(file: Path, pattern: str, words: str) -> None:
    text, count = re.subn(pattern, words, file.read_text())
    assert count == 1
    file.write_text(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("skew")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """The newest release of this series, with kernels of this release and of the next series."""
    newest = released(folder / "newest", PATCH)
    following = released(folder / "following", SERIES, schema=SCHEMA_VERSION + 1)
    for name, house in (("this", HOUSE), ("following", following)):
        spec = folder / "server" / "data" / "kernels" / name
        spec.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        told = {"argv": argv, "display_name": name, "language": "python", "env": {"PYTHONPATH": str(house)}}
        (spec / "kernel.json").write_text(json.dumps(told))
    state = {"MIGRATOR_STATE": str(folder / "state.db"), "MIGRATOR_WORKSPACE": str(folder / "runs")}
    yield from run_server(folder / "server", PYTHONPATH=str(newest), **state)


class Kernel:
    """A kernel that the server started, as for a notebook."""

    def __init__(self, server: Server, name: str) -> None:
        made = server.ask("/api/kernels", {"name": name}).json["id"]
        file = server.folder / "runtime" / f"kernel-{made}.json"
        self._client = jupyter_client.BlockingKernelClient(connection_file=str(file))  # pyright: ignore[reportPrivateImportUsage]
        self._client.load_connection_file()
        self._client.start_channels(hb=False)  # on a busy machine its heart is heard late, and it is called dead
        self._client.wait_for_ready(60)

    def tell(self, code: str, value: str) -> Any:
        """Do this, and give the value of that."""
        heard: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            heard.append(str(message["content"].get("text", "") or message["content"].get("traceback", "")))

        asked = f"{code}\nprint('@' + json.dumps({value}))"
        answer = self._client.execute_interactive(asked, timeout=60, output_hook=hear)["content"]
        assert answer["status"] == "ok", (answer["evalue"], heard)
        return json.loads("".join(heard).partition("@")[2])

    def close(self) -> None:
        self._client.stop_channels()


def show(folder: Path, name: str) -> str:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "a").write_text("a")
    copy = f"CopyObjects({str(folder / 'in')!r}, {str(folder / name)!r})"
    return f"{SHOW}panel = MigrationPanel({copy})\nbundle = panel._repr_mimebundle_()[0]"


# Mutation: compare whole versions in bundle._series, and the kernel feeds the panel.
def test_the_newest_server_and_the_oldest_kernel_of_a_series_work_together(server: Server, folder: Path) -> None:
    assert server.ask("api/status").json["version"] == PATCH
    kernel = Kernel(server, "this")
    told = kernel.tell(show(folder, "out"), "{**bundle, 'trouble': panel.trouble}")
    assert not told["trouble"]
    run_id = told[TYPE]["run_id"]
    assert server.ask(f"api/runs/{run_id}/start", {}).json["start_requested"]
    seen = ended(server, run_id)
    assert (seen["status"], seen["copied"]) == ("completed", 1)
    assert kernel.tell("", "panel.run.snapshot().attempt") == 1  # the kernel took it, and knows its end
    kernel.close()


# Mutation: let bundle.choose look at the state DB's id alone, and nothing is said.
def test_of_two_series_the_panel_names_both_and_which_to_upgrade(server: Server, folder: Path) -> None:
    kernel = Kernel(server, "following")
    told = kernel.tell(show(folder, "other"), "[panel.trouble, list(bundle)]")
    assert TYPE not in told[1]
    assert f"has migrator {PATCH} and this kernel {SERIES}" in told[0]
    assert told[0].endswith("Upgrade jupyter-migrator where Jupyter runs.")
    # It works by itself, on the state DB that it brought to its own schema; an older release that opens it is told.
    assert kernel.tell("panel.start(); end = panel.run.wait(60)", "end.status") == "completed"
    kernel.close()
    kernel = Kernel(server, "this")
    code = "from migrator.api import open_state\ntry: open_state()\nexcept Exception as error: words = str(error)"
    words = kernel.tell(f"import json\n{code}", "words")
    assert f"has schema {SCHEMA_VERSION + 1}; this release knows {SCHEMA_VERSION}. Upgrade jupyter-migrator" in words
    kernel.close()


def ended(server: Server, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while not (seen := server.ask(f"api/runs/{run_id}").json["snapshot"])["finished_at"]:
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)
    return seen
