"""`import migrator` is light: the heavy packages come with the first use, not with the name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from migrator import api

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


def test_the_cli_needs_no_widgets_and_draws_when_a_run_is_on_its_way() -> None:
    assert loaded_after("import migrator.cli") & (HEAVY | {"rich"}) == set()


@pytest.mark.parametrize(
    ("process", "without"),
    [
        ("migrator.runner", set()),
        ("migrator.engine.hand", {"sqlalchemy"}),
        ("migrator.keeper", {"sqlalchemy", "pydantic"}),
    ],
)
def test_a_process_of_a_run_begins_light(process: str, without: set[str]) -> None:
    # Mutation: import `migrator.state` at the top of the keeper.
    assert loaded_after(f"import {process}") & (HEAVY | {"rich", "sqlalchemy.dialects.postgresql"} | without) == set()


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
    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", told, re.M))
    assert "duckdb" in loaded  # the list is one of the whole run
    needless = {"numpy", "pandas", "pyarrow.dataset", "obstore", "boto3", "polars", "rich",
                "sqlalchemy.dialects.postgresql"}  # fmt: skip
    assert loaded & needless == set()
