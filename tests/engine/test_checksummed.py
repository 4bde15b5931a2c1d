"""Copies that are proved by checksums, where ETags tell nothing or cost more."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from exact_s3 import ExactS3, Reply, at

from migrator.engine.comparing import Comparer
from migrator.engine.control import Control
from migrator.engine.copying import Copier
from migrator.errors import AlreadyExists, StoreError
from migrator.model import Item, Receipt
from migrator.stores import Attributes, Store, open_store
from migrator.stores.checksums import Cyclic

MIB = 1 << 20
SIZES = [2 * MIB, 20 * MIB + 5]


def given(source: Store, data: bytes, key: str = "k") -> Item:
    """An object that was planned."""
    take = source.put if len(data) <= 8 * MIB else source.put_stream
    written = take(key, data if take == source.put else iter([data]), *(() if take == source.put else (len(data),)),
                   Attributes(), before=None, mtime=None, scratch="x")  # fmt: skip
    return Item(1, key, key, "create", None, len(data), 5, written.etag)


def copy(source: Store, target: Store, row: Item) -> Receipt:
    copier = Copier(source, target, Control("r"))
    copier._passage.server = None
    return copier.copy(row)


def crc(data: bytes) -> str:
    found = Cyclic("crc64nvme")
    found.update(data)
    return f"crc64nvme:{found.hexdigest()}"


def reads(exact: ExactS3) -> int:
    return sum(method == "GET" and bool(what) and "=" not in what for method, what, _ in exact.asked)


# As under SSE-KMS. Mutation: hash by MD5 where the target tells a checksum; ask the source for none.
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opaque", [True, False])
def test_a_checksum_proves_what_no_etag_tells_by_reading_once(exact: ExactS3, size: int, opaque: bool) -> None:
    exact.opaque = opaque
    source, target, data = at(exact, "s3://here"), at(exact, "s3://there"), os.urandom(size)
    row = given(source, data)
    exact.asked.clear()
    receipt = copy(source, target, row)
    assert (receipt.status, receipt.evidence, receipt.digest) == ("copied", "server-hash", crc(data))
    assert reads(exact) == 1


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_proved_by_the_checksum_of_its_source(exact: ExactS3, tmp_path: Path, size: int) -> None:
    source, data = at(exact, "s3://here"), os.urandom(size)
    row = given(source, data)
    exact.asked.clear()
    receipt = copy(source, open_store(str(tmp_path)), row)
    assert (receipt.evidence, receipt.digest, reads(exact)) == ("server-hash", crc(data), 1)
    assert (tmp_path / "k").read_bytes() == data


# Mutation: leave the checksums out of Passage.copied_by_server, and both are read; compare them with nothing.
@pytest.mark.parametrize("damaged", [False, True])
def test_a_copy_by_the_server_is_proved_by_checksums_where_etags_tell_nothing(exact: ExactS3, damaged: bool) -> None:
    exact.opaque = True
    source, target, data = at(exact, "s3://here"), at(exact, "s3://there"), os.urandom(2 * MIB)
    row = given(source, data)

    def spoil(method: str, key: str, headers: dict[str, str], reply: Reply) -> None:
        if damaged and key == "k" and "x-amz-copy-source" in headers:
            made = exact.objects["there/k"]
            made.told, made.body = made.etag.strip('"'), data[:-1] + b"!"
            made.checksum = exact.checksum(made.body)

    exact.meddle = spoil
    exact.asked.clear()
    copier = Copier(source, target, Control("r"))
    if damaged:
        with pytest.raises(StoreError, match="not what was read"):
            copier.copy(row)
        return
    receipt = copier.copy(row)
    assert (receipt.evidence, receipt.digest, reads(exact)) == ("server-hash", crc(data), 0)


# Uploaded by tools that cut it otherwise. Mutation: leave `_by_checksums` out; believe that what differs is the same.
@pytest.mark.parametrize("sides", ["buckets", "file"])
def test_a_check_asks_for_checksums_where_etags_do_not_compare(exact: ExactS3, tmp_path: Path, sides: str) -> None:
    data = os.urandom(20 * MIB)
    source = at(exact, "s3://here") if sides == "buckets" else open_store(str(tmp_path))
    target = at(exact, "s3://there")
    for key, there in (("same", data), ("other", data[:-1] + bytes([data[-1] ^ 1]))):
        if sides == "buckets":
            given(source, data, key)
            exact.objects[f"here/{key}"].told = f"{'a' * 32}-4"
        else:
            (tmp_path / key).write_bytes(data)
        given(target, there, key)
        exact.objects[f"there/{key}"].told = f"{'b' * 32}-20"
    comparer = Comparer(source, target, Control("v"), metadata=False)
    exact.asked.clear()
    same, other = (comparer.compare(planned(source, target, key)) for key in ("same", "other"))
    assert (same.status, same.evidence, same.digest) == ("skipped", "server-hash", crc(data))
    assert (other.status, other.error) == ("failed", other.error)
    assert "the bytes differ" in (other.error or "")
    assert reads(exact) == (2 if sides == "buckets" else 1)  # of the other one alone


def planned(source: Store, target: Store, key: str) -> Item:
    here, there = source.head(key), target.head(key)
    assert here
    assert there
    before = json.dumps({"size": there.size, "mtime": there.mtime, "etag": there.etag})
    return Item(1, key, key, "compare", None, here.size, here.mtime, here.etag, before)


# Mutations: take two tags without a hash for the same one; a hash that a store keeps unchecked for the server's word.
def test_tags_that_prove_nothing_are_not_taken_for_a_word(exact: ExactS3, tmp_path: Path) -> None:
    source, target, folder = at(exact, "s3://here"), at(exact, "s3://there"), open_store(str(tmp_path))
    for store in (source, target, folder):
        given(store, b"the same")
    between = planned(source, target, "k")._replace(etag="@1", before='{"size": 8, "mtime": 5, "etag": "@2"}')
    receipt = Comparer(source, target, Control("v"), metadata=False).compare(between)
    assert (receipt.status, receipt.evidence) == ("skipped", "size-only")
    kept = planned(source, folder, "k")
    for before, evidence in (("", "server-hash"), ("~", "listed")):
        receipt = Comparer(source, folder, Control("v"), metadata=False).compare(
            kept._replace(etag=f"{before}{kept.etag}@1")
        )
        assert (receipt.status, receipt.evidence) == ("skipped", evidence)


# In parts of another size than ours an ETag would not show it. Mutation: let Witness.check believe all.
@pytest.mark.parametrize("to", ["bucket", "folder"])
def test_bytes_that_were_damaged_on_the_way_here_are_not_copied(exact: ExactS3, tmp_path: Path, to: str) -> None:
    source, data = at(exact, "s3://here"), os.urandom(20 * MIB)
    row = given(source, data)
    exact.objects["here/k"].told = told = f"{'a' * 32}-4"
    row = row._replace(etag=told)
    flips = iter([17, 18])

    def flip(method: str, key: str, headers: dict[str, str], reply: Reply) -> Reply | None:
        if method != "GET" or key != "k":
            return None
        where = next(flips)
        body = reply.body[:where] + bytes([reply.body[where] ^ 1]) + reply.body[where + 1 :]
        return Reply(reply.status, reply.headers, body)

    exact.meddle = flip
    target = at(exact, "s3://there") if to == "bucket" else open_store(str(tmp_path))
    with pytest.raises(StoreError, match="read twice, it gave different bytes"):
        copy(source, target, row)
    assert not any(name.startswith("there/") for name in exact.objects)
    assert not list(tmp_path.iterdir())
    assert exact.parts.open == {}


# Mutation: adopt in Copier._adopt by whatever hasher there is.
def test_a_strangers_object_with_the_same_checksum_is_not_taken_for_ours(exact: ExactS3) -> None:
    exact.opaque = True
    source, target, data = at(exact, "s3://here"), at(exact, "s3://there"), os.urandom(2 * MIB)
    row = given(source, data)
    other = twin(data)
    assert crc(other) == crc(data)
    assert other != data
    given(target, other)
    with pytest.raises(AlreadyExists, match="Something else appeared"):
        copy(source, target, row)
    assert exact.objects["there/k"].body == other


def twin(data: bytes) -> bytes:
    """Other bytes with the same CRC64NVME: a set of flipped bits whose effects undo each other."""
    size, width = 16, len(data) - 16
    plain = int(crc(bytes(size))[10:], 16)
    basis: dict[int, tuple[int, int]] = {}
    for bit in range(8 * size):
        effect, bits = int(crc((1 << bit).to_bytes(size, "big"))[10:], 16) ^ plain, 1 << bit
        while effect and effect.bit_length() in basis:
            known, its = basis[effect.bit_length()]
            effect, bits = effect ^ known, bits ^ its
        if not effect:
            end = int.from_bytes(data[width:], "big") ^ bits
            return data[:width] + end.to_bytes(size, "big")
        basis[effect.bit_length()] = effect, bits
    raise AssertionError
