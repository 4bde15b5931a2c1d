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
from migrator.stores.files import version

DATA = os.urandom(300) * 9
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


# Mutation: let Copier._discard_torn say False.
@pytest.mark.parametrize("left", [
    pytest.param(b"", id="nothing came"),
    pytest.param(DATA[:4], id="the end is missing"),
    pytest.param(bytes(len(DATA)), id="its size came, its bytes did not"),
    pytest.param(DATA[:1024] + bytes(512) + DATA[1536:], id="a block in the middle is missing"),
    pytest.param(bytes(512) + DATA[512:1024], id="the beginning and the end are missing"),
])  # fmt: skip
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
        pytest.param(2, DATA[::-1], TIME, id="as long, with other bytes"),
        pytest.param(2, bytes(512) + DATA[:0:-1][:512], TIME, id="shorter, with zeros and other bytes"),
        pytest.param(2, DATA[:1024] + b"x" + bytes(511) + DATA[1536:], TIME, id="one byte beside the zeros"),
        pytest.param(2, DATA + bytes(1), TIME, id="longer"),
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
        target.remove("link/a", version((outside / "a").stat()))
    assert (outside / "a").exists()
