"""Others write while we copy: what arrives is what was planned or nothing; nothing of theirs is replaced."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exact_s3 import ExactS3, Reply, Stored
from injury import SEED
from together import WAYS, be_near, copy

from migrator.engine.control import Control
from migrator.engine.copying import Copier
from migrator.errors import AlreadyExists, MigratorError, NotFound, SourceChanged
from migrator.model import Item
from migrator.stores import Location, Store, open_store, retries
from migrator.stores.digests import PART_BYTES, digest_of

SOAK = pytest.mark.soak
SMALL, LARGE = 40_000, 2 * PART_BYTES + 4321


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExactS3]:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    print(f"seed {SEED}")
    random.seed(SEED)
    be_near(monkeypatch)
    with ExactS3() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        yield server


def stored(size: int) -> Stored:
    """Bytes of their own, by one letter: a mixture shows."""
    body = random.choice("abcdefgh").encode() * (size - 8) + os.urandom(8)
    if size <= PART_BYTES:
        return Stored(body, {})
    pieces = (body[at : at + PART_BYTES] for at in range(0, size, PART_BYTES))
    return Stored(body, {}, told=digest_of(pieces, "md5-parts"), part=PART_BYTES)


def planned(one: Stored) -> Item:
    return Item(0, "k", action="create", bytes=len(one.body), mtime=0, etag=one.etag.strip('"'))


def copier(source: Store, target: Store, *, by_server: bool) -> Copier:
    made = Copier(source, target, Control("r1"))
    if not by_server:
        made._passage.server = None
    return made


def ways(often: int, seldom: int) -> list[Any]:
    """Small ones alone and in a batch, large ones alone; each through memory, and by the server."""
    return [
        *((SMALL, by_server, often, way) for by_server in (False, True) for way in WAYS),
        *((LARGE, by_server, seldom, "alone") for by_server in (False, True)),
        *(pytest.param(LARGE, by_server, often, "alone", marks=SOAK) for by_server in (False, True)),
    ]


# Mutation: leave x-amz-copy-source-if-match out of ServerCopies._named; let S3Body neither send If-Match nor look
# at the ETag that comes.
@pytest.mark.parametrize(("size", "by_server", "times", "way"), ways(200, 4))
def test_a_source_that_is_replaced_in_mid_copy_is_never_mixed(
    size: int, by_server: bool, times: int, way: str, exact: ExactS3
) -> None:
    source, target = open_store(Location.parse("s3://ours")), open_store(Location.parse("s3://theirs"))
    copying = copier(source, target, by_server=by_server)
    exact.objects["ours/k"] = stored(size)
    copying.copy(planned(exact.objects["ours/k"]))  # the trials are made
    came = Counter[str]()
    for turn in range(times):
        exact.objects.pop("theirs/k", None)
        exact.objects["ours/k"] = old = stored(size)
        came[replaced_meanwhile(copying, exact, old, stored(size), at=turn % 5, way=way)] += 1
        exact.before = exact.meddle = lambda *_: None
    assert came["flagged"], came
    assert set(came) <= {"flagged", "whole"}


def replaced_meanwhile(copying: Copier, exact: ExactS3, old: Stored, new: Stored, at: int, way: str) -> str:
    """What becomes of a copy whose source is replaced at its request ``at``: before it, or within its body."""
    asked = itertools.count()

    def before(_method: str, _key: str, _headers: dict[str, str]) -> None:
        if next(asked) == at:
            exact.objects["ours/k"] = new

    def meddle(method: str, key: str, _headers: dict[str, str], reply: Reply) -> Reply | None:
        ours = (method, key) == ("GET", "k") and reply.status in (200, 206) and reply.body in old.body
        if ours and random.random() < 0.5:
            exact.objects["ours/k"] = new
            reply.cut = len(reply.body) // 2
        return reply

    exact.before, exact.meddle = before, meddle
    try:
        receipt = copy(copying, planned(old), way)
    except SourceChanged:
        assert "theirs/k" not in exact.objects
        return "flagged"
    assert receipt.status in ("copied", "adopted")
    assert exact.objects["theirs/k"].body == old.body
    assert exact.parts.open == {}
    return "whole"


# Mutation: let LocalBody not look at the file again after it was read.
@pytest.mark.parametrize("target", ["folder", "bucket"])
@pytest.mark.parametrize("how", ["replaced", "written over"])
def test_a_file_that_is_replaced_in_mid_copy_is_never_mixed(
    target: str, how: str, exact: ExactS3, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    source = open_store(Location.parse(ours))
    copying = copier(
        source, open_store(Location.parse(theirs if target == "folder" else "s3://theirs")), by_server=False
    )
    bodies = [letter * (1 << 20) for letter in (b"a", b"b")]
    (ours / "k").write_bytes(bodies[0])
    over = threading.Event()

    def replace() -> None:
        for body in itertools.cycle(bodies):
            if over.is_set():
                return
            if how == "replaced":
                (tmp_path / "new").write_bytes(body)
                (tmp_path / "new").replace(ours / "k")
            else:
                with (ours / "k").open("r+b") as file:
                    file.write(body)

    other = threading.Thread(target=replace)
    other.start()
    came = Counter[str]()
    end = time.monotonic() + 60  # how often the two meet is the machine's affair: not once in 40 turns on some
    try:
        while came.total() < 40 or not came["flagged"]:
            assert time.monotonic() < end, came
            came[one_file(copying, source, exact, theirs)] += 1
    finally:
        over.set()
        other.join()


def one_file(copying: Copier, source: Store, exact: ExactS3, folder: Path) -> str:
    exact.objects.pop("theirs/k", None)
    (folder / "k").unlink(missing_ok=True)
    [seen] = [one for page in source.list() for one in page]
    row = Item(0, "k", action="create", bytes=seen.size, mtime=seen.mtime, etag=seen.etag)
    try:
        copying.copy(row)
    except (SourceChanged, NotFound):
        assert "theirs/k" not in exact.objects
        assert not (folder / "k").exists()
        return "flagged"
    body = (folder / "k").read_bytes() if (folder / "k").exists() else exact.objects["theirs/k"].body
    assert len(body) == seen.size
    assert len(set(body)) == 1, "a mixture"
    return "whole"


# Mutation: send no condition with a write (Terms.condition gives nothing).
@pytest.mark.parametrize(("size", "by_server", "times", "way"), ways(100, 3))
def test_what_is_created_meanwhile_is_never_replaced(
    size: int, by_server: bool, times: int, way: str, exact: ExactS3
) -> None:
    source, target = open_store(Location.parse("s3://ours")), open_store(Location.parse("s3://theirs"))
    copying = copier(source, target, by_server=by_server)
    exact.objects["ours/k"] = one = stored(size)
    copying.copy(planned(one))
    writes = ("PUT",) if size == SMALL else ("POST",)

    def before(method: str, key: str, headers: dict[str, str]) -> Reply | None:
        if method in writes and key == "k" and exact.objects.get("theirs/k") is None and next(numbers) == at:
            exact.objects["theirs/k"] = Stored(b"somebody else's", {})
        return None

    exact.before = before
    for turn in range(times):
        # The last request of a write is where the race is; an upload in parts also begins with a POST.
        numbers, at = itertools.count(), turn % 2 if size == LARGE else 0
        exact.objects.pop("theirs/k", None)
        with pytest.raises(AlreadyExists):
            copy(copying, planned(one), way)
        assert exact.objects["theirs/k"].body == b"somebody else's"
    assert exact.parts.open == {}


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_where_nothing_enforces_it_that_is_said(conditions: str, exact: ExactS3) -> None:
    exact.conditions = conditions
    target = open_store(Location.parse("s3://theirs"))
    assert "Unknown until apply" in target.remarks(to_write=True)[0]
    assert "are not conditional" in target.try_out("r1-1")[0]
    exact.objects["ours/k"], exact.objects["theirs/k"] = one, _ = stored(SMALL), Stored(b"somebody else's", {})
    with pytest.raises(MigratorError, match="Something else appeared"):
        copier(open_store(Location.parse("s3://ours")), target, by_server=False).copy(planned(one))
    assert exact.objects["theirs/k"].body == b"somebody else's"
