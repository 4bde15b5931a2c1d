"""Notebooks as they are committed, and the sample data that they copy."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def sample_data() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_data", ROOT / "notebooks" / "sample_data.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_committed_notebook_has_nothing_of_the_machine_that_ran_it(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert not re.search(r"/(home|root|tmp|work|Users)/", str(output)), f"a path, shown by: {cell.source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_line_of_code_runs_off_in_a_window_of_700_pixels(path: Path) -> None:
    cells = (cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    assert [line for source in cells for line in source.split("\n") if len(line) > 72] == []


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_sample_data_is_the_same_every_time(sample_data: ModuleType, tmp_path: Path) -> None:
    one, two = (contents(sample_data.make(tmp_path / name, files=60)) for name in ("one", "two"))
    assert len(one) == 60
    assert one == two


def test_sample_data_that_is_there_is_left_alone(sample_data: ModuleType, tmp_path: Path) -> None:
    sample_data.make(tmp_path, files=60)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*")}
    changed = next(path for path in sorted(tmp_path.rglob("*.py")) if path.stat().st_size)
    changed.write_bytes(b"")
    sample_data.make(tmp_path, files=60)
    assert changed.stat().st_size > 0
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*")} == before


def test_sample_data_follows_no_link(sample_data: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("1")
    (tmp_path / "link.py").symlink_to("real.py")
    (tmp_path / "loop").symlink_to(".")
    assert [path.name for path in sample_data.walk(tmp_path)] == ["real.py"]
