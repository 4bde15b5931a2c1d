"""Real runs with the state DB on a server: from the command, by a worker, and nobody sees the password."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from databases import PASSWORD, MariaDB, PostgreSQL

from migrator import api
from migrator.state import schema

MIGRATOR = [sys.executable, "-c", "from migrator.cli import main; main(prog_name='migrator')"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PostgreSQL | MariaDB:
    server = request.getfixturevalue(request.param)
    own = {"STATE": server.fresh(), "WORKSPACE": tmp_path / "runs", "CONFIG": tmp_path / "migrator.toml"}
    for name, value in own.items():
        monkeypatch.setenv(f"MIGRATOR_{name}", str(value))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return server


class ArgvWatch(threading.Thread):
    """Looks at the command lines of all processes until told to stop; those with the password."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.found: list[str] = []
        self.runners = 0

    def run(self) -> None:
        while not self.over.wait(0.05):
            for one in psutil.process_iter(["cmdline"]):
                line = " ".join(one.info["cmdline"] or ())
                self.runners += "migrator.runner" in line
                if PASSWORD in line:
                    self.found.append(line)


def command(*words: object) -> str:
    done = subprocess.run([*MIGRATOR, *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done.stdout


# Mutation: put `db.url` into the argv of spawn_runner.
def test_a_run_now_and_one_by_a_worker(server: PostgreSQL | MariaDB, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(20):
        (source / f"{number}.txt").write_text(str(number) * 1000)
    watch = ArgvWatch()
    watch.start()
    command("copy", source, tmp_path / "now")
    queued = command("copy", source, tmp_path / "later", "--mode", "queue", "--no-follow").strip()
    assert json.loads(command("show", queued, "--json"))["status"] == "queued"
    command("worker", "--once")
    watch.over.set()
    watch.join()
    assert json.loads(command("show", queued, "--json"))["status"] == "completed"
    for target in ("now", "later"):
        assert {file.name: file.read_bytes() for file in (tmp_path / target).iterdir()} == {
            file.name: file.read_bytes() for file in source.iterdir()
        }
    assert watch.runners
    assert watch.found == []
    _nowhere_written(tmp_path)


def _nowhere_written(folder: Path) -> None:
    """The password is in no file, no row and no picture of a handle."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert [file for file in files if PASSWORD.encode() in file.read_bytes()] == []
    db = api.open_state()
    with db.read() as connection:
        rows = [str(row) for table in schema.metadata.sorted_tables for row in connection.execute(table.select())]
    [first, *_] = api.runs()
    shown = [*rows, repr(db), str(vars(db)["_engine"]), repr(first), first._repr_html_(), repr(api.queue()), db.shown]
    assert [text for text in shown if PASSWORD in text] == []
    db.close()
