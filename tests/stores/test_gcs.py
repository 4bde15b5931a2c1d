"""What Google's own service does and the emulator does not, and how its places and credentials are read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from exact_gcs import ExactGCS, Session, _refused

from migrator.errors import AlreadyExists, BadInput, ConfigError, Denied, SourceChanged, StoreError
from migrator.stores import Attributes, Location, open_store
from migrator.stores.answers import Refusal
from migrator.stores.digests import md5_told
from migrator.stores.gcs import GoogleStore, upload
from migrator.stores.gcs.lane import GoogleLane

MIB = 1 << 20
NONE = Attributes()


@pytest.fixture
def exact() -> Iterator[ExactGCS]:
    with ExactGCS() as server:
        yield server


def store_at(server: ExactGCS, prefix: str = "p") -> GoogleStore:
    store = open_store(Location.parse(f"gs://bucket/{prefix}", endpoint=server.endpoint, anonymous=True))
    assert isinstance(store, GoogleStore)
    return store


def stream(store: GoogleStore, size: int, before: str | None = None, data: bytes = b"") -> str | None:
    data = data or os.urandom(1) * size
    chunks = (data[start : start + MIB] for start in range(0, size, MIB))
    return store.put_stream("k", chunks, size, NONE, before=before, mtime=None, scratch="s").etag


def test_what_appears_while_a_session_sends_is_left_alone(exact: ExactGCS) -> None:
    """Mutation: without the condition in the session's beginning, it is overwritten."""
    store = store_at(exact)

    def chunks() -> Iterator[bytes]:
        yield b"1" * (9 * MIB)
        exact.keep("p/k", b"theirs")
        yield b"1" * MIB

    with pytest.raises(AlreadyExists):
        store.put_stream("k", chunks(), 10 * MIB, NONE, before=None, mtime=None, scratch="s")
    assert exact.objects["p/k"].body == b"theirs"


@pytest.mark.parametrize("takes", [1 << 40, 3 * MIB])
def test_a_session_that_takes_less_than_it_is_sent_is_sent_the_rest(exact: ExactGCS, takes: int) -> None:
    exact.takes, data = takes, bytes(range(256)) * (20 << 10)
    stream(store_at(exact), len(data), data=data)
    assert exact.objects["p/k"].body == data


def test_a_session_that_takes_nothing_more_is_an_error(exact: ExactGCS) -> None:
    """Mutation: go on where it has as much as before, and that has no end."""
    exact.takes = 0
    with pytest.raises(StoreError, match="takes no more of an upload after 0 of"):
        stream(store_at(exact), 9 * MIB)


def test_bytes_that_look_like_the_end_of_a_part_arrive_as_they_are(exact: ExactGCS) -> None:
    """Mutation: leave the boundary as it is, and the object ends there."""
    data = f"one\r\n--{upload._BOUNDARY}--\r\ntwo\r\n--{upload._BOUNDARY}-".encode()
    store_at(exact).put("k", data, NONE, before=None, mtime=None, scratch="s")
    assert exact.objects["p/k"].body == data


@pytest.mark.parametrize("status", [200, 403])
def test_a_server_that_does_not_heed_conditions_is_found_out_and_looked_at_before(
    exact: ExactGCS, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Mutations: take any refusal for a heeded condition; write without a look."""
    store, writes = store_at(exact), exact._upload
    monkeypatch.setattr(exact, "_heeds", lambda *_: True)
    refuse = lambda query, body: _refused(403) if exact.objects else writes(query, body)  # noqa: E731
    with monkeypatch.context() as patch:
        if status == 403:
            patch.setattr(exact, "_upload", refuse)
        assert "are not conditional" in store.try_out("r1-1")[0]
    exact.keep("p/k", b"theirs")
    with pytest.raises(AlreadyExists):
        store.put("k", b"ours", NONE, before=None, mtime=None, scratch="s")
    assert exact.objects["p/k"].body == b"theirs"


class Notes:
    """As a run keeps them."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}

    def take(self, key: str) -> list[str]:
        return [session for session, name in self.open.items() if name == key]

    def opened(self, key: str, upload_id: str) -> None:
        self.open[upload_id] = key

    def closed(self, upload_id: str) -> None:
        self.open.pop(upload_id, None)


class Killed(BaseException):
    pass


def test_a_killed_session_is_carried_on_and_what_it_has_is_not_sent_again(
    exact: ExactGCS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation: without asking how far the session is, all of it is sent twice."""
    data, notes = os.urandom(20 * MIB), Notes()
    dying = store_at(exact)
    dying.notes = notes

    def chunks() -> Iterator[bytes]:
        yield data[: 17 * MIB]
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("migrator.stores.gcs.upload.cancel", lambda *_: (_ for _ in ()).throw(Killed))
        patch.setattr(notes, "closed", lambda *_: None)
        with pytest.raises(Killed):
            dying.put_stream("k", chunks(), len(data), NONE, before=None, mtime=None, scratch="s")
    assert len(notes.open) == 1
    assert "p/k" not in exact.objects
    successor = store_at(exact)
    successor.notes = notes
    before = len(exact.sent)
    stream(successor, len(data), data=data)
    assert exact.objects["p/k"].body == data
    assert exact.sent[before:] == [f"{8 * MIB}-{16 * MIB - 1}", f"{16 * MIB}-{20 * MIB - 1}"]
    assert (notes.open, exact.sessions) == ({}, {})


def test_a_session_that_has_more_than_there_is_now_is_not_carried_on(exact: ExactGCS) -> None:
    """Mutation: carry it on all the same, and the write fails."""
    exact.sessions["old"], notes = Session("p/k", {}, {}, b"1" * (12 * MIB)), Notes()
    notes.open["/upload/storage/v1/b/b/o?upload_id=old"] = "p/k"
    store = store_at(exact)
    store.notes = notes
    stream(store, 10 * MIB, data=b"2" * (10 * MIB))
    assert exact.objects["p/k"].body == b"2" * (10 * MIB)


def test_what_breaks_a_stream_cancels_its_session(exact: ExactGCS) -> None:
    with pytest.raises(SourceChanged):
        store_at(exact).put_stream("k", [b"1" * (9 * MIB)], 10 * MIB, NONE, before=None, mtime=None, scratch="s")
    assert (exact.sessions, exact.objects) == ({}, {})


def test_a_rewrite_takes_as_many_calls_as_the_server_wants_and_heeds_both_versions(exact: ExactGCS) -> None:
    """Mutations: without ifGenerationMatch or ifSourceGenerationMatch in the query."""
    exact.slices = 3
    store = store_at(exact)
    etag = store.put("a//b", b"body", Attributes({"content-type": "x/y"}), before=None, mtime=None, scratch="s").etag
    assert etag
    written = store.copy_from(store, "a//b", "to", etag)
    assert written
    assert md5_told(written.etag) == md5_told(etag) is not None
    assert exact.objects["p/to"].resource["contentType"] == "x/y"
    with pytest.raises(AlreadyExists):
        store.copy_from(store, "a//b", "to", etag)
    exact.keep("p/a//b", b"other")
    with pytest.raises(SourceChanged):
        store.copy_from(store, "a//b", "to2", etag)
    assert "p/to2" not in exact.objects


def test_what_changes_between_look_and_deletion_stays(exact: ExactGCS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: without the condition on DELETE, theirs is gone."""
    store = store_at(exact)
    exact.keep("p/k", b"1")
    seen = store.head("k")
    assert seen
    assert seen.etag
    exact.keep("p/k", b"theirs")
    monkeypatch.setattr(store, "head", lambda _: seen)
    assert not store.remove("k", seen.etag)
    assert exact.objects["p/k"].body == b"theirs"


def test_a_read_is_of_the_planned_generation(exact: ExactGCS) -> None:
    store = store_at(exact)
    exact.keep("p/k", b"first")
    seen = store.head("k")
    assert seen
    with store.open("k", seen.etag) as body:
        assert (body.read(), body.size) == (b"first", 5)
    exact.keep("p/k", b"second")
    with pytest.raises(SourceChanged), store.open("k", seen.etag):
        pass


def test_a_hash_that_is_not_of_what_came_is_refused_by_the_server(
    exact: ExactGCS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation: without md5Hash in the request, damaged bytes are kept, and only the next look tells."""
    store = store_at(exact)
    whole = upload.put
    monkeypatch.setattr(upload, "put", lambda lane, told, data, query: whole(lane, told, b"X" + data[1:], query))
    with pytest.raises(StoreError, match="refused: 400"):
        store.put("k", b"body", NONE, before=None, mtime=None, scratch="s")
    assert exact.objects == {}


# ------------------------------------------------------------------------------- places and credentials


def config(text: str) -> None:
    Path(os.environ["MIGRATOR_CONFIG"]).write_text(text)


def test_a_place_there_is_read_and_says_where_its_credentials_come_from(tmp_path: Path) -> None:
    place = Location.parse("gs://b/p/q/").resolve()
    assert (place.kind, place.bucket, place.prefix, place.endpoint) == (
        "gs",
        "b",
        "p/q",
        "https://storage.googleapis.com",
    )
    assert place.credentials
    assert place.credentials.source == "default"
    assert place.identity() == ("gs|https://storage.googleapis.com|b", ("p", "q"))
    filed = Location.parse("gs://b", credentials_file=tmp_path / "key.json").resolve()
    assert filed.needs() == [f"file:{tmp_path / 'key.json'}"]
    assert Location.parse(asdict(filed)) == filed
    config('[connections.lake]\npreset = "gcs"\ntoken_env = "LAKE_TOKEN"\nstorage_class = "nearline"\n')
    named = Location.parse("lake://b/p").resolve()
    assert (named.kind, named.needs(), named.storage_class) == ("gs", ["env:LAKE_TOKEN"], "NEARLINE")


# Mutation: leave `self._always` out of GoogleLane._signed, and a bucket whose readers pay gives nothing.
def test_who_pays_is_told_with_every_request(exact: ExactGCS) -> None:
    config(
        f'[connections.lake]\npreset = "gcs"\nanonymous = true\nendpoint = "{exact.endpoint}"\nbilling_project = "us"\n'
    )
    given = Location.parse("gs://b", endpoint=exact.endpoint, anonymous=True, billing_project="us")
    for place in (Location.parse("lake://bucket/p"), given):
        assert GoogleLane(place.resolve())._signed("GET", "/", "", {}, b"")["x-goog-user-project"] == "us"
    told = '{"error": {"message": "Bucket is a requester pays bucket but no user project provided.", "code": 400}}'
    assert "billing_project=" in str(GoogleLane(given.resolve()).explain(Refusal(400, told), "k"))
    with pytest.raises(BadInput, match="billing_project"):
        Location.parse("gs://b", billing_project="a\r\nb")


def test_a_token_goes_along_and_into_no_text(exact: ExactGCS, monkeypatch: pytest.MonkeyPatch) -> None:
    config(f'[connections.lake]\npreset = "gcs"\ntoken_env = "LAKE_TOKEN"\nendpoint = "{exact.endpoint}"\n')
    store = open_store("lake://bucket/p")
    with pytest.raises(Denied, match="LAKE_TOKEN is not set"):
        store.probe()
    monkeypatch.setenv("LAKE_TOKEN", "HUSH")
    store.probe()
    assert "HUSH" not in str(asdict(store.location))


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("gs://b/p", {"region": "x"}, "no option 'region'"),
        ("gs://b/p", {"endpoint": "http://far.example"}, "not encrypted"),
        ("gs://b/p?X-Goog-Signature=HUSH", {}, "Signed links are not places"),
        ("gs://token:HUSH@b/p", {}, "can't hold credentials"),
    ],
)
def test_what_can_not_be_used_is_refused_in_a_sentence(text: str, options: dict[str, str], why: str) -> None:
    with pytest.raises(BadInput, match=why) as caught:
        Location.parse(text, **options).resolve()
    assert "HUSH" not in str(caught.value)


def test_one_source_of_credentials_at_a_time() -> None:
    config('[connections.lake]\npreset = "gcs"\ntoken_env = "T"\nanonymous = true\n')
    with pytest.raises(ConfigError, match="more than one source"):
        Location.parse("lake://b").resolve()
