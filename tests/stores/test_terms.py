"""On what terms a bucket takes writes: found out by trying, said in words, and never trusted where it is not so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exact_parts import Upload
from exact_s3 import ExactS3, Stored, at, refused

from migrator.errors import AlreadyExists, BadInput, ConfigError
from migrator.stores import Attributes, Location, Store, open_store

PLAIN = Attributes({"content-type": "text/plain"}, {"owner": "me"})


@pytest.fixture
def exact() -> Iterator[ExactS3]:
    with ExactS3() as server:
        yield server


def put(store: Store, key: str, data: bytes, attributes: Attributes = PLAIN, before: str | None = None) -> Any:
    return store.put(key, data, attributes, before=before, mtime=None, scratch="run-1")


# Mutation: say of a server that compares checksums what is true of one that compares none.
@pytest.mark.parametrize(
    ("checks", "words"),
    [
        (("crc64nvme", "sha256"), "copies are checked by a CRC64NVME"), (("sha256",), "large objects are read again"),
        ((), "every copy is read again"),
    ],
)  # fmt: skip
def test_how_copies_are_checked_where_etags_tell_nothing_is_said(
    exact: ExactS3, checks: tuple[str, ...], words: str
) -> None:
    exact.opaque, exact.checks = True, checks
    assert words in said(at(exact))


# Mutation: let Trial.compares send no right hash after the wrong one.
def test_a_hash_that_a_server_refuses_in_any_case_is_not_sent(exact: ExactS3) -> None:
    def refuse(method: str, key: str, headers: dict[str, str]) -> Any:
        return refused(400, "UnsupportedHeader") if "x-amz-checksum-crc64nvme" in headers else None

    exact.before = refuse
    store = at(exact)
    assert (store.hash_of(1 << 20), store.hash_of(1 << 30)) == ("md5", "md5-parts")
    exact.opaque = True
    put(at(exact), "k", b"bytes")
    assert hashes_sent(exact, "p/k") == [{"sha256"}]


def hashes_sent(server: ExactS3, key: str) -> list[set[str]]:
    """The hashes that went with each write of a key."""
    writes = [headers for method, what, headers in server.asked if method == "PUT" and what == key]
    return [{name for name in ("crc64nvme", "sha256") if f"x-amz-checksum-{name}" in headers} for headers in writes]


def said(store: Store) -> str:
    return " ".join(store.try_out("run-1-1"))


# Mutation: in S3Store.put leave out `_check_before`, and the last two overwrite.
@pytest.mark.parametrize("conditions", ["enforced", "ignored", "refused"])
def test_nothing_is_overwritten_whatever_the_server_makes_of_conditions(exact: ExactS3, conditions: str) -> None:
    exact.conditions = conditions
    store = at(exact)
    etag = put(store, "k", b"1").etag
    with pytest.raises(AlreadyExists):
        put(store, "k", b"2")
    with pytest.raises(AlreadyExists):
        put(store, "k", b"2", before="0" * 32)
    assert exact.objects["b/p/k"].body == b"1"
    put(store, "k", b"3", before=etag)
    assert exact.objects["b/p/k"].body == b"3"
    assert list(exact.objects) == ["b/p/k"]


# Mutation: let Terms._heed go by what becomes of new objects alone, and theirs is replaced.
def test_where_only_the_condition_of_a_replacement_is_ignored_it_is_looked_before(exact: ExactS3) -> None:
    exact.before = lambda _method, _key, headers: headers.pop("if-match", None) and None
    store = at(exact)
    ours = put(store, "k", b"1").etag
    exact.objects["b/p/k"] = Stored(b"theirs", {})
    with pytest.raises(AlreadyExists):
        put(store, "k", b"2", before=ours)
    assert exact.objects["b/p/k"].body == b"theirs"
    assert "Replacing objects at" in said(store)


# Mutation: let Terms.by_hand not ask whether conditions are refused: the byte lane sends one with each write.
def test_a_server_that_refuses_conditions_is_sent_none(exact: ExactS3) -> None:
    exact.conditions = "refused"
    put(at(exact), "k", b"1" * 100_000)
    assert len(exact.objects["b/p/k"].body) == 100_000


# Mutation: leave `found.md5` out of Terms.guards_copies, and nothing tells whether such a copy is whole.
@pytest.mark.parametrize("opaque", [False, True])
def test_a_server_copies_only_where_its_etags_tell_what_it_copied(exact: ExactS3, opaque: bool) -> None:
    exact.opaque = opaque
    assert at(exact).guards_copies(None) is not opaque


@pytest.mark.parametrize(("conditions", "word"), [("ignored", "is ignored"), ("refused", "is refused")])
def test_a_server_that_does_not_heed_conditions_is_found_out(exact: ExactS3, conditions: str, word: str) -> None:
    exact.conditions = conditions
    store = at(exact)
    assert store.capabilities.conditional is None
    assert "Unknown until apply" in store.remarks(to_write=True)[0]
    assert exact.written() == []
    assert word in said(store)
    assert store.capabilities.conditional is False
    assert exact.objects == {}


def test_a_good_server_gives_no_cause_for_remarks(exact: ExactS3) -> None:
    store = at(exact)
    assert store.try_out("run-1-1") == []
    assert store.capabilities.conditional
    assert store.remarks(to_write=True) == store.remarks(to_write=False) == []


def test_a_trial_that_can_not_be_taken_back_is_named(exact: ExactS3) -> None:
    exact.keeps_all = True
    words = said(at(exact))
    [name] = exact.objects
    assert name.removeprefix("b/") in words
    assert "remove it" in words


# Mutation: look for what begins with the odd slash only where the key is odd, or not at all.
def test_what_a_trial_with_an_odd_key_left_is_removed_too(exact: ExactS3) -> None:
    for name in ("p/.migrator-trial-run-1-1-77", "p//.migrator-trial-run-1-1-77//x"):
        exact.objects[f"b/{name}"] = Stored(b"", {})
    at(exact).try_out("run-1-2-80", ["run-1-1-"])
    assert exact.objects == {}


# Mutations: leave S3Store.clear_debris out; let uploads.begun trust a server that it heeds the prefix.
def test_an_upload_that_a_killed_trial_had_begun_is_aborted_by_the_next_attempt(exact: ExactS3) -> None:
    names = [
        "p/.migrator-trial-run-1-1-77",
        "p/.migrator-trial-run-1-2-78",
        "p/.migrator-trial-other-1-9",
        "p/somebodys",
    ]
    exact.parts.open |= {name: Upload(f"b/{name}", {}, "") for name in names}
    at(exact).try_out("run-1-2-80", ["run-1-1-"])
    assert sorted(exact.parts.open) == sorted(names[1:])


def test_headers_that_a_server_forgets_are_losses(exact: ExactS3) -> None:
    exact.drops = ("cache-control", "x-amz-meta-migrator", "x-amz-meta-owner")
    store = at(exact)
    assert "does not keep cache-control, metadata" in said(store)
    written = put(store, "k", b"1", Attributes({"content-type": "a/b", "cache-control": "no-store"}, {"owner": "me"}))
    assert written.dropped == ("cache-control", "meta:owner")


# Mutation: let Terms.fit pass all metadata on, and the whole object fails.
def test_metadata_that_no_header_holds_is_a_loss(exact: ExactS3) -> None:
    given = Attributes({"content-type": "a/b"}, {"note": "two\nlines", "a,b": "x", "team": "one"})  # as Google holds it
    assert put(at(exact), "k", b"1", given).dropped == ("meta:note", "meta:a;b")
    assert exact.objects["b/p/k"].headers == {"content-type": "a/b", "x-amz-meta-team": "one"}


# Mutation: let keys.refusal take an empty key for any other.
@pytest.mark.parametrize("kind", ["s3", "gs", "az"])
def test_no_bucket_holds_a_key_without_a_name(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "acc")
    assert "no object without a name" in str(open_store(Location.parse(f"{kind}://bbb", anonymous=True)).refusal(""))
    assert open_store(Location.parse(f"{kind}://bbb/p", anonymous=True)).refusal("") is None


@pytest.mark.parametrize("tags", ["kept", "ignored", "refused"])
def test_tags_are_carried_or_counted_as_lost(exact: ExactS3, tags: str) -> None:
    exact.tags = tags
    store = at(exact)
    given = Attributes({"content-type": "a/b"}, {}, {"team": "a&b =ü", "empty": ""})
    written = put(store, "k", b"1", given)
    with store.open("k", None) as body:
        assert body.read() == b"1"
        assert dict(body.attributes.tags) == (dict(given.tags) if tags == "kept" else {})
    assert written.dropped == (() if tags == "kept" else ("tag:team", "tag:empty"))


def test_the_tags_of_an_object_without_any_cost_no_request(exact: ExactS3) -> None:
    exact.objects["b/p/k"] = Stored(b"1", {})
    with at(exact).open("k", None) as body:
        body.read()
    assert len(exact.asked) == 1


def test_class_key_and_payer_go_with_every_write(exact: ExactS3) -> None:
    store = at(exact, storage_class="standard-ia", kms_key="arn:aws:kms:x:1:key/2", requester_pays=True)
    put(store, "k", b"1")
    wanted = {
        "x-amz-storage-class": "STANDARD_IA", "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:x:1:key/2", "x-amz-request-payer": "requester",
    }  # fmt: skip
    sent = [headers for method, what, headers in exact.asked if (method, what) == ("PUT", "p/k")]
    assert [wanted.items() <= headers.items() for headers in sent] == [True]
    tried = [headers for method, what, headers in exact.asked if method == "PUT" and what != "p/k"]
    assert tried
    assert not any("x-amz-storage-class" in headers for headers in tried)  # some are paid for by the month
    list(store.list())
    assert {headers.get("x-amz-request-payer") for *_, headers in exact.asked} == {"requester"}


@pytest.mark.parametrize("given", ["very cold", "x" * 70, "<b>"])
def test_what_is_no_storage_class_is_refused(given: str) -> None:
    with pytest.raises(BadInput, match="storage class"):
        Location.parse("s3://b", storage_class=given)


def test_older_versions_are_not_copied_and_that_is_said(exact: ExactS3) -> None:
    exact.versioning = "Enabled"
    assert "older versions are not copied" in at(exact).remarks(to_write=False)[0]


def test_archived_objects_say_how_to_restore_them(exact: ExactS3) -> None:
    exact.objects["b/p/cold"] = Stored(b"1", {}, storage_class="GLACIER", archived=True)
    exact.objects["b/p/warm"] = Stored(b"2", {}, storage_class="GLACIER", archived=True, restored=True)
    listed = {info.key: info.problem for page in at(exact).list() for info in page}
    assert "restore it" in str(listed["cold"])
    assert listed["warm"] is None


# --- services by name ---


def connected(tmp_path: Path, text: str) -> Location:
    (tmp_path / "migrator.toml").write_text(f"[connections.there]\n{text}\n")
    return Location.parse("there://bucket/p").resolve()


@pytest.mark.parametrize(
    ("text", "endpoint", "region"),
    [
        ('preset = "r2"\naccount = "abc"', "https://abc.r2.cloudflarestorage.com", "auto"),
        ('preset = "b2"\nregion = "us-west-004"', "https://s3.us-west-004.backblazeb2.com", "us-west-004"),
        ('preset = "wasabi"', "https://s3.us-east-1.wasabisys.com", "us-east-1"),
        ('preset = "spaces"\nregion = "fra1"', "https://fra1.digitaloceanspaces.com", "fra1"),
        ('preset = "aws"\nregion = "eu-west-1"', "https://s3.eu-west-1.amazonaws.com", "eu-west-1"),
    ],
)
def test_a_preset_is_an_endpoint(tmp_path: Path, text: str, endpoint: str, region: str) -> None:
    place = connected(tmp_path, text)
    assert (place.endpoint, place.region) == (endpoint, region)


@pytest.mark.parametrize(("text", "lacks"), [('preset = "r2"', "account"), ('preset = "b2"', "region")])
def test_a_preset_that_lacks_a_part_says_which(tmp_path: Path, text: str, lacks: str) -> None:
    with pytest.raises(ConfigError, match=f'{lacks} = "…"'):
        connected(tmp_path, text)


def test_what_a_service_documents_is_known_without_asking() -> None:
    store = open_store(Location.parse("s3://b/p", endpoint="https://s3.us-west-004.backblazeb2.com", anonymous=True))
    assert store.capabilities.conditional is False
    assert "Backblaze B2" in store.remarks(to_write=True)[0]


# --- a real server that only pretends ---


# Mutation: in trials._refused return True whatever comes, and the servers that compare nothing are believed.
@pytest.mark.parametrize(
    ("opaque", "checks", "sent"),
    [
        (True, ("crc64nvme", "sha256"), "crc64nvme"), (True, ("sha256",), "sha256"), (True, (), None),
        (False, ("crc64nvme", "sha256"), None),
    ],
)  # fmt: skip
def test_a_hash_is_sent_along_where_etags_tell_nothing_and_the_server_compares_it(
    exact: ExactS3, opaque: bool, checks: tuple[str, ...], sent: str | None
) -> None:
    exact.opaque, exact.checks = opaque, checks
    written = put(at(exact), "k", b"bytes")
    assert hashes_sent(exact, "p/k") == [{sent} - {None}]
    assert written.checked == (sent is not None)
