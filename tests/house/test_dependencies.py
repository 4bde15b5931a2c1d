"""pyproject.toml and environment.yml name the same packages, with the same lower bounds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))

# Where conda-forge's name is another one.
CONDA_NAMES = {"duckdb": "python-duckdb", "xxhash": "python-xxhash"}
# What only an environment names: the interpreter (requires-python says it), and the installer of the pip part.
OF_CONDA_ONLY = {"python", "pip"}


def split(requirement: str) -> tuple[str, str]:
    """``name >=1`` as its normal name and its bound."""
    found = re.fullmatch(r"([A-Za-z0-9._-]+?)\s*((?:[<>=!~].*)?)", requirement)
    assert found, f"not a plain requirement: {requirement}"
    return re.sub(r"[-_.]+", "-", found[1]).lower(), found[2].replace(" ", "")


def conda_packages() -> dict[str, str]:
    return dict(split(line) for line in ENVIRONMENT["dependencies"] if isinstance(line, str))


def test_the_environment_has_what_the_project_needs_and_nothing_else() -> None:
    wanted = dict(map(split, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"]))
    wanted = {CONDA_NAMES.get(name, name): bound for name, bound in wanted.items()}
    found = {name: bound for name, bound in conda_packages().items() if name not in OF_CONDA_ONLY}
    assert found == wanted


def test_both_ask_for_the_same_python() -> None:
    assert conda_packages()["python"] == PROJECT["requires-python"]


def test_the_environment_installs_the_project_itself() -> None:
    pip_parts = [part["pip"] for part in ENVIRONMENT["dependencies"] if isinstance(part, dict)]
    assert pip_parts == [["-e ."]]


def test_no_dependency_has_a_cap() -> None:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    capped = [line for group in groups for line in group if re.search(r"<|==|~=", line)]
    assert capped == []
