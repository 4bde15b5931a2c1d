"""A "no" is told as what it is, service by service: another object, a lock, or a write that passes.

The codes are those of the services' own references: S3's "List of error codes" and its pages on conditional writes and
Object Lock, R2's bucket locks, "HTTP status and error codes for JSON" of Google's, whose service says `forbidden` of a
hold. Azure's are in test_azure.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from exact_gcs import ExactGCS
from exact_s3 import ExactS3, Reply, at, refused

from migrator.engine.control import Control
from migrator.engine.copying import Copier
from migrator.errors import AlreadyExists, Denied, Overtaken, Protected, StoreError, Throttled
from migrator.model import Item
from migrator.stores import Attributes, Location, Store, Written, open_store, retries
from migrator.stores.s3.store import LEAN_BYTES, NATIVE_BYTES

MIB = 1 << 20
SIZES = [3, LEAN_BYTES + 1, NATIVE_BYTES, 9 * MIB]  # by a request of ours, by the byte lane, by ours again, in parts
AWS_LOCK = "Access Denied because object protected by object lock."
HOLD = (
    "Object 'b/p/k' is under active Temporary hold and cannot be deleted, overwritten or archived until it is removed."
)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExactS3]:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    with ExactS3() as server:
        yield server


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExactGCS]:
    monkeypatch.setattr(retries, "LONGEST_WAIT_S", 0.001)
    with ExactGCS() as server:
        yield server


def put(store: Store, size: int, before: str | None = None) -> Written:
    data, terms = b"1" * size, {"before": before, "mtime": None, "scratch": "s"}
    if size > 8 * MIB:
        return store.put_stream("k", [data], size, Attributes(), **terms)
    return store.put("k", data, Attributes(), **terms)


def said(status: int, code: str, words: str) -> Reply:
    return Reply(status, {}, f"<Error><Code>{code}</Code><Message>{words}</Message></Error>".encode())


def refuse_writes(exact: ExactS3, *replies: Reply, forever: bool = False) -> None:
    """To what would show an object under the key; to an upload that is its completion."""
    left = list(replies)

    def meet(method: str, key: str, headers: dict[str, str]) -> Reply | None:
        shows = method == "DELETE" or "if-none-match" in headers or "if-match" in headers
        if key != "p/k" or method not in ("PUT", "POST", "DELETE") or not shows or not left:
            return None
        return left[0] if forever else left.pop(0)

    exact.before = meet


# --- S3 ---


# Mutations: leave `_PASSING` out, and it is refused for good; have `_put_by_bytes` go by the byte lane's own error.
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "OperationAborted"])
def test_a_write_that_another_one_came_in_the_way_of_is_made_again(exact: ExactS3, size: int, code: str) -> None:
    store = at(exact)
    store.try_out("r-1")
    refuse_writes(exact, refused(409, code))
    put(store, size)
    assert len(exact.objects["b/p/k"].body) == size


def test_one_that_comes_in_the_way_again_and_again_is_named(exact: ExactS3) -> None:
    refuse_writes(exact, refused(409, "ConditionalRequestConflict"), forever=True)
    with pytest.raises(Overtaken, match=r"busy with another write of .*/k"):
        put(at(exact), 3)


# Mutations: take NoSuchUpload for a failure of this object for good; what is to be replaced for one that appeared.
@pytest.mark.parametrize("meets", ["the completion", "a part"])
@pytest.mark.parametrize("replaces", [False, True])
def test_an_upload_that_somebody_took_away_is_begun_anew(exact: ExactS3, meets: str, replaces: bool) -> None:
    data, gone = os.urandom(9 * MIB), []
    source, target = at(exact, "s3://here"), at(exact, "s3://b/p")
    written = source.put_stream("k", [data], len(data), Attributes(), before=None, mtime=None, scratch="s")
    target.try_out("r-1")
    before = json.dumps({"etag": put(target, 3).etag}) if replaces else None

    def lose(method: str, key: str, headers: dict[str, str]) -> Reply | None:
        completes = "if-none-match" in headers or "if-match" in headers
        if key != "p/k" or gone or not (completes if meets == "the completion" else method == "PUT"):
            return None
        gone.append(key)
        exact.parts.open.clear()
        return refused(404, "NoSuchUpload")

    exact.before = lose
    copier = Copier(source, target, Control("r"))
    copier._passage.server = None
    receipt = copier.copy(Item(1, "k", "k", "create", None, len(data), 5, written.etag, before))
    assert (receipt.status, exact.objects["b/p/k"].body == data, gone) == ("copied", True, ["p/k"])


# Mutations: search for no words (`_LOCKS`); for the word alone, wherever it stands, and a right that lacks is a lock.
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (said(403, "AccessDenied", AWS_LOCK), Protected),
        (said(403, "AccessDenied", "forbidden by object lock"), Protected),  # Ceph
        (said(400, "InvalidRequest", "Object is WORM protected and cannot be overwritten"), Protected),  # MinIO
        (said(409, "ObjectLockedByBucketPolicy", "The object is locked by the bucket policy."), Protected),  # R2
        (said(403, "AccessDenied", "not authorized to perform: s3:PutObjectRetention"), Denied),
        (said(400, "InvalidRequest", "a checksum is required with Object Lock parameters"), StoreError),
        (said(409, "InvalidBucketState", "The bucket's state does not allow it."), StoreError),
        (said(409, "BucketAlreadyOwnedByYou", "You own it."), StoreError),
    ],
)
def test_what_s3_refuses_for_what_it_is(exact: ExactS3, reply: Reply, kind: type[StoreError]) -> None:
    store = at(exact)
    etag = put(store, 3).etag or ""
    refuse_writes(exact, reply, forever=True)
    for forbidden in (lambda: put(store, 3, etag), lambda: put(store, 9 * MIB, etag), lambda: store.remove("k", etag)):
        with pytest.raises(StoreError) as caught:
            forbidden()
        assert type(caught.value) is kind
        assert ("lift what protects it" in str(caught.value)) == (kind is Protected)
    assert len(exact.objects["b/p/k"].body) == 3


# R2 looks at its locks first, so what a killed attempt wrote meets one: it is looked at, and adopted by who can.
# Mutation: explain a lock, or a code that nobody knows, before looking at what stands there.
@pytest.mark.parametrize("code", ["ObjectLockedByBucketPolicy", "Conflict"])
def test_a_lock_that_hides_another_object_is_looked_behind(exact: ExactS3, code: str) -> None:
    store = at(exact)
    put(store, 3)
    refuse_writes(exact, refused(409, code), forever=True)
    for size in (3, LEAN_BYTES + 1):
        with pytest.raises(AlreadyExists):
            put(store, size)


# --- Google ---


def told(status: int, reason: str, words: str) -> tuple[int, dict[str, str], bytes]:
    error = {"code": status, "message": words, "errors": [{"reason": reason, "message": words}]}
    return status, {}, json.dumps({"error": error}).encode()


def google_at(server: ExactGCS) -> Store:
    return open_store(Location.parse("gs://b/p", endpoint=server.endpoint, anonymous=True))


def answering(real: Callable[..., Any], answer: Any, times: int = 1 << 30) -> Callable[..., Any]:
    """What answers so to the writes that it meets, so many times."""
    left = [times]

    def other(method: str, target: str, headers: dict[str, str], body: bytes) -> Any:
        last = "upload_id" in target and method == "PUT" and not body[:1].isspace()
        if not left[0] or not (last or "uploadType=multipart" in target or (method == "DELETE" and "/o/" in target)):
            return real(method, target, headers, body)
        left[0] -= 1
        return answer

    return other


# Mutations: any 403 is a matter of rights; any 412 is another object; any 409 is.
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (told(403, "retentionPolicyNotMet", "Object 'k' is subject to bucket's retention policy."), Protected),
        (told(403, "objectUnderActiveHold", "held"), Protected),
        (told(403, "forbidden", HOLD), Protected),
        (told(403, "forbidden", "me@x does not have storage.objects.delete access."), Denied),
        (told(412, "orgPolicyConstraintFailed", "Request violates constraint."), StoreError),
    ],
)
def test_what_google_refuses_for_what_it_is(
    google: ExactGCS, monkeypatch: pytest.MonkeyPatch, answer: Any, kind: type[StoreError]
) -> None:
    store = google_at(google)
    etag = put(store, 3).etag or ""
    monkeypatch.setattr(google, "_answer", answering(google._answer, answer))
    for forbidden in (lambda: put(store, 3, etag), lambda: put(store, 9 * MIB, etag), lambda: store.remove("k", etag)):
        with pytest.raises(StoreError) as caught:
            forbidden()
        assert type(caught.value) is kind


# Mutation: leave Google's words for it out of `_SLOWER`, and it is a matter of rights.
@pytest.mark.parametrize("answer", [told(409, "conflict", "Conflict."), told(403, "rateLimitExceeded", "Too many.")])
@pytest.mark.parametrize("size", [3, 9 * MIB])
def test_what_passes_at_google_is_tried_again(
    google: ExactGCS, monkeypatch: pytest.MonkeyPatch, answer: Any, size: int
) -> None:
    store, real = google_at(google), google._answer
    monkeypatch.setattr(google, "_answer", answering(real, answer, times=2))
    put(store, size)
    assert len(google.objects["p/k"].body) == size
    monkeypatch.setattr(google, "_answer", answering(real, answer))
    with pytest.raises((Overtaken, Throttled)):
        store.remove("k", store.head("k").etag or "")  # pyright: ignore[reportOptionalMemberAccess]


# Mutation: explain the 404 of a session as any other of a write, and the bucket is gone.
@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_is_gone_is_begun_anew(google: ExactGCS, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    store, data = google_at(google), os.urandom(9 * MIB)
    source = open_store(f"memory://refusals-{status}")
    written = source.put_stream("k", [data], len(data), Attributes(), before=None, mtime=None, scratch="s")
    answer = told(status, "notFound" if status == 404 else "gone", "no such session")
    monkeypatch.setattr(google, "_answer", answering(google._answer, answer, times=1))
    receipt = Copier(source, store, Control("r")).copy(Item(1, "k", "k", "create", None, len(data), 5, written.etag))
    assert (receipt.status, google.objects["p/k"].body == data) == ("copied", True)
