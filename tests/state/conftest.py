from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrator.state import StateDB


@pytest.fixture
def db(state_url: str) -> Iterator[StateDB]:
    """A new state DB on each kind of database."""
    made = StateDB(state_url)
    yield made
    made.close()
