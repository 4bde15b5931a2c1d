"""A small object is copied by the server itself where that is as safe as reading and writing it."""

from __future__ import annotations

import pytest
from exact_s3 import ExactS3, Stored, at

from migrator.engine.control import Control
from migrator.engine.copying import Copier
from migrator.errors import AlreadyExists, SourceChanged
from migrator.model import Item, Receipt
from migrator.stores import Attributes
from migrator.stores.s3 import S3Store

PLAIN = Attributes({"content-type": "text/plain"}, {"owner": "me"}, {"team": "one"})


def places(server: ExactS3) -> tuple[S3Store, S3Store]:
    return at(server, "s3://here/p"), at(server, "s3://there/p")


def put(store: S3Store, data: bytes) -> Item:
    etag = store.put("k", data, PLAIN, before=None, mtime=None, scratch="run-1").etag
    return Item(1, "k", "k", "create", None, len(data), 5, etag)


def copy(exact: ExactS3, source: S3Store, target: S3Store, row: Item) -> tuple[Receipt, list[str]]:
    """The receipt, and what was asked for the object itself."""
    target.try_out("run-1-1")
    target.guards_copies(None)
    exact.asked.clear()
    receipt = Copier(source, target, Control("r")).copy(row)
    return receipt, [method for method, key, _ in exact.asked if key == "p/k"]


def test_one_request_that_carries_all_and_is_checked(exact: ExactS3) -> None:
    source, target = places(exact)
    receipt, asked = copy(exact, source, target, put(source, b"data"))
    assert asked == ["PUT"]
    assert (receipt.status, receipt.evidence) == ("copied", "server-hash")
    there, here = exact.objects["there/p/k"], exact.objects["here/p/k"]
    assert (there.body, there.headers, there.tags) == (here.body, here.headers, here.tags)
    assert sorted(exact.objects) == ["here/p/k", "there/p/k"]  # nothing is left of the trial


# Mutation: let `guards_copies` return True, and the copy replaces what stands there.
@pytest.mark.parametrize("heeds", [True, False])
def test_nothing_that_appeared_meanwhile_is_replaced(exact: ExactS3, heeds: bool) -> None:
    exact.heeds_on_copy = heeds
    source, target = places(exact)
    row = put(source, b"data")
    exact.objects["there/p/k"] = Stored(b"else", {}, "")
    with pytest.raises(AlreadyExists, match="Something else appeared"):
        copy(exact, source, target, row)
    assert exact.objects["there/p/k"].body == b"else"


def test_our_own_copy_of_an_attempt_that_died_is_adopted(exact: ExactS3) -> None:
    source, target = places(exact)
    row = put(source, b"data")
    copy(exact, source, target, row)
    receipt, _ = copy(exact, source, target, row)
    assert (receipt.status, receipt.evidence) == ("adopted", "server-hash")


# Mutation: leave x-amz-copy-source-if-match out of `S3Store.copy_from`, and another version is copied.
def test_a_source_that_changed_since_the_plan_is_not_copied(exact: ExactS3) -> None:
    source, target = places(exact)
    row = put(source, b"data")
    exact.objects["here/p/k"] = Stored(b"late", {}, "")
    with pytest.raises(SourceChanged):
        copy(exact, source, target, row)
    assert "there/p/k" not in exact.objects


def test_where_copies_are_not_conditional_it_is_read_and_written(exact: ExactS3) -> None:
    exact.heeds_on_copy = False
    source, target = places(exact)
    receipt, asked = copy(exact, source, target, put(source, b"data"))
    assert asked == ["GET", "GET", "PUT"]  # the object, its tags, the write that is conditional
    assert (receipt.status, receipt.evidence) == ("copied", "server-hash")
