from __future__ import annotations

from collections.abc import Iterator

import pytest
from exact_s3 import ExactS3

from migrator.stores import retries


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExactS3]:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    with ExactS3() as server:
        yield server
