"""Bodies that come short, long, spoiled, or are not what was asked for: none of it is ever called a copy."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from exact_s3 import ExactS3, Reply, Stored
from together import be_near, copy

from migrator.engine.control import Control
from migrator.engine.copying import Copier
from migrator.errors import MigratorError
from migrator.model import Item
from migrator.stores import Location, open_store, retries
from migrator.stores.digests import PART_BYTES, digest_of

MIB, SOAK = 1 << 20, pytest.mark.soak
flips = itertools.count(1)
SIZES = {"0 B": 0, "4 KiB": 4096, "5 MiB": 5 * MIB, "parts": 2 * PART_BYTES + 4321}


def early_end(reply: Reply) -> Reply:
    reply.cut = len(reply.body) // 2
    return reply


def told_short(reply: Reply) -> Reply:
    reply.body = reply.body[: max(0, len(reply.body) - 7)]
    return reply


def told_long(reply: Reply) -> Reply:
    reply.length, reply.cut = len(reply.body) + 7, len(reply.body)
    return reply


def whole_for_part(reply: Reply) -> Reply:
    """Cut at first; whoever asks for the rest gets all of it, or is told that it is a part of something else."""
    if reply.status == 206:
        reply.status = 200
        return reply
    return early_end(reply)


def wrong_range(reply: Reply) -> Reply:
    if reply.status == 206:
        reply.headers["Content-Range"] = f"bytes 0-{len(reply.body) - 1}/{len(reply.body)}"
        reply.body = reply.body[::-1]
        return reply
    return early_end(reply)


def failure_inside(reply: Reply) -> Reply:
    reply.cut = len(reply.body) // 2
    reply.extra = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    return reply


def reset(reply: Reply) -> Reply:
    reply.cut, reply.reset = len(reply.body) // 2, True
    return reply


def extra_bytes(reply: Reply) -> Reply:
    reply.extra = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    return reply


def flipped(reply: Reply) -> Reply:
    """One bit, elsewhere each time: what comes the same way twice is taken for the source's own bytes."""
    at = next(flips) * 9973 % max(1, len(reply.body))
    reply.body = reply.body[:at] + bytes([reply.body[at] ^ 1]) + reply.body[at + 1 :] if reply.body else b""
    return reply


FAULTS: list[Callable[[Reply], Reply]] = [
    early_end, told_short, told_long, whole_for_part, wrong_range, failure_inside, reset, extra_bytes, flipped,
]  # fmt: skip


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExactS3]:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    be_near(monkeypatch)
    with ExactS3() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        yield server


def stored(size: int) -> Stored:
    body = os.urandom(size)
    if size <= PART_BYTES:
        return Stored(body, {})
    return Stored(
        body, {}, told=digest_of((body[at : at + PART_BYTES] for at in range(0, size, PART_BYTES)), "md5-parts")
    )


def arrived(exact: ExactS3, target: str, folder: Path) -> bytes | None:
    if target == "folder":
        return (folder / "k").read_bytes() if (folder / "k").exists() else None
    found = exact.objects.get("theirs/k")
    return found.body if found else None


# Mutation: let Passage.fit take a body of any size, S3Body._begins_here any answer, or Witness.check say nothing.
@pytest.mark.parametrize("always", [True, pytest.param(False, marks=SOAK)], ids=["always", "once"])
@pytest.mark.parametrize("target", [pytest.param("folder", marks=SOAK), "bucket"])
@pytest.mark.parametrize(("kind", "way"), [*((kind, "alone") for kind in SIZES), ("4 KiB", "together")])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_body_that_is_not_the_objects_is_no_copy(
    fault: Callable[[Reply], Reply], kind: str, way: str, target: str, always: bool, exact: ExactS3, tmp_path: Path
) -> None:
    one = exact.objects["ours/k"] = stored(SIZES[kind])
    left = [10**6 if always else 2]

    def meddle(method: str, key: str, headers: dict[str, str], reply: Reply) -> Reply | None:
        if (method, key) != ("GET", "k") or "x-amz-copy-source" in headers or left[0] <= 0:
            return None
        left[0] -= 1
        return fault(reply)

    (tmp_path / "to").mkdir()
    places = {"folder": Location.parse(tmp_path / "to"), "bucket": Location.parse("s3://theirs", kms_key=None)}
    source = open_store(Location.parse("s3://ours"))
    copier = Copier(source, open_store(places[target]), Control("r1"))
    copier._passage.server = None
    source.probe()  # it is known to be near
    exact.meddle = meddle
    item = Item(0, "k", action="create", bytes=SIZES[kind], mtime=0, etag=one.etag.strip('"'))
    try:
        receipt = copy(copier, item, way)
    except MigratorError:
        assert arrived(exact, target, tmp_path / "to") is None
    else:
        exact.meddle = lambda *_: None
        assert receipt.status == "copied"
        assert arrived(exact, target, tmp_path / "to") == one.body
