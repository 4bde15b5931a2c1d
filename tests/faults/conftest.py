"""Faults that are put in on purpose: processes killed, power cut, disks full, clocks moved."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "acceptance")]  # `driving` and `trees` are the same for both

# Another folder's tests may have imported it before; then it is rewritten, or not, already.
pytest.register_assert_rewrite(*(name for name in ("driving", "injury") if name not in sys.modules))

from injury import end_what_is_left, facts  # noqa: E402
from trees import small_tree  # noqa: E402

from migrator import CopyObjects, api  # noqa: E402


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cold_runners: None) -> Iterator[Path]:
    """A state DB and workspaces that no other test and no user has; what was left running is ended."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MIGRATOR_")) and name != "MIGRATOR_SEED":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(HERE.parents[1]))
    monkeypatch.setenv("MIGRATOR_CONFIG", str(tmp_path / "migrator.toml"))
    monkeypatch.setenv("MIGRATOR_STATE", str(tmp_path / "own" / "state.db"))
    yield tmp_path
    end_what_is_left(tmp_path)
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 small files in some folders; nobody writes to it."""
    return small_tree(tmp_path_factory.mktemp("tree") / "source", 90)


@pytest.fixture(scope="session")
def clean(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """The receipts of a copy of that tree that nothing happens to."""
    folder = tmp_path_factory.mktemp("clean")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIGRATOR_STATE", str(folder / "state.db"))
        run = api.start(CopyObjects(tree, folder / "to"))
        run.wait(60)
        return facts(run)
