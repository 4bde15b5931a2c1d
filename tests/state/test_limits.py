"""Figures as people write them."""

from __future__ import annotations

import pytest

from migrator.errors import BadInput
from migrator.limits import read_limits, read_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("20MiB", 20 << 20), ("20 MB", 20_000_000), ("1.5GiB/s", 3 << 29), ("100k", 100_000), (5e6, 5_000_000), ("7", 7)],
)
def test_sizes(text: str | float, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["fast", "-3MB", "0", 0, "20 parsecs", "1e9MB", ""])
def test_what_is_no_size_is_said(text: str | float) -> None:
    with pytest.raises(BadInput, match="20MiB"):
        read_size(text)


def test_what_is_not_given_is_not_limited() -> None:
    assert read_limits() == {}
    assert read_limits("1MB", 3) == {"bytes_per_s": 1_000_000, "in_flight": 3}
    with pytest.raises(BadInput, match="in_flight"):
        read_limits(in_flight=0)
