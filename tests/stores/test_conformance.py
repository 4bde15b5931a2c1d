"""What every store promises, held against each adapter and a real disk or server."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator

import pytest

from migrator.errors import AlreadyExists, Denied, NotFound, PlaceGone, SourceChanged, StoreError
from migrator.stores import Attributes, Location, Store, open_store
from migrator.stores.abilities import Checksummed, HasFolders, Resumable, SendsAhead, Served, ServerSide
from migrator.stores.answers import Refusal
from migrator.stores.s3 import S3Store
from migrator.stores.s3.trials import NAME

NONE = Attributes()
MIB = 1 << 20


def put(store: Store, key: str, data: bytes, attributes: Attributes = NONE, before: str | None = None) -> str:
    etag = store.put(key, data, attributes, before=before, mtime=1_700_000_000_123, scratch="run-1").etag
    assert etag
    return etag


def stream(store: Store, key: str, chunks, size: int, before: str | None = None):
    return store.put_stream(key, chunks, size, NONE, before=before, mtime=None, scratch="run-2")


def read(store: Store, key: str, pinned: str | None = None) -> bytes:
    with store.open(key, pinned) as body:
        return body.read()


def listed(store: Store) -> dict:
    return {info.key: info for page in store.list() for info in page}


def large(size: int) -> bytes:
    return random.Random(7).randbytes(size)


CAN = {
    "local": {HasFolders}, "memory": set(), "az": {Served}, "gs": {Served, Resumable, ServerSide},
    "s3": {Served, Resumable, ServerSide, Checksummed, SendsAhead},
}  # fmt: skip


# Mutation: rename a verb of an ability in a store, and leave it out of the bases.
def test_is_a_store_with_these_abilities(store):
    assert isinstance(store, Store)
    every = (Checksummed, HasFolders, Resumable, SendsAhead, Served, ServerSide)
    assert {ability for ability in every if isinstance(store, ability)} == CAN[store.location.kind]


# Mutation: take `abstractmethod` from `Served.date` or `Store.head`.
@pytest.mark.parametrize("verb", ["date", "head"])
def test_a_store_that_lacks_a_verb_of_its_abilities_can_not_be_made(verb):
    lacking = type("Lacking", (S3Store,), {verb: getattr(Served, verb)})
    with pytest.raises(TypeError, match=f"abstract method '?{verb}'?"):
        lacking(Location.parse("s3://bbb", anonymous=True))


# Mutations: leave `clear_debris` out of Bucket.try_out; let it stop at the first that stays, or raise nothing.
def test_what_killed_trials_left_is_removed_as_far_as_it_can_be_and_what_can_not_is_said(store, monkeypatch):
    if not isinstance(store, Served):
        assert store.try_out("run-1-2-80", ["run-1-1-"]) == []
        return
    theirs, ours = f"{NAME}other-1-9", f"{NAME}run-1-2-78"
    for key in (f"{NAME}run-1-1-7", theirs, ours):
        put(store, key, b"")
    store.try_out("run-1-2-80", ["run-1-1-"])
    assert sorted(listed(store)) == [theirs, ours]
    send = type(store._lane).send

    def denied(lane, method, key=None, *rest, **how):
        if method == "DELETE" and "run-1-2" in key:
            raise Refusal(403, "<Code>AccessDenied</Code>")
        return send(lane, method, key, *rest, **how)

    monkeypatch.setattr(type(store._lane), "send", denied)
    store.try_out("run-1-3-90", ["run-1-2-"])
    with pytest.raises(Denied, match=ours):
        store.clear_debris(["run-1-2-", "other-"])
    assert list(listed(store)) == [ours]


@pytest.mark.parametrize("data", [b"", b"x", b"line\r\n\x00\xff" * 1000], ids=["empty", "one", "binary"])
def test_bytes_come_back(store, data):
    etag = put(store, "a/b c.bin", data)
    with store.open("a/b c.bin", etag) as body:
        assert body.size == len(data)
        assert body.read() == data
    with store.open("a/b c.bin", etag) as body:
        assert b"".join(body.chunks(3000)) == data


def test_listing_and_head_and_put_agree(store):
    etag = put(store, "deep/er/k", b"12345")
    info = listed(store)["deep/er/k"]
    assert (info.size, info.etag, info.problem) == (5, etag, None)
    assert info.mtime > 1_600_000_000_000
    head = store.head("deep/er/k")
    assert head is not None
    assert (head.size, head.etag) == (5, etag)
    assert abs(head.mtime - info.mtime) <= 1000


PLAIN = ["é", "e\u0301", "a%2Fb", "a+b c", "q?x=1&y#z", "~'()*!", "[1]{2}", "日本/語", "\u202egnp", "-rf", "a\\b"]
PLAIN += ["a<b>&\"'", ".hidden", "..x/y..", "trailing ", " leading", "$HOME", "%", "%zz"]


@pytest.mark.parametrize("key", PLAIN)
def test_a_key_is_kept_byte_for_byte(store, key):
    assert store.refusal(key) is None
    refused = ""
    try:
        put(store, key, key.encode())
    except StoreError as error:  # SeaweedFS and azurite would keep it as a slash
        refused = str(error)
    if refused:
        assert ("\\" in key, store.location.kind in ("s3", "az")) == (True, True)
        assert "a backslash" in refused
        assert listed(store) == {}
        return
    assert list(listed(store)) == [key]
    assert listed(store)[key].problem is None
    assert read(store, key) == key.encode()
    head = store.head(key)
    assert head is not None
    assert head.key == key


ODD = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/./b",
    "../x",
    "a/..",
    "nul\0",
    "c\x01\n",
    "x" * 1025,
    "\ud800",
    "lone\udcff",
]


@pytest.mark.parametrize("key", ODD)
def test_an_odd_key_is_kept_as_it_is_or_refused_in_words(store, key):
    """Never tidied up: nothing but the very key, with its very bytes, is there afterwards."""
    reason = store.refusal(key, 1)
    assert reason is None or len(reason.split()) > 3
    try:
        put(store, key, b"x")
    except StoreError:
        assert listed(store) == {}
        return
    assert reason is None
    assert list(listed(store)) == [key]
    assert read(store, key) == b"x"


def test_a_folder_marker_is_kept_as_one(store, request):
    assert store.refusal("d/", 0) is None
    if "rclone" in request.node.name:  # which has folders behind it
        with pytest.raises(StoreError, match="a closing slash"):
            put(store, "d/", b"")
        return
    store.put("d/", b"", NONE, before=None, mtime=None, scratch="run-1")
    head = store.head("d/")
    assert head is not None
    assert (head.size, read(store, "d/")) == (0, b"")
    put(store, "d/x", b"x")
    assert read(store, "d/x") == b"x"


def test_nothing_is_overwritten_by_a_create(store):
    etag = put(store, "k", b"first")
    with pytest.raises(AlreadyExists):
        put(store, "k", b"second")
    with pytest.raises(AlreadyExists):
        stream(store, "k", [b"x" * (9 * MIB)], 9 * MIB)
    assert read(store, "k", etag) == b"first"


# Mutation: let Trial.heed take what a server accepts for what it enforces.
def test_where_conditions_are_not_enforced_that_is_found_out_and_said(store, request):
    said = " ".join(store.try_out("run-1-1"))
    assert ("If-None-Match is ignored" in said) == ("rclone" in request.node.name)
    assert listed(store) == {}


def test_only_the_named_version_is_replaced(store):
    first = put(store, "k", b"first")
    second = put(store, "k", b"second!", before=first)
    with pytest.raises(AlreadyExists):
        put(store, "k", b"third", before=first)
    with pytest.raises(AlreadyExists):
        stream(store, "k", [b"third"], 5, before=first)
    assert read(store, "k", second) == b"second!"
    with pytest.raises(AlreadyExists):
        put(store, "gone", b"x", before=first)


def test_another_version_is_not_read(store):
    first = put(store, "k", b"first")
    put(store, "k", b"second!", before=first)
    with pytest.raises(SourceChanged), store.open("k", first) as body:
        body.read()


def test_missing_is_none_to_head_and_an_error_to_open(store):
    put(store, "here", b"x")
    assert store.head("nope") is None
    assert store.head("here/below") is None
    with pytest.raises(NotFound), store.open("nope", None) as body:
        body.read()


@pytest.mark.parametrize("size", [1, 8 * MIB, 20 * MIB + 7], ids=["one-byte", "one-part", "parts"])
def test_large_objects_come_back(store, size):
    data = large(size)
    pieces = (data[start : start + 3 * MIB] for start in range(0, size, 3 * MIB))
    etag = stream(store, "large", pieces, size).etag
    with store.open("large", etag) as body:
        chunks = list(body.chunks(8 * MIB))
    assert {len(chunk) for chunk in chunks[:-1]} <= {8 * MIB}
    assert hashlib.sha256(b"".join(chunks)).digest() == hashlib.sha256(data).digest()
    head = store.head("large")
    assert head is not None
    assert (head.size, head.etag) == (size, etag)


class Stopped(BaseException):
    """Not an Exception: neither is what a closed generator or a Ctrl-C raises."""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stopped])
def test_a_stream_that_breaks_leaves_nothing(store, error):
    def broken() -> Iterator[bytes]:
        yield b"1" * (18 * MIB)
        raise error

    with pytest.raises(error):
        stream(store, "k", broken(), 30 * MIB)
    assert store.head("k") is None
    assert listed(store) == {}


@pytest.mark.parametrize("given", [0, 4, 6, 9 * MIB])
def test_a_stream_of_another_length_leaves_nothing(store, given):
    with pytest.raises(StoreError):
        stream(store, "k", [b"1" * given] if given else [], 5)
    assert listed(store) == {}


def test_an_empty_stream(store):
    stream(store, "k", [], 0)
    assert read(store, "k") == b""
    with pytest.raises(StoreError):
        stream(store, "k2", [b"x"], 0)


def test_probe_and_sync(store):
    store.probe()
    put(store, "k", b"x")
    store.sync()


def test_many_pages_are_listed_once_each(store):
    for number in range(1100):
        put(store, f"n{number % 7}/{number}", b"")
    found = [info.key for page in store.list() for info in page]
    assert len(found) == len(set(found)) == 1100


def taken_away(kind: str, server, name: str) -> None:
    """A bucket with one object, deleted by the server's own client."""
    if kind == "gs":
        server.client().bucket(name).delete(force=True)
        return
    with server.client() as client:
        client.delete_container(name)


# An object that is gone is drift, and is refused for good; a bucket that is gone may come back, and is waited for.
# Mutation: say NotFound of both.
@pytest.mark.parametrize(("kind", "fixture"), [("local", ""), ("gs", "gcs"), ("az", "azure")])
def test_a_place_that_is_gone_is_told_from_an_object_that_is(kind, fixture, request, tmp_path, monkeypatch):
    name = f"gone{tmp_path.name[-2:]}"
    if kind == "local":
        server, place = None, tmp_path / name
        place.mkdir()
    else:
        server = request.getfixturevalue(fixture)
        for variable, value in server.env().items():
            monkeypatch.setenv(variable, value)
        place = f"{kind}://{server.make_bucket(name)}/x"
    store = open_store(place)
    etag = put(store, "k", b"data")
    with pytest.raises(NotFound) as caught, store.open("other", None) as body:
        body.read()
    assert not isinstance(caught.value, PlaceGone)
    if server is None:
        shutil.rmtree(place)
    else:
        taken_away(kind, server, name)
    with pytest.raises(PlaceGone, match=name), store.open("k", etag) as body:
        body.read()
    if server is not None:
        with pytest.raises(PlaceGone, match=name):
            put(store, "k2", b"data")
