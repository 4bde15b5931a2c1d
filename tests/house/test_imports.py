"""`import migrator` is light: the heavy packages come with the first use, not with the name."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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


def test_the_cli_needs_no_widgets() -> None:
    assert loaded_after("import migrator.cli") & HEAVY == set()
