"""Answers that say yes and are not the store's own, and bytes that come wrong twice: nothing is proved by them."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from exact_s3 import ExactS3, Reply, Stored, at
from together import WAYS, be_near, copy

from migrator.engine.control import Control
from migrator.engine.copy_executor import DRIFTED
from migrator.engine.copying import Copier
from migrator.errors import StoreError, Unreachable
from migrator.model import Item, Receipt
from migrator.stores.s3.multipart import NoNotes

# What a portal, a proxy or a wrong server says to anything.
HTML = Reply(200, {"Content-Type": "text/html"}, b"<html>Welcome to the hotel's network</html>")
KMS = {"x-amz-server-side-encryption": "aws:kms"}


class Pair:
    """Two buckets of one server, and a copier between them that has met them."""

    def __init__(self, exact: ExactS3, *, by_server: bool = False) -> None:
        self.exact = exact
        self.source, self.target = at(exact, "s3://here"), at(exact, "s3://there")
        self.copier = Copier(self.source, self.target, Control("r"))
        if not by_server:
            self.copier._passage.server = None
        self.source.probe()
        self.target.try_out("r-1")

    def row(self, key: str, size: int = 700, headers: dict[str, str] | None = None, tag: str = "") -> Item:
        one = self.exact.objects[f"here/{key}"] = Stored(os.urandom(size), headers or {}, told=tag)
        return Item(1, key, key, "create", None, size, 5, one.etag.strip('"'))

    def has(self, key: str) -> bool:
        return f"there/{key}" in self.exact.objects


@pytest.fixture
def pair(exact: ExactS3, monkeypatch: pytest.MonkeyPatch) -> Pair:
    be_near(monkeypatch)
    return Pair(exact)


def answered(method: str, times: int) -> Callable[[str, str, dict[str, str]], Reply | None]:
    """So many requests for "k" by another than the store."""
    left = [times]

    def before(asked: str, key: str, _: dict[str, str]) -> Reply | None:
        if (asked, key) != (method, "k") or not left[0]:
            return None
        left[0] -= 1
        return HTML

    return before


# By all three ways of a small write. Mutations: let `_taken` go by what was sent along, and the largest is `copied`;
# leave `_as_written` out, and what is gone is taken for drift, which no resume tries again.
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [700, 100 << 10, 2 << 20])
def test_a_write_that_another_said_yes_to_is_no_copy(pair: Pair, size: int, way: str) -> None:
    row = pair.row("k", size)
    pair.exact.before = answered("PUT", 99)
    with pytest.raises(StoreError) as met:
        copy(pair.copier, row, way)
    assert not isinstance(met.value, DRIFTED), met.value
    assert not pair.has("k")
    pair.exact.before = lambda *_: None
    assert copy(pair.copier, row, way).status == "copied"


def test_a_copy_by_the_server_that_another_said_yes_to_is_none(exact: ExactS3, monkeypatch: pytest.MonkeyPatch) -> None:
    be_near(monkeypatch)
    pair = Pair(exact, by_server=True)
    row = pair.row("k")
    exact.before = answered("PUT", 99)
    with pytest.raises(StoreError, match="not what was read") as met:
        copy(pair.copier, row)
    assert not isinstance(met.value, DRIFTED)
    assert not pair.has("k")


# Mutation: leave the question for a version out of `S3Body._hear`, and it is a source that has changed.
@pytest.mark.parametrize("way", WAYS)
def test_a_read_that_another_answers_is_asked_again(pair: Pair, way: str) -> None:
    row = pair.row("k")
    pair.exact.before = answered("GET", 2)
    assert copy(pair.copier, row, way).status == "copied"
    pair.exact.before = answered("GET", 99)
    with pytest.raises(Unreachable, match="names no version"):
        copy(pair.copier, pair.row("k"), way)


# Mutation: let `in_parts` note it as closed, and nobody takes back what was sent.
def test_an_upload_that_another_said_was_complete_is_still_noted_as_open(pair: Pair) -> None:
    noted: set[str] = set()

    class Kept(NoNotes):
        def opened(self, key: str, upload_id: str) -> None:
            noted.add(upload_id)

        def closed(self, upload_id: str) -> None:
            noted.discard(upload_id)

    pair.target.notes, row = Kept(), pair.row("k", 9 << 20)
    replies = iter([None, HTML])  # it is begun, and completed
    pair.exact.before = lambda method, key, _: next(replies, None) if (method, key) == ("POST", "k") else None
    with pytest.raises(StoreError, match="is not there so"):
        copy(pair.copier, row, "alone")
    assert noted == set(pair.exact.parts.open)
    assert len(noted) == 1


# AWS answers 409 while another write of the key is under way. Mutation: leave it out of `conflict_at`, and it is drift.
@pytest.mark.parametrize("way", WAYS)
def test_a_write_refused_for_what_is_not_there_is_tried_again_by_a_resume(pair: Pair, way: str) -> None:
    row = pair.row("k")
    pair.exact.before = lambda method, key, _: Reply(409, {}, b"") if (method, key) == ("PUT", "k") else None
    with pytest.raises(StoreError, match="now nothing does") as met:
        copy(pair.copier, row, way)
    assert not isinstance(met.value, DRIFTED)


def damaged(key: str) -> Callable[[str, str, dict[str, str], Reply], None]:
    """The same wrong bytes of a key each time."""

    def meddle(method: str, name: str, _: dict[str, str], reply: Reply) -> None:
        if (method, name) == ("GET", key):
            reply.body = bytes(len(reply.body))

    return meddle


# Mutation: leave `_right` out of Witness.check, and both are `copied`, and all that comes wrong after them.
@pytest.mark.parametrize("way", WAYS)
def test_an_object_that_comes_wrong_twice_is_damaged_where_other_etags_are_right(pair: Pair, way: str) -> None:
    assert copy(pair.copier, pair.row("good"), way).status == "copied"
    for key in ("k", "l"):
        pair.exact.meddle = damaged(key)
        with pytest.raises(StoreError, match="it is damaged there, or on its way"):
            copy(pair.copier, pair.row(key), way)
        assert not pair.has(key)


# Buckets hold objects under several keys. Mutation: leave `sealed` out of Witness.word, and it is refused; leave it out
# of what is mute, and what is damaged is copied after it.
def test_an_etag_that_is_no_hash_since_the_object_is_encrypted_is_in_nobodys_way(pair: Pair) -> None:
    def with_key(key: str) -> Receipt:
        return copy(pair.copier, pair.row(key, headers=KMS, tag="a" * 32), "alone")

    def told(method: str, key: str, _: dict[str, str], reply: Reply) -> None:
        if method == "GET" and key.startswith("sealed"):
            reply.headers |= KMS

    assert copy(pair.copier, pair.row("good"), "alone").status == "copied"
    pair.exact.meddle = told
    assert [with_key(f"sealed{number}").status for number in range(3)] == ["copied"] * 3
    pair.exact.meddle = damaged("k")
    with pytest.raises(StoreError, match="it is damaged there, or on its way"):
        copy(pair.copier, pair.row("k"), "alone")
