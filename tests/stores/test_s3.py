# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false
from __future__ import annotations

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_s3 import FakeS3, Reply, error, page
from hypothesis import example, given
from hypothesis import strategies as st
from servers import OTHER_BUCKET, OTHER_KEY, OTHER_SECRET, REGION

from migrator.errors import AlreadyExists, BadInput, Denied, NotFound, SourceChanged, StoreError, Unreachable
from migrator.stores import Attributes, Location, keys, open_store, retries
from migrator.stores.checksums import Cyclic
from migrator.stores.keys import tidy
from migrator.stores.native import FAR_THREADS, NEAR_THREADS
from migrator.stores.s3 import listing
from migrator.stores.s3 import store as s3_module

FULL = Attributes(
    {
        "content-type": "text/plain; charset=utf-8", "cache-control": "max-age=5", "content-disposition": "inline",
        "content-encoding": "x-own", "content-language": "de",
    },
    {"owner": "me", "empty-ish": "-", "with.dot": "a b"},
)  # fmt: skip


def put(store, key, data=b"data", attributes=FULL, before=None):
    return store.put(key, data, attributes, before=before, mtime=None, scratch="run-1").etag


def everything(store):
    return {info.key: info for page in store.list() for info in page}


def at(fake: FakeS3, prefix: str = ""):
    return open_store(Location.parse(f"s3://b/{prefix}", endpoint=fake.endpoint, anonymous=True))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(retries, "LONGEST_WAIT_S", 0.05)


# --- a real server ---


# Mutation: let `_put_by_bytes` take no mode, and the second write of "put" replaces the first.
@pytest.mark.parametrize("size", [3, s3_module.LEAN_BYTES + 1, 9 << 20], ids=["small", "put", "stream"])
def test_attributes_survive(place, aws, bucket, size):
    store = open_store(place)
    if size < 9 << 20:
        put(store, "k", b"1" * size)
        with pytest.raises(AlreadyExists):
            put(store, "k", b"2" * size)
    else:
        store.put_stream("k", [b"1" * size], size, FULL, before=None, mtime=None, scratch="run-1")
    with store.open("k", None) as body:
        assert body.attributes == FULL
    head = aws.client().head_object(Bucket=bucket, Key=f"{place.prefix}/k")
    assert (head["ContentType"], head["Metadata"]["owner"]) == ("text/plain; charset=utf-8", "me")


# Mutation: leave the place's own prefix out of a part's beginning; have `_usual_at_once` trust any server.
def test_a_bucket_of_several_pages_is_listed_in_parts(place, monkeypatch):
    keys = [f"d{n % 7}/{n:05}" for n in range(2_300)] + ["a", "z"]
    monkeypatch.setenv("MIGRATOR_LIST_AT_ONCE", "16")
    store = open_store(place)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: put(store, key, b"", Attributes()), keys))
    assert sorted(info.key for page in store.list() for info in page) == sorted(keys)
    monkeypatch.delenv("MIGRATOR_LIST_AT_ONCE")
    monkeypatch.setattr(listing, "list_parts", None)  # nobody knows the order of this server
    assert [info.key for page in store.list() for info in page] == sorted(keys)


def test_metadata_named_like_a_header_stays_metadata(place, aws, bucket):
    store = open_store(place)
    etag = put(store, "k", b"x", Attributes({"content-type": "a/b"}, {"content-type": "meta"}))
    head = aws.client().head_object(Bucket=bucket, Key=f"{place.prefix}/k")
    assert (head["ContentType"], head["Metadata"]) == ("a/b", {"content-type": "meta"})
    with pytest.raises(AlreadyExists):
        put(store, "k", b"y", Attributes({}, {"content-type": "meta"}))
    put(store, "k", b"y", Attributes({}, {"content-type": "meta"}), before=etag)


@pytest.mark.parametrize("attributes", [Attributes({"content-type": "a\nb"}), Attributes({"x": ""})])
def test_an_attribute_that_fits_no_header_is_refused(place, attributes):
    store = open_store(place)
    with pytest.raises(StoreError, match="can't be given"):
        put(store, "k", b"x", attributes)
    assert store.head("k") is None


def test_a_panic_is_an_error_of_ours(place, monkeypatch, capfd):
    monkeypatch.setattr(s3_module.attribute_names, "check", lambda *_: None)
    monkeypatch.setattr("migrator.stores.s3.terms.fitting", lambda attributes: (attributes, []))
    with pytest.raises(StoreError, match="defect"):
        put(open_store(place), "k", bytes(s3_module.LEAN_BYTES + 1), Attributes({}, {"b c": "x"}))


def test_a_large_body_is_sent_from_where_it_lies(place, monkeypatch):
    # Mutation: no NATIVE_BYTES in `put`, and the byte lane makes a copy of it.
    monkeypatch.setattr("migrator.stores.s3.byte_store.put", None)
    store, data = open_store(place), os.urandom(s3_module.NATIVE_BYTES)
    put(store, "large", data)
    with pytest.raises(AlreadyExists, match="large"):
        put(store, "large", b"other" + data)
    with store.open("large", None) as body:
        assert (body.read() == data, body.attributes) == (True, FULL)


# Mutation: in `Trials.keeps_checksums` look at nothing told, and hope.
def test_a_real_server_compares_checksums_and_tells_them(place):
    store, data = open_store(place), os.urandom(9 << 20)
    whole = Cyclic("crc64nvme")
    whole.update(data)
    assert (store.hash_of(1 << 20), store.hash_of(len(data))) == ("crc64nvme", "crc64nvme")
    written = store.put_stream("k", [data], len(data), FULL, before=None, mtime=None, scratch="run-1")
    with store.open("k", written.etag, checksum=True) as body:
        assert body.checksum == f"crc64nvme:{written.digest}" == f"crc64nvme:{whole.hexdigest()}"
    assert [one.key for page in store.list() for one in page] == ["k"]


def test_a_broken_stream_leaves_no_upload(place, aws, bucket):
    store = open_store(place)

    def broken():
        yield b"1" * (20 << 20)
        raise ValueError

    with pytest.raises(ValueError):
        store.put_stream("k", broken(), 30 << 20, FULL, before=None, mtime=None, scratch="run-1")
    uploads = aws.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    assert [upload for upload in uploads if upload["Key"].startswith(f"{place.prefix}/")] == []


def test_what_came_to_stand_there_meanwhile_is_not_replaced_by_a_stream(place, aws, bucket):
    store = open_store(place)

    def overtaken():
        yield b"1" * (9 << 20)
        aws.client().put_object(Bucket=bucket, Key=f"{place.prefix}/k", Body=b"theirs")

    with pytest.raises(AlreadyExists):
        store.put_stream("k", overtaken(), 9 << 20, FULL, before=None, mtime=None, scratch="run-1")
    with store.open("k", None) as body:
        assert body.read() == b"theirs"


def test_the_server_copies_with_all_an_object_carries(place, aws, bucket):
    source, target = open_store(place), open_store(f"s3://{bucket}/{place.prefix}-copy")
    etag = put(source, "a b+é%2F", b"data")
    assert target.can_copy_from(source)
    written = target.copy_from(source, "a b+é%2F", "to", etag)
    assert written.etag == etag
    with target.open("to", etag) as body:
        assert (body.read(), body.attributes) == (b"data", FULL)
    with pytest.raises(AlreadyExists):
        target.copy_from(source, "a b+é%2F", "to", etag)
    with pytest.raises(SourceChanged):
        target.copy_from(source, "a b+é%2F", "to2", "dead")
    with pytest.raises(NotFound):
        target.copy_from(source, "none", "to2", etag)
    newer = put(source, "newer", b"newer")
    assert target.copy_from(source, "newer", "to", newer, before=etag).etag == newer
    with pytest.raises(AlreadyExists):
        target.copy_from(source, "newer", "to", newer, before=etag)
    assert target.copy_from(source, "newer", "big", newer, size=6 << 30) is None


def test_a_missing_bucket_is_said(aws):
    store = open_store("s3://nobody-made-this/x")
    # Not a put: SeaweedFS makes a bucket for an administrator who writes to it.
    for ask in (
        store.probe,
        lambda: list(store.list()),
        lambda: store.head("k"),
        lambda: store.open("k", None).__enter__(),
    ):
        with pytest.raises(NotFound, match=f"no bucket 'nobody-made-this' at {aws.endpoint}"):
            ask()


def test_wrong_keys_are_denied_and_never_shown(place, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "HUSH-HUSH")
    store = open_store(place)
    for ask in (store.probe, lambda: list(store.list()), lambda: store.head("k"), lambda: put(store, "k")):
        with pytest.raises(Denied) as caught:
            ask()
        assert "HUSH" not in str(caught.value)
        assert "AWS_SECRET_ACCESS_KEY" in str(caught.value)
    with pytest.raises(Denied), store.open("k", None):
        pass


def test_two_sets_of_keys_on_one_server(place, aws, bucket, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text(
        f"[admin]\naws_access_key_id = {aws.env()['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {aws.env()['AWS_SECRET_ACCESS_KEY']}\n"
        f"[other]\naws_access_key_id = {OTHER_KEY}\naws_secret_access_key = {OTHER_SECRET}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    theirs = f"s3://{OTHER_BUCKET}/{place.prefix}"
    admin, other = (open_store(Location.parse(theirs, profile=name)) for name in ("admin", "other"))
    etag = put(admin, "k", b"data")
    with other.open("k", etag) as body:
        assert body.read() == b"data"
    put(other, "k2", b"more")
    assert set(everything(other)) == {"k", "k2"}
    assert not admin.can_copy_from(other)
    closed = open_store(Location.parse(f"s3://{bucket}/{place.prefix}", profile="other"))
    for ask in (closed.probe, lambda: closed.head("k"), lambda: put(closed, "k")):
        with pytest.raises(Denied, match="profile 'other'"):
            ask()
    monkeypatch.setenv("AWS_PROFILE", "other")
    put(open_store(theirs), "k3")
    with pytest.raises(Denied, match="nobody"):
        open_store(Location.parse(theirs, profile="nobody"))


def test_keys_that_are_gone_are_named(place, monkeypatch):
    resolved = place.resolve()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Denied, match="AWS_SECRET_ACCESS_KEY is not set"):
        open_store(resolved).probe()
    with pytest.raises(Denied):
        put(open_store(resolved), "k")


def test_no_variable_overrides_a_resolved_place(place, monkeypatch):
    resolved = place.resolve()
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("AWS_SKIP_SIGNATURE", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "false")
    monkeypatch.setenv("AWS_BUCKET", "other")
    store = open_store(resolved)
    etag = put(store, "k")
    with store.open("k", etag) as body:
        assert body.read() == b"data"
    with pytest.raises(AlreadyExists):
        put(store, "k")
    assert set(everything(store)) == {"k"}


def test_nobody_listening_is_said_within_seconds():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{held.getsockname()[1]}"
        store = open_store(Location.parse("s3://b", endpoint=endpoint, anonymous=True))
        began = time.monotonic()
        with pytest.raises(Unreachable, match=f"{endpoint} gives no answer .connection refused"):
            store.probe()
        assert time.monotonic() - began < 20
        with pytest.raises(Unreachable, match=endpoint), store.open("k", None):
            pass


# --- answers that a real server gives seldom ---

ODD = ["a//b", "/lead", "tr/", "./x", "a/../b", "..", "c\x01d", "t\tx", "new\nline", "a\x7fb", "x" * 1025]
PLAIN = ["é", "e\u0301", "a+b", "a b", "a%2Fb", "q?x=1&y#z", "<&>\"'", "日本", "x" * 1024, "..x", "a\\b", "\u0085"]


@pytest.mark.parametrize("encoded", [True, False], ids=["encoded", "raw"])
def test_every_listed_key_is_there(encoded):
    keys = PLAIN + ODD if encoded else ["a//b", "tr/", "a+b", "a%2Fb", "a b"]
    with FakeS3(lambda *_: page(keys, encoded=encoded)) as fake:
        found = everything(at(fake))
    assert list(found) == keys
    assert {info.problem for info in found.values()} == {None}
    assert (found["a+b"].size, found["a+b"].etag, found["a+b"].mtime) == (1, "abc", 1767323045678)


def test_the_prefix_is_cut_off_by_its_length():
    with FakeS3(lambda *_: page(["p/", "p/p/k", "p//x"])) as fake:
        found = everything(at(fake, "p"))
    assert list(found) == ["", "p/k", "/x"]
    assert at(fake, "q").refusal("") is None  # a prefix's own marker goes to a prefix
    assert "without a name" in at(fake).refusal("")


def test_a_key_that_is_not_utf8_keeps_its_bytes():
    listing = page(["x"])
    odd = listing._replace(body=listing.body.replace("<Key>x<", "<Key>a%FF%2Bb<"))
    with FakeS3(lambda method, *_: odd if method == "GET" else Reply(200)) as fake:
        (key,) = everything(at(fake))
        at(fake).head(key)
        assert (key, fake.asked[-1]) == ("a\udcff+b", ("HEAD", "/b/a%FF%2Bb"))
        assert "UTF-8" in at(fake).refusal(key)


def test_an_archived_object_is_listed_with_the_way_to_restore_it():
    listing = page(["cold", "thawed", "warm"])
    cold, glacier = "abc&quot;</ETag>", "<StorageClass>DEEP_ARCHIVE</StorageClass>"
    restored = "<RestoreStatus><RestoreExpiryDate>2030-01-01T00:00:00Z</RestoreExpiryDate></RestoreStatus>"
    parts = listing.body.split(cold)
    body = parts[0] + cold + glacier + parts[1] + cold + glacier + restored + parts[2] + cold + parts[3]
    with FakeS3(lambda *_: Reply(200, body)) as fake:
        found = everything(at(fake))
    assert [key for key, info in found.items() if info.problem] == ["cold"]
    assert "restore-object" in found["cold"].problem


def test_obstore_keeps_what_we_let_through():
    """The predicate against the byte lane's own behaviour, in both directions."""
    import obstore
    from obstore.store import MemoryStore

    for key in PLAIN + ODD[:-1]:
        memory = MemoryStore()
        try:
            obstore.put(memory, key, b"x")
            kept = [info["path"] for part in obstore.list(memory) for info in part] == [key]
        except ValueError:
            kept = False
        assert kept == tidy(key), key


# Mutation: let a segment of `keys._PLAIN` begin with a dot, or be empty.
@given(st.lists(st.sampled_from(["a", "x.csv", ".", "..", "", "a\\b", "\x01", "é", " "]), max_size=4).map("/".join))
@example("a//a")
@example("a/./a")
def test_nothing_is_to_be_asked_of_a_plain_key(key):
    assert keys.is_plain("d0001/o=1_2-3.bin")
    assert not keys.is_plain(key) or (keys.refusal("", key) is None and not keys.oddities(key, 1))


def test_pages_follow_their_tokens():
    def reply(method, path, query):
        number = int(query.get("continuation-token", ["0"])[0])
        return page([f"k{number}"] if number != 2 else [], str(number + 1) if number < 4 else None)

    with FakeS3(reply) as fake:
        assert list(everything(at(fake))) == ["k0", "k1", "k3", "k4"]


# Mutation: leave `asked` out of `_list_on`, and it never ends. A server that forgets where it was, and one in a circle.
@pytest.mark.parametrize("following", [{"0": "1", "1": "1"}, {"0": "1", "1": "2", "2": "1"}])
def test_a_listing_that_comes_to_no_end_is_an_error(following):
    def reply(method, path, query):
        number = query.get("continuation-token", ["0"])[0]
        return page([f"k{number}"], following[number])

    with FakeS3(reply) as fake, pytest.raises(StoreError, match="no way to the next page"):
        everything(at(fake))


def test_a_token_that_no_xml_may_hold_is_gone_around():
    def reply(method, path, query):
        return page(["z"]) if query.get("start-after") == ["a b\x01"] else page(["a", "a b\x01"], "a b\x01")

    with FakeS3(reply) as fake:
        assert list(everything(at(fake))) == ["a", "a b\x01", "z"]


@pytest.mark.parametrize(
    "body",
    ["", "<html>hello</html>", "not xml", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"],
)
def test_a_listing_that_makes_no_sense_is_an_error(body):
    with FakeS3(lambda *_: Reply(200, body)) as fake, pytest.raises(StoreError, match=r"S3 server|next page"):
        everything(at(fake))


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error(404, "NoSuchBucket"), NotFound, "no bucket 'b'"),
        (Reply(404), NotFound, "no bucket 'b'"),  # what is no S3 server says so little
        (Reply(507), Unreachable, "no room"),
        (error(404, "NoSuchUpload"), StoreError, "anew"),
        (error(400, "KMS.DisabledException"), Denied, "kms_key"),
        (error(403, "QuotaExceeded"), Unreachable, "no room"),
        (error(403, "AccessDenied"), Denied, "denies"),
        (error(403, "InvalidAccessKeyId"), Denied, "credentials"),
        (error(403, "RequestTimeTooSkewed"), Denied, "clock"),
        (error(301, "PermanentRedirect", headers=(("x-amz-bucket-region", "eu-west-3"),)), BadInput, "eu-west-3"),
        (error(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-3</Region>"), BadInput, "eu-west-3"),
        (error(503, "SlowDown"), Unreachable, "later"),
        (error(200, "InternalError"), Unreachable, "later"),
        (error(400, "Strange", "it is odd"), StoreError, "it is odd"),
    ],
)
def test_a_refusal_is_one_sentence_of_ours(reply, kind, words):
    with FakeS3(lambda *_: reply) as fake:
        store = at(fake)
        with pytest.raises(kind, match=words) as caught:
            store.probe()
    assert "\n" not in str(caught.value)
    assert fake.endpoint in str(caught.value) or kind is BadInput


def test_a_busy_server_is_asked_again():
    answers = [error(503, "SlowDown", headers=(("retry-after", "0"),)), Reply(500), page(["k"])]
    with FakeS3(lambda *_: answers.pop(0)) as fake:
        assert list(everything(at(fake))) == ["k"]
        assert len(fake.asked) == 3


def read(store):
    with store.open("k", None) as body:
        body.read()


# Mutation: measure nothing in Lane._once, or in Lane._begin, and a far place is taken for a near one.
@pytest.mark.parametrize("ask", [lambda store: store.head("k"), read])
def test_as_many_requests_at_once_as_a_place_takes_to_answer(ask):
    def reply(*_):
        time.sleep(wait)
        return Reply(200, "x")

    with FakeS3(reply) as fake:
        store, wait = at(fake), 0.02
        assert store.capabilities.threads == NEAR_THREADS  # nobody knows yet
        ask(store)
        assert store.capabilities.threads == FAR_THREADS
        wait = 0
        end = time.monotonic() + 20  # a busy machine is far, too
        while store.capabilities.threads >= 20:
            assert time.monotonic() < end
            ask(store)


def test_head_tells_missing_from_denied():
    with FakeS3(lambda method, *_: Reply(403) if method == "HEAD" else page([])) as fake, pytest.raises(Denied):
        at(fake).head("k")
    with FakeS3(lambda method, *_: Reply(404) if method == "HEAD" else page([])) as fake:
        assert at(fake).head("k") is None


def test_a_copy_that_fails_late_is_a_failure():
    with FakeS3(lambda *_: error(200, "InternalError")) as fake, pytest.raises(Unreachable):
        at(fake).copy_from(at(fake), "a", "b", "abc")
    with FakeS3(lambda *_: error(501, "NotImplemented")) as fake:
        assert at(fake).copy_from(at(fake), "a", "b", "abc") is None


def test_a_server_that_ignores_the_pin_is_caught():
    head = (("etag", '"other"'), ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT"))
    with FakeS3(lambda *_: Reply(200, "data", head)) as fake, pytest.raises(SourceChanged), at(fake).open("k", "abc"):
        pass


@pytest.mark.parametrize("key", ["a//b", "../x", "a%2Fb", "e\u0301", "é", "a+b c", "q?x#y", "tr/", "./."])
def test_what_is_sent_is_what_was_signed(key):
    from urllib.parse import unquote

    from migrator.stores.native import Lane
    from migrator.stores.signing import encode_path

    with FakeS3(lambda *_: Reply(200)) as fake:
        place = Location.parse("s3://b", endpoint=fake.endpoint, anonymous=True).resolve()
        Lane(place).ask("PUT", key, body=b"x")
        assert fake.asked == [("PUT", encode_path(f"/b/{key}"))]
        assert unquote(fake.asked[0][1]) == f"/b/{key}"


def test_virtual_addressing_puts_the_bucket_in_the_host(monkeypatch):
    seen = []

    def reply(method, path, query):
        seen.append(path)
        return page(["k"])

    with FakeS3(reply) as fake:
        port = fake.endpoint.rpartition(":")[2]
        place = Location.parse("s3://b", endpoint=f"http://localhost:{port}", addressing="virtual", anonymous=True)
        monkeypatch.setattr(
            socket, "getaddrinfo",
            lambda host, port, *a, **k: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))],
        )  # fmt: skip
        assert list(everything(open_store(place))) == ["k"]
    assert seen == ["/"]


def test_the_right_number_of_parts():
    from migrator.stores.s3.parts import part_bytes, recut

    assert part_bytes(80 << 30) == 16 << 20
    assert part_bytes(10_000 * (8 << 20)) == 8 << 20
    assert [len(piece) for piece in recut([b"ab", b"", b"cdefg", b"h"], 3)] == [3, 3, 2]
    assert b"".join(recut([os.urandom(7) for _ in range(5)], 7))
    assert REGION


def test_a_stream_is_refused_before_its_bytes_are_read(place):
    store = open_store(place)
    put(store, "k")

    def unread():
        pytest.fail("the source was read for nothing")
        yield b""

    with pytest.raises(AlreadyExists):
        store.put_stream("k", unread(), 9 << 20, FULL, before=None, mtime=None, scratch="run-1")
