"""Servers and runs for the tests of the server extension."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server, run_server

from migrator import api
from migrator.migrations import CopyObjects


@pytest.fixture(scope="session")
def state_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One state DB for the server and these tests."""
    folder = tmp_path_factory.mktemp("server-state")
    env = {
        "MIGRATOR_STATE": str(folder / "state.db"),
        "MIGRATOR_WORKSPACE": str(folder / "runs"),
        "MIGRATOR_CONFIG": str(folder / "migrator.toml"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield env


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, state_env: dict[str, str]) -> Iterator[Server]:
    yield from run_server(tmp_path_factory.mktemp("server"), **state_env)


@pytest.fixture(scope="session")
def denying(tmp_path_factory: pytest.TempPathFactory, state_env: dict[str, str]) -> Iterator[Server]:
    """The same, with an authorizer that allows nothing."""
    yield from run_server(tmp_path_factory.mktemp("denying"), MIGRATOR_TEST_DENY="1", **state_env)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for number in range(120):
        (folder / f"{number:03d}.txt").write_text(f"file {number} " * 40)
    return folder


@pytest.fixture
def slow(state_env: dict[str, str], source: Path, tmp_path: Path) -> Iterator[api.Run]:
    """A run that takes a minute."""
    run = api.start(CopyObjects(source, tmp_path / "out"), bytes_per_s=1000)
    yield run
    if not run.snapshot().terminal:
        run.cancel()
        run.wait(30, check=False)


@pytest.fixture(scope="session")
def done(state_env: dict[str, str], source: Path, tmp_path_factory: pytest.TempPathFactory) -> api.Run:
    """A run that has completed."""
    run = api.start(CopyObjects(source, tmp_path_factory.mktemp("done") / "out"))
    run.wait(60)
    return run
