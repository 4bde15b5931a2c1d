"""Checksums that servers keep beside an ETag: believed where they are compared, and of all bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from hashlib import md5
from typing import Any

import pytest
from exact_parts import Upload
from exact_s3 import ExactS3, at, refused

from migrator.stores import Attributes, retries
from migrator.stores.checksums import Cyclic, told_in
from migrator.stores.digests import Word, word_of
from migrator.stores.s3 import S3Store

MIB = 1 << 20
LARGE = os.urandom(8 * MIB) * 2 + b"tail"
NOTHING = Attributes()


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExactS3]:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    with ExactS3() as server:
        yield server


def put(store: S3Store, key: str, data: bytes) -> Any:
    return store.put(key, data, NOTHING, before=None, mtime=None, scratch="run-1")


def upload(store: S3Store, key: str, data: bytes) -> Any:
    pieces = (data[start : start + MIB] for start in range(0, len(data), MIB))
    return store.put_stream(key, pieces, len(data), NOTHING, before=None, mtime=None, scratch="run-1")


def checksum(store: S3Store, key: str) -> str | None:
    with store.open(key, None, checksum=True) as body:
        return body.checksum


def sent(exact: ExactS3, key: str, method: str = "PUT") -> list[str | None]:
    return [
        headers.get("x-amz-checksum-crc64nvme") for how, what, headers in exact.asked if (how, what) == (method, key)
    ]


# The check values of each algorithm: https://reveng.sourceforge.io/crc-catalogue
@pytest.mark.parametrize(
    ("algorithm", "check"), [("crc64nvme", "ae8b14860a799888"), ("crc32c", "e3069283"), ("crc32", "cbf43926")]
)
def test_a_checksum_is_what_its_definition_says(algorithm: str, check: str) -> None:
    found = Cyclic(algorithm)
    found.update(b"1234")
    found.update(b"56789")
    assert found.hexdigest() == check


# Mutation: leave the type, or the width, out of what is looked at, and one of parts is believed.
@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-amz-checksum-crc64nvme": "rosUhgp5mIg="}, "crc64nvme:ae8b14860a799888"),
        ({"x-amz-checksum-crc32c": "4waSgw==", "x-amz-checksum-type": "FULL_OBJECT"}, "crc32c:e3069283"),
        ({"x-amz-checksum-crc32": "y/Q5Jg=="}, "crc32:cbf43926"),
        ({"x-amz-checksum-crc64nvme": "rosUhgp5mIg=-4"}, None),
        ({"x-amz-checksum-crc32c": "4waSgw==", "x-amz-checksum-type": "COMPOSITE"}, None),
        ({"x-amz-checksum-crc64nvme": "4waSgw=="}, None),
        ({"x-amz-checksum-sha1": "AAAA"}, None),
    ],
)
def test_only_a_checksum_of_all_bytes_is_taken_for_one(headers: dict[str, str], found: str | None) -> None:
    assert told_in(headers) == found


@pytest.mark.parametrize(
    ("tag", "word"),
    [
        ("a" * 32, Word("md5", "a" * 32)), ("~" + "a" * 32 + "@7", Word("md5", "a" * 32, checked=False)),
        ("b" * 32 + "-3", Word("md5-parts", "b" * 32 + "-3")), ("crc32c=4waSgw==@12", Word("crc32c", "e3069283")),
        ("crc32c=nonsense@12", None), ("@12", None), ("opaque", None), (None, None),
    ],
)  # fmt: skip
def test_what_a_tag_tells_of_the_bytes(tag: str | None, word: Word | None) -> None:
    assert word_of(tag) == word
    assert word_of(tag, "crc32:cbf43926") == Word("crc32", "cbf43926")


# Mutation: send none with a part, or none with the completion; compare what was sent, not what the server tells.
def test_a_large_object_is_told_by_the_checksum_of_all_of_it(exact: ExactS3) -> None:
    store = at(exact)
    assert (store.hash_of(8 * MIB), store.hash_of(8 * MIB + 1), store.hash_of(MIB - 1)) == (
        "crc64nvme", "crc64nvme", "md5",
    )  # fmt: skip
    written = upload(store, "k", LARGE)
    whole = Cyclic("crc64nvme")
    whole.update(LARGE)
    assert checksum(store, "k") == f"crc64nvme:{written.digest}" == f"crc64nvme:{whole.hexdigest()}"
    assert all(sent(exact, "p/k"))
    assert len(sent(exact, "p/k")) == 3
    assert sent(exact, "p/k", "POST")[1:] == [exact.objects["b/p/k"].checksum]
    assert put(store, "k2", LARGE[:MIB]).checked
    assert sent(exact, "p/k2") == [exact.objects["b/p/k2"].checksum]
    assert (set(exact.objects), exact.parts.open) == ({"b/p/k", "b/p/k2"}, {})


# Mutation: believe in `Trial.compares_parts` a server that takes a wrong part; in `tells` whatever it tells.
@pytest.mark.parametrize(
    ("sums", "checks"), [("of parts", None), ("unchecked", None), ("whole", ()), ("whole", ("sha256",))]
)
def test_where_no_checksum_of_all_is_compared_the_parts_are_hashed(
    exact: ExactS3, sums: str, checks: tuple[str, ...] | None
) -> None:
    exact.sums, exact.checks = sums, exact.checks if checks is None else checks
    store = at(exact)
    assert store.hash_of(8 * MIB + 1) == "md5-parts"
    assert store.hash_of(8 * MIB) == ("md5" if checks is not None else "crc64nvme")
    assert upload(store, "k", LARGE).digest is None
    assert not any(sent(exact, "p/k"))
    assert (set(exact.objects), exact.parts.open) == ({"b/p/k"}, {})


# Mutation: let Trial.compares_parts begin its upload without a note, and nobody knows of it.
def test_the_upload_of_a_trial_that_can_not_be_given_up_is_noted_as_any_other(exact: ExactS3) -> None:
    exact.checks = ()  # so it takes a part whose checksum is wrong
    exact.before = lambda method, _key, _headers: refused(403, "AccessDenied") if method == "DELETE" else None
    store, notes = at(exact), Open()
    store.notes = notes
    assert store.hash_of(8 * MIB + 1) == "md5-parts"
    [(upload_id, key)] = notes.uploads.items()
    assert list(exact.parts.open) == [upload_id]
    exact.before = lambda *_: None
    store.abort_upload(key, upload_id)
    assert exact.parts.open == {}


# Mutation: take BadDigest for any other refusal.
def test_bytes_that_were_damaged_on_the_way_are_sent_again(exact: ExactS3) -> None:
    store, damaged = at(exact), []

    def damage(method: str, key: str, headers: dict[str, str]) -> Any:
        if method == "PUT" and key in ("p/k", "p/k2") and damaged.count(key) == 0:
            damaged.append(key)
            return refused(400, "BadDigest")
        return None

    exact.before = damage
    assert upload(store, "k", LARGE).digest
    assert put(store, "k2", LARGE[:MIB]).checked
    assert damaged == ["p/k", "p/k2"]
    assert (exact.objects["b/p/k"].body, exact.objects["b/p/k2"].body) == (LARGE, LARGE[:MIB])


class Open:
    """Notes of a run that died in the middle of an upload."""

    def __init__(self) -> None:
        self.uploads: dict[str, str] = {}

    def take(self, key: str) -> list[str]:
        return [upload_id for upload_id, name in self.uploads.items() if name == key]

    def begins(self, key: str) -> AbstractContextManager[None]:
        return nullcontext()

    def opened(self, key: str, upload_id: str) -> None:
        self.uploads[upload_id] = key

    def closed(self, upload_id: str) -> None:
        self.uploads.pop(upload_id, None)


# Mutation: go by the MD5 alone in `_is_of`, and under opaque ETags all is sent again; take all for `summed` in `_list`.
@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("summed_before", [True, False])
def test_an_upload_goes_on_with_the_parts_that_are_there(
    exact: ExactS3, monkeypatch: pytest.MonkeyPatch, opaque: bool, summed_before: bool
) -> None:
    exact.opaque = opaque
    dying, notes = at(exact), Open()
    dying.notes = notes
    if not summed_before:  # as an earlier release began them
        monkeypatch.setattr(type(dying._terms), "in_parts", lambda *_: {})

    dying.hash_of(len(LARGE))  # by a trial, whose own upload ends well

    def pieces() -> Iterator[bytes]:
        yield LARGE[: 8 * MIB]
        yield LARGE[8 * MIB : 16 * MIB]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # a kill takes nothing back
        patch.setattr("migrator.stores.s3.multipart.abort", lambda *_: None)
        patch.setattr(notes, "closed", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            dying.put_stream("k", pieces(), len(LARGE), NOTHING, before=None, mtime=None, scratch="run-1")
    monkeypatch.undo()
    exact.asked.clear()
    store = at(exact)
    store.notes = notes
    assert upload(store, "k", LARGE).digest
    assert exact.objects["b/p/k"].body == LARGE
    assert len(sent(exact, "p/k")) == (3 if opaque and not summed_before else 1)
    assert notes.uploads == {}


# Mutations: carry on the one that was begun last; leave the others open.
def test_of_several_uploads_the_one_that_got_furthest_goes_on_and_the_others_are_aborted(exact: ExactS3) -> None:
    first, second = LARGE[: 8 * MIB], LARGE[8 * MIB : 16 * MIB]
    parts = {n: (part, md5(part).digest()) for n, part in ((1, first), (2, second))}
    exact.parts.open = {
        "far": Upload("b/p/k", {}, "", True, dict(parts)),
        "near": Upload("b/p/k", {}, "", True, {1: parts[1]}),
    }
    store, notes = at(exact), Open()
    store.notes = notes
    notes.uploads = {"far": "p/k", "near": "p/k"}
    store.hash_of(len(LARGE))
    exact.asked.clear()
    upload(store, "k", LARGE)
    assert (exact.objects["b/p/k"].body == LARGE, len(sent(exact, "p/k"))) == (True, 1)
    assert (exact.parts.open, notes.uploads) == ({}, {})
