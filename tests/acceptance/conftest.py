"""The product from outside: by its command and its front door, in processes of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from driving import state_file
from servers import SeaweedFS
from trees import MIB, listed, small_tree
from wayside import Wayside

from migrator import api
from migrator.errors import MigratorError
from migrator.lifecycle import process
from migrator.model import Identity

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "acceptance"
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A state DB, workspaces and settings that no other test and no user has; ends what was left running."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MIGRATOR_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    own = {
        "MIGRATOR_STATE": tmp_path / "own" / "state.db",
        "MIGRATOR_WORKSPACE": tmp_path / "own-runs",
        "MIGRATOR_CONFIG": tmp_path / "migrator.toml",
        "AWS_CONFIG_FILE": tmp_path / "no-config",
        "AWS_SHARED_CREDENTIALS_FILE": tmp_path / "no-credentials",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": ROOT,
    }
    for name, value in own.items():
        monkeypatch.setenv(name, str(value))
    yield
    monkeypatch.setenv("MIGRATOR_STATE", str(own["MIGRATOR_STATE"]))
    if state_file().exists():
        with contextlib.suppress(MigratorError):
            _end_all()
            api.open_state().close()
    shutil.rmtree(tmp_path, ignore_errors=True)  # trees are large, and pytest would keep three of each


def _end_all() -> None:
    for run in api.runs(1000):
        holder = run.snapshot().holder
        if not run.snapshot().terminal and holder:
            holder = {name: holder[name] for name in ("host", "boot_id", "pid", "start_ticks")}
            process.send_group(Identity(**holder), signal.SIGKILL)


@pytest.fixture
def aws(s3: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> SeaweedFS:
    """The server, with the administrator's variables set."""
    for name, value in s3.env().items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture(scope="session")
def bucket(s3: SeaweedFS) -> str:
    """One bucket for all tests: a server makes few, and prefixes are free."""
    return s3.make_bucket(BUCKET)


@pytest.fixture
def client(s3: SeaweedFS) -> Iterator[Any]:
    made = s3.client()
    yield made
    made.close()


@pytest.fixture
def prefix(aws: SeaweedFS, bucket: str, client: Any) -> Iterator[str]:
    """A prefix of its own for each test; what is large goes afterwards, since the server keeps it in memory."""
    mine = f"t{next(_numbers)}"
    yield mine
    for key, entry in listed(client, bucket, mine).items():
        if entry["Size"] > MIB:
            client.delete_object(Bucket=bucket, Key=f"{mine}/{key}")


@pytest.fixture
def place(prefix: str, bucket: str) -> Callable[[str], str]:
    """URLs below the test's prefix."""
    return lambda name: f"s3://{bucket}/{prefix}/{name}"


@pytest.fixture
def wayside(aws: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wayside]:
    """A proxy that the runs take for the server."""
    with Wayside(aws.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """1,500 small files; nobody writes to it."""
    folder = small_tree(tmp_path_factory.mktemp("tree") / "source", 1500)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """300 small files, for copies that a proxy makes slow; nobody writes to it."""
    folder = small_tree(tmp_path_factory.mktemp("few") / "source", 300)
    yield folder
    shutil.rmtree(folder)
