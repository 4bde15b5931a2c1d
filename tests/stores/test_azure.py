"""What Azure's interface does otherwise: blocks, tags, an MD5 that proves nothing; its places and credentials."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import AlreadyExists, BadInput, Denied, Protected, StoreError
from migrator.stores import Attributes, Location, open_store
from migrator.stores.answers import Refusal
from migrator.stores.azure import AzureStore
from migrator.stores.azure import upload as blocks
from migrator.stores.digests import Hasher, md5_told
from migrator.stores.retries import TRIES
from migrator.stores.weather import Weather, under

MIB = 1 << 20
NONE = Attributes()


@pytest.fixture
def store(azure_place: Location) -> AzureStore:
    made = open_store(azure_place)
    assert isinstance(made, AzureStore)
    return made


class Killed(BaseException):
    pass


def test_a_killed_upload_goes_on_with_the_blocks_that_are_missing(
    store: AzureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation: without asking which blocks stand, the first two are sent again."""
    data = os.urandom(20 * MIB)

    def chunks() -> Iterator[bytes]:
        yield data[: 16 * MIB]
        raise Killed

    with pytest.raises(Killed):
        store.put_stream("k", chunks(), len(data), NONE, before=None, mtime=None, scratch="s")
    assert store.head("k") is None
    sent: list[int] = []
    put = blocks._put_block
    monkeypatch.setattr(blocks, "_put_block", lambda *given: (sent.append(len(given[-1])), put(*given)))
    written = store.put_stream("k", [data], len(data), NONE, before=None, mtime=None, scratch="s")
    assert sent == [4 * MIB]
    parts = Hasher("md5-parts")
    for start in range(0, len(data), 8 * MIB):
        parts.update(data[start : start + 8 * MIB])
    assert written.digest == parts.hexdigest()
    with store.open("k", written.etag) as body:
        assert b"".join(body.chunks(MIB)) == data


def test_what_appears_while_blocks_are_sent_is_left_alone(store: AzureStore) -> None:
    """Mutation: without the condition on the list, theirs is overwritten."""

    def chunks() -> Iterator[bytes]:
        yield b"1" * (9 * MIB)
        store.put("k", b"theirs", NONE, before=None, mtime=None, scratch="s")
        yield b"1" * MIB

    with pytest.raises(StoreError):  # AlreadyExists, or the write has thrown the blocks away
        store.put_stream("k", chunks(), 10 * MIB, NONE, before=None, mtime=None, scratch="s")
    with store.open("k", None) as body:
        assert body.read() == b"theirs"


def test_blocks_of_another_size_than_ours_tell_no_hash_of_parts(store: AzureStore, monkeypatch) -> None:
    """Mutation: call it `md5-parts` whatever the blocks, and it is compared with what was cut otherwise."""
    monkeypatch.setattr(blocks, "MOST_BLOCKS", 1)
    data = os.urandom(10 * MIB)
    written = store.put_stream("k", [data], len(data), NONE, before=None, mtime=None, scratch="s")
    assert written.digest is None
    with store.open("k", written.etag) as body:
        assert b"".join(body.chunks(MIB)) == data


def test_a_lease_on_a_blob_is_not_another_object(store: AzureStore) -> None:
    """Mutations: take any 412 for an object that appeared; let a deletion that a lease forbids be one of another."""
    etag = store.put("k", b"1", NONE, before=None, mtime=None, scratch="s").etag
    lease = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}
    store._lane.send("PUT", store.full("k"), [("comp", "lease")], lease)
    forbidden = (
        lambda: store.put("k", b"2", NONE, before=etag, mtime=None, scratch="s"),
        lambda: store.put_stream("k", [b"2" * MIB * 9], MIB * 9, NONE, before=etag, mtime=None, scratch="s"),
        lambda: store.remove("k", etag or ""),
    )
    for each in forbidden:
        with pytest.raises(StoreError, match="lease") as caught:
            each()
        assert not isinstance(caught.value, AlreadyExists)
    store._lane.send("PUT", store.full("k"), [("comp", "lease")], {"x-ms-lease-action": "break"})
    assert store.put("k", b"2", NONE, before=etag, mtime=None, scratch="s").etag != etag


@pytest.mark.parametrize(("code", "kind"), [("BlobAlreadyExists", AlreadyExists), ("BlobArchived", Protected)])
def test_what_protects_a_blob_is_not_another_object(store: AzureStore, code: str, kind: type[StoreError]) -> None:
    """Mutation: take any 409 for an object that appeared."""
    refusal = Refusal(409, f"<Error><Code>{code}</Code><Message>It can't be.</Message></Error>")
    assert type(store._explain_write(refusal, "k", None)) is kind


def test_an_md5_that_the_service_only_keeps_is_no_proof(store: AzureStore) -> None:
    """Mutation: `checked=True` in its tags takes the word of whoever wrote it."""
    key, wrong = store.full("k"), base64.b64encode(b"0" * 16).decode()
    name = base64.b64encode(b"one").decode()
    store._lane.send("PUT", key, [("comp", "block"), ("blockid", name)], {}, b"body")
    listed = f"<BlockList><Latest>{name}</Latest></BlockList>".encode()
    store._lane.send("PUT", key, [("comp", "blocklist")], {"x-ms-blob-content-md5": wrong}, listed)
    head = store.head("k")
    assert head
    assert md5_told(head.etag) == (b"0" * 16).hex()
    assert md5_told(head.etag, checked=True) is None


def test_tags_and_metadata_come_back_and_what_has_no_place_is_a_loss(store: AzureStore) -> None:
    given = Attributes(
        {"content-type": "a/b", "cache-control": "no-store"}, {"team": "x", "no-name": "y"}, {"t": "a b"}
    )
    written = store.put("k", b"1", given, before=None, mtime=None, scratch="s")
    assert written.dropped == ("meta:no-name",)
    with store.open("k", written.etag) as body:
        found = body.attributes
    assert (found.headers["content-type"], found.headers["cache-control"]) == ("a/b", "no-store")
    assert (found.metadata, found.tags) == ({"team": "x"}, {"t": "a b"})


def test_an_archived_one_is_listed_with_how_to_get_it(store: AzureStore) -> None:
    store.put("k", b"1", NONE, before=None, mtime=None, scratch="s")
    store._lane.send("PUT", store.full("k"), [("comp", "tier")], {"x-ms-access-tier": "Archive"})
    [found] = [one for page in store.list() for one in page]
    assert found.problem
    assert "rehydrate it" in found.problem


# Mutation: leave keys.ends_in_dots out of AzureStore._check_key, and two keys become one.
def test_where_dots_at_an_end_are_cut_off_no_such_key_is_written(
    store: AzureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = store._lane.send

    def cutting(method: str, key: str | None = None, *rest: Any, **how: Any) -> Any:
        return send(method, key and re.sub(r"(?<=[^/])\.+(?=/|$)", "", key), *rest, **how)

    monkeypatch.setattr(store._lane, "send", cutting)
    for key in ("a./b", "a/b."):
        with pytest.raises(StoreError, match="a segment that ends in a dot"):
            store.put(key, b"1", NONE, before=None, mtime=None, scratch="s")
    store.put("a.b/c", b"1", NONE, before=None, mtime=None, scratch="s")
    assert [one.key for page in store.list() for one in page] == ["a.b/c"]


class Impatient(Weather):
    """A run's, in which nothing is waited for."""

    endures = True

    def rest(self, seconds: float) -> None:
        raise AssertionError(f"waited {seconds} s")


# Mutation: let AzureStore._lists ask with all tries, and it waits: for a probe that meets the trial's own object.
def test_a_key_that_makes_listings_fail_is_refused_without_waiting(
    store: AzureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """azurite answers 500 to each listing while a key stands that XML can't hold."""
    asked: list[str] = []
    once = store._lane._once
    monkeypatch.setattr(store._lane, "_once", lambda method, *rest: (asked.append(method), once(method, *rest))[1])
    with under(Impatient()):
        for _ in range(2):
            with pytest.raises(StoreError, match="does not keep a key with a control character"):
                store.put("c\x01d", b"1", NONE, before=None, mtime=None, scratch="s")
        assert list(store.list()) == [[]]
    assert asked == ["PUT", "GET", "DELETE", "GET"] * TRIES + ["GET"]


def test_a_condition_is_on_the_request_itself(store: AzureStore) -> None:
    """Mutation: without if-none-match in the terms."""
    store.put("k", b"1", NONE, before=None, mtime=None, scratch="s")
    with pytest.raises(AlreadyExists):
        store.put("k", b"2", NONE, before=None, mtime=None, scratch="s")


def test_a_wrong_key_is_told_without_it(azure_place: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = base64.b64encode(b"HUSH" * 16).decode()
    monkeypatch.setenv("AZURE_STORAGE_KEY", secret)
    with pytest.raises(Denied) as caught:
        open_store(azure_place).probe()
    assert secret not in str(caught.value)


def test_places_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Location.parse("https://lake.blob.core.windows.net/box/a%20b/").resolve()
    assert (shown.kind, shown.account, shown.bucket, shown.prefix) == ("az", "lake", "box", "a b")
    with pytest.raises(BadInput, match="which storage account"):
        Location.parse("az://box/p").resolve()
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "lake")
    monkeypatch.setenv("AZURE_STORAGE_KEY", "HUSH")
    place = Location.parse("az://box/a b").resolve()
    assert place.identity() == shown.identity()
    assert place.needs() == ["env:AZURE_STORAGE_KEY"]
    assert "HUSH" not in str(asdict(place))
    Path(os.environ["MIGRATOR_CONFIG"]).write_text(
        '[connections.other]\npreset = "azure"\naccount = "theirs"\nsas_env = "THEIR_SAS"\n'
    )
    named = Location.parse("other://box").resolve()
    assert (named.endpoint, named.needs()) == ("https://theirs.blob.core.windows.net", ["env:THEIR_SAS"])
    with pytest.raises(BadInput, match="Signed links") as caught:
        Location.parse("https://lake.blob.core.windows.net/box/k?sig=HUSH")
    assert "HUSH" not in str(caught.value)
