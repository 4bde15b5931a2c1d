"""Objects as they are read, from a server that hangs up in the middle, and through a proxy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fake_s3 import FakeS3, Reply, error
from test_wire import answering

from migrator.errors import Denied, NotFound, SourceChanged, StoreError, Unreachable
from migrator.stores import Attributes, Location, open_store, retries
from migrator.stores.wire import Incoming, Wire

DATA = bytes(range(256)) * 1000
ETAG = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)


@contextmanager
def serving(answer: Callable[[int, str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives each connection one answer, by its number and the request's head, and hangs up."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(65536).decode())
                    connection.sendall(answer(len(asked), asked[-1]))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def said(status: int, length: int, data: bytes, etag: str = ETAG, more: str = "") -> bytes:
    return f'HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nETag: "{etag}"\r\n{more}\r\n'.encode() + data


def range_from(start: int) -> str:
    return f"Content-Range: bytes {start}-{len(DATA) - 1}/{len(DATA)}\r\n"


def opened(endpoint: str, pinned: str | None = ETAG):
    return open_store(Location.parse("s3://b", endpoint=endpoint, anonymous=True)).open("k", pinned)


def start_of(head: str) -> int:
    line = next((line for line in head.split("\r\n") if line.startswith("range: bytes=")), "=0-")
    return int(line.partition("=")[2].rstrip("-"))


# Mutation: leave the range out, or the condition, and other bytes come.
@pytest.mark.parametrize("size", [len(DATA), 1000, 70_000])
def test_a_cut_body_goes_on_where_it_was_cut(size):
    def answer(number: int, head: str) -> bytes:
        start = start_of(head)
        return said(206 if start else 200, len(DATA) - start, DATA[start : start + 100_000], more=range_from(start))

    with serving(answer) as (endpoint, asked), opened(endpoint) as body:
        if size == len(DATA):
            with pytest.raises(Unreachable):  # each time less than was asked for
                body.read()
        else:
            assert b"".join(body.chunks(size)) == DATA
            assert len(asked) > 2
        assert all(f'if-match: "{ETAG}"' in head for head in asked)


@pytest.mark.parametrize(
    "second",
    [
        said(200, len(DATA), DATA),
        said(206, len(DATA) - 1000, DATA[1000:], etag="other", more=range_from(1000)),
        said(206, 5, b"12345", more=range_from(1000)),
        said(206, len(DATA) - 1000, DATA[:-1000], more=range_from(0)),
        said(412, 0, b""),
    ],
    ids=["no-range", "other-version", "other-length", "other-range", "refused"],
)
def test_what_goes_on_is_the_same_object_or_none(second):
    first = said(200, len(DATA), DATA[:1500])
    answers = [first, second]
    with serving(lambda *_: answers.pop(0)) as (endpoint, _), pytest.raises(SourceChanged), opened(endpoint) as body:
        list(body.chunks(1000))


def test_an_object_of_no_version_does_not_go_on():
    answer = b"HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\n12345"
    with serving(lambda *_: answer) as (endpoint, asked):
        with pytest.raises(Unreachable, match="cut"), opened(endpoint, None) as body:
            body.read()
        assert len(asked) == 1


def test_attributes_are_read_from_the_headers():
    more = "Content-Type: text/plain\r\nx-amz-meta-Content-Type: ours\r\nX-Amz-Meta-Name: é\u00a0\r\nServer: x\r\n"
    with serving(lambda *_: said(200, 1, b"x", more=more)) as (endpoint, _), opened(endpoint) as body:
        assert body.attributes == Attributes(
            {"content-type": "text/plain"}, {"content-type": "ours", "name": "é\u00a0"}
        )


# Mutation: take any success for all of it.
def test_a_part_that_nobody_asked_for_is_not_the_object():
    part = said(206, 5, b"12345", more="Content-Range: bytes 0-4/10\r\n")
    with serving(lambda *_: part) as (endpoint, _), pytest.raises(SourceChanged), opened(endpoint):
        pass


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(error(404, "NoSuchKey"), NotFound), (error(403, "AccessDenied"), Denied), (error(412, "x"), SourceChanged)],
)
def test_a_refusal_is_ours(reply, kind):
    with FakeS3(lambda *_: reply) as fake, pytest.raises(kind), opened(fake.endpoint):
        pass


def test_a_busy_server_is_asked_again():
    answers = [Reply(503), Reply(200, "data", (("etag", ETAG),))]
    with FakeS3(lambda *_: answers.pop(0)) as fake, opened(fake.endpoint) as body:
        assert body.read() == b"data"


def test_through_a_proxy(monkeypatch):
    text = "0123456789" * 20_000
    with FakeS3(lambda *_: Reply(200, text, (("etag", ETAG),))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.endpoint)
        place = Location.parse("s3://b", endpoint="http://far.example", allow_http=True, anonymous=True)
        with open_store(place).open("k", ETAG) as body:
            chunks = list(body.chunks(70_000))
        assert [len(chunk) for chunk in chunks] == [70_000, 70_000, 60_000]
        assert b"".join(chunks).decode() == text
        assert proxy.asked == [("GET", "http://far.example/b/k")]


def chunked(data: bytes, *, end: bytes = b"0\r\nTrailer: t\r\n\r\n", etag: str = ETAG) -> bytes:
    pieces = b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in (data[:7], data[7:]) if part)
    return f'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nETag: "{etag}"\r\n\r\n'.encode() + pieces + end


# What stands between may take the length out, as a proxy does and Google's servers may.
# Mutation: let a body without a length count as read when what was told has come (`_look_for_the_end`), and the
# third and fourth are no trouble; read it raw (`Answers.reader`), and the first is other bytes.
@pytest.mark.parametrize(
    ("answer", "length", "good"),
    [
        (chunked(DATA), len(DATA), True),
        (f'HTTP/1.0 200 X\r\nETag: "{ETAG}"\r\n\r\n'.encode() + DATA, len(DATA), True),
        (chunked(DATA + b"more"), len(DATA), False),
        (chunked(b"more"), 0, False),
        (chunked(DATA[:-1]), len(DATA), False),
        (chunked(DATA, end=b""), len(DATA), False),
        (f'HTTP/1.0 200 X\r\nETag: "{ETAG}"\r\n\r\n'.encode() + DATA[:-1], len(DATA), False),
        (chunked(b""), 0, True),
        (chunked(DATA), None, False),
    ],
)
def test_a_body_of_no_length_is_read_to_its_end_and_no_further(answer, length, good):
    told = said(200, length, b"") if length is not None else b"HTTP/1.0 200 X\r\n\r\n"
    with serving(lambda _, head: told if head.startswith("HEAD") else answer) as (endpoint, asked):
        if good:
            with opened(endpoint) as body:
                assert b"".join(body.chunks(100_000)) == DATA[:length]
            assert [head.split()[0] for head in asked] == ["GET", "HEAD"]
        else:
            with pytest.raises(StoreError), opened(endpoint) as body:
                body.read()


# Mutation: begin with `_whole = True` in `Incoming`, and the last leaves an end behind that the next answer would
# begin with.
@pytest.mark.parametrize(("data", "reads", "kept"), [(b"nine more", (9,), 1), (b"", (1,), 1), (b"", (), 0)])
def test_a_connection_is_used_again_after_a_body_in_chunks_and_not_before_its_end(data, reads, kept):
    whole = b"HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\nx"
    with answering(chunked(data), whole) as netloc:
        wire = Wire("http", netloc, 2, 4)
        body = wire.open("/", {"host": netloc}, 5)
        assert isinstance(body, Incoming)
        body.expect(len(data))
        assert [body.read(size) for size in reads] == [data] * len(reads)
        body.close()
        assert len(wire._idle) == kept
        if kept:
            assert wire.exchange("GET", "/", {"host": netloc}, b"", 5).data == b"x"
