"""What a power cut leaves under a name whose bytes were not on the disk yet, and what only looks like it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from migrator.engine.control import Control
from migrator.engine.copying import Copier
from migrator.errors import AlreadyExists
from migrator.model import Item
from migrator.stores import Store, open_store

DATA = b"the whole of it"
TIME = 1_700_000_000_123_000_000


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store]:
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    lay(tmp_path / "source" / "a", DATA)
    return open_store(tmp_path / "source"), open_store(tmp_path / "target")


def lay(path: Path, data: bytes, time: int = TIME) -> None:
    path.write_bytes(data)
    os.utime(path, ns=(time, time))


def copy(stores: tuple[Store, Store], attempt: int, before: str | None = None) -> str:
    source, target = stores
    seen: Any = source.head("a")
    standing = None if before is None else json.dumps({"etag": before})
    item = Item(0, "a", "a", "create", None, seen.size, seen.mtime, seen.etag, standing)
    return Copier(source, target, Control("run", attempt)).copy(item).status


# Mutation: leave out `discard_torn` in Copier._clear.
@pytest.mark.parametrize("left", [b"", DATA[:4]])
def test_a_file_that_a_power_cut_tore_is_copied_again(left: bytes, stores: tuple[Store, Store], tmp_path: Path) -> None:
    lay(tmp_path / "target" / "a", left)
    assert copy(stores, attempt=2) == "copied"
    assert (tmp_path / "target" / "a").read_bytes() == DATA


def test_a_torn_file_that_was_to_replace_another_is_copied_again(stores: tuple[Store, Store], tmp_path: Path) -> None:
    lay(tmp_path / "target" / "a", b"")
    assert copy(stores, attempt=2, before="what stood there") == "copied"
    assert (tmp_path / "target" / "a").read_bytes() == DATA


@pytest.mark.parametrize(
    ("attempt", "left", "time"),
    [
        pytest.param(1, b"", TIME, id="nothing was tried before"),
        pytest.param(2, b"", TIME + 1_000_000, id="of another time"),
        pytest.param(2, DATA[::-1], TIME, id="as long as it should be"),
    ],
)
def test_what_only_looks_torn_is_left_alone(
    attempt: int, left: bytes, time: int, stores: tuple[Store, Store], tmp_path: Path
) -> None:
    lay(tmp_path / "target" / "a", left, time)
    with pytest.raises(AlreadyExists):
        copy(stores, attempt)
    assert (tmp_path / "target" / "a").read_bytes() == left


def test_nothing_is_looked_for_behind_a_link(stores: tuple[Store, Store], tmp_path: Path) -> None:
    target: Any = stores[1]
    outside = tmp_path / "outside"
    outside.mkdir()
    lay(outside / "a", b"")
    (tmp_path / "target" / "link").symlink_to(outside)
    with pytest.raises(Exception, match="symbolic link"):
        target.discard_torn("link/a", len(DATA), TIME // 1_000_000)
    assert (outside / "a").exists()
