"""`import migrator` is light: the heavy packages come with the first use, not with the name."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrator import api, runner
from migrator.engine.executors import as_told
from migrator.migrations import CopyObjects
from migrator.stores import Location

HEAVY = {"IPython", "anywidget", "boto3", "duckdb", "ipywidgets", "obstore", "pandas", "pyarrow", "tornado"}


def loaded_after(statement: str) -> set[str]:
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_migrator_loads_nothing_of_others() -> None:
    assert loaded_after("import migrator") & (HEAVY | {"click", "pydantic", "rich", "sqlalchemy"}) == set()


@pytest.mark.parametrize("use", ["mg.start, mg.CopyObjects", "mg.CopyObjects('/data/in', '/data/out')"])
def test_saying_what_to_do_loads_nothing_heavy(use: str) -> None:
    assert loaded_after(f"import migrator as mg; {use}") & HEAVY == set()


def test_the_command_s_help_waits_for_nothing() -> None:
    # Mutation: `from .. import api` at the top of one of the cli's modules.
    assert loaded_after("import migrator.cli") & (HEAVY | {"pydantic", "rich", "sqlalchemy"}) == set()


@pytest.mark.parametrize(
    ("process", "without"),
    [
        ("migrator.runner", set()),
        ("migrator.engine.hand", {"sqlalchemy", "pydantic", "email", "tomllib", "ssl"}),
        ("migrator.keeper", {"sqlalchemy", "pydantic"}),
    ],
)
def test_a_process_of_a_run_begins_light(process: str, without: set[str]) -> None:
    # Mutation: import `migrator.state` at the top of the keeper.
    assert loaded_after(f"import {process}") & (HEAVY | {"rich", "sqlalchemy.dialects.postgresql"} | without) == set()


@pytest.mark.parametrize(
    ("source", "needless"),
    [
        ("/data/in", {"email", "ssl", "urllib3"}),
        ("s3://bbb/in", {"obstore", "urllib3", "asyncio"}),
    ],
)
def test_a_hand_that_copies_loads_nothing_that_it_does_not_need(source: str, needless: set[str]) -> None:
    # What its start takes is time in which small objects wait. Mutations: `Control` imported in crew.py for more than
    # its type; `as_told` tells a copy as any migration.
    place = Location.parse(source, **({"anonymous": True} if source.startswith("s3") else {}))
    brief = {"run_id": "r", "attempt": 1, "shares": 2, "workspace": None, "runner": os.getpid(),
             "migration": as_told(CopyObjects(place, "/data/out").resolve())}  # fmt: skip
    shard = {"no": 1, "rows": [], "shard": {"no": 0, "items": 0, "bytes": 0, "plan_file": "none"}}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "migrator.engine.hand"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
    ) as hand:  # fmt: skip
        assert hand.stdin
        assert hand.stdout
        assert hand.stderr
        hand.stdin.writelines(json.dumps(line).encode() + b"\n" for line in (brief, shard))
        hand.stdin.flush()
        assert any("done" in json.loads(line) for line in hand.stdout)
        hand.stdin.close()
        loaded = imported(hand.stderr.read().decode())
    assert {"migrator.engine.copying", "json"} <= loaded
    assert loaded & (HEAVY | needless | {"sqlalchemy", "pydantic", "tomllib"}) == set()


def imported(told: str) -> set[str]:
    """The modules in what ``-X importtime`` tells."""
    return set(re.findall(r"^import time:.*\| +(\S+)$", told, re.M))


def test_a_copy_between_folders_loads_nothing_that_it_does_not_need(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Mutations: no `_spare` in the runner, and Arrow imports numpy; `check_choice` of every copy, and its starter does.
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one").write_text("1")
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    begun = loaded_after(f"import migrator as mg; mg.start(mg.CopyObjects({str(tmp_path / 'in')!r}, '{tmp_path}/out'))")
    assert "sqlalchemy" in begun
    assert begun & HEAVY == set()
    [run] = api.runs()
    run.wait(60)
    told = (tmp_path / "state" / "runs" / run.id / "output.log").read_text()
    loaded = imported(told)
    assert "duckdb" in loaded  # the list is one of the whole run
    needless = {"numpy", "pandas", "pyarrow.dataset", "obstore", "boto3", "polars", "rich",
                "sqlalchemy.dialects.postgresql"}  # fmt: skip
    assert loaded & needless == set()


def test_while_a_process_loads_no_garbage_is_looked_for_and_then_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # Mutations: `gc.enable()` left out of the runner, or of lazily.py; `gc.disable()` of lazily.py.
    collections = "import gc; at = []; gc.callbacks.append(lambda *_: at.append(1)); import migrator as mg; "
    said = f"{collections} mg.start; assert gc.isenabled(), 'for good'; print(len(at))"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100  # of hundreds

    class Attempt:
        def __init__(self, *_: object) -> None: ...

        def execute(self, _: object) -> str:
            return "on" if gc.isenabled() else "off"

    monkeypatch.setattr("migrator.engine.phases.Attempt", Attempt)
    monkeypatch.setattr(runner, "_load", lambda _: CopyObjects("/a", "/b"))
    monkeypatch.setattr(runner, "_spare", lambda: None)
    gc.disable()
    try:
        claim: Any = SimpleNamespace(row={"dry_run": True, "workspace": "/w"}, attempt=1, token="t")
        others: Any = None
        assert runner._execute(others, others, others, claim) == "on"
    finally:
        gc.enable()
        gc.unfreeze()
