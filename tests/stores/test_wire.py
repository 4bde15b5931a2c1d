"""The HTTP that we speak ourselves, against answers of every shape and a proxy."""

from __future__ import annotations

import base64
import gc
import ipaddress
import math
import os
import socket
import ssl
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from exact_s3 import ExactS3
from fake_s3 import FakeS3, Reply, page

from migrator.errors import ConfigError, SourceChanged, StoreError, Throttled, Unreachable
from migrator.stores import Attributes, Location, open_store, retries
from migrator.stores import native as native_module
from migrator.stores.locations import Credentials
from migrator.stores.weather import Weather, under
from migrator.stores.wire import Wire, WireError


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that gives each connection all of these answers, one a request, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    for answer in answers:
                        if not connection.recv(65536):
                            break
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def ask(netloc: str, method: str = "GET", read_s: float = 5):
    return Wire("http", netloc, 2, 4).exchange(method, "/", {"host": netloc}, b"", read_s)


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: t\r\n\r\n",
            b"abc",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", b"x"),
    ],
)
def test_bodies_of_every_shape(answer, data):
    with answering(answer) as netloc:
        assert ask(netloc).data == data


def test_a_head_has_no_body():
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n") as netloc:
        assert ask(netloc, "HEAD").headers["content-length"] == "30"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
)
def test_half_an_answer_is_none(answer):
    with answering(answer) as netloc, pytest.raises(OSError):
        ask(netloc)


# Mutation: leave `settimeout` out of `_Connection.send`, and each takes as long as a connection may.
@pytest.mark.parametrize("size", [0, 64 << 20])
def test_a_server_that_neither_reads_nor_answers_is_given_up(size):
    with socket.create_server(("127.0.0.1", 0)) as server:
        netloc, began = f"127.0.0.1:{server.getsockname()[1]}", time.monotonic()
        with pytest.raises(TimeoutError):
            Wire("http", netloc, 20, 4).exchange("PUT", "/", {"host": netloc}, bytes(size), 0.2)
    assert time.monotonic() - began < 15


def test_a_connection_is_kept_and_a_dropped_one_is_not_used():
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    with answering(whole, whole) as netloc:
        wire = Wire("http", netloc, 2, 4)
        for turn in range(6):
            assert wire.exchange("GET", "/", {"host": netloc}, b"", 5).data == b"x"
            end = time.monotonic() + 20  # one that hears of the drop after it has looked is the retry's business
            while turn % 2 and not wire._idle[0].dropped():
                assert time.monotonic() < end
                time.sleep(0.001)


# As one that was told it twice by a proxy. Mutation: leave `said_more` out, and each gets the answer before its own.
def test_a_connection_on_which_more_came_than_an_answer_is_not_used_again():
    twice = [2 * (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % turn) for turn in range(3)]
    with answering(*twice) as netloc:
        wire = Wire("http", netloc, 2, 4)
        assert [wire.exchange("GET", "/", {"host": netloc}, b"", 5).data for _ in range(3)] == [b"0"] * 3
        assert wire._idle == []


# Mutation: close the idle ones in a `__del__` of Wire, and the socket, which is the older one here, warns before it.
def test_what_is_collected_as_part_of_a_circle_closes_its_connections_without_a_warning():
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc") as netloc:
        opened = Wire("http", netloc, 2, 4)
        opened.exchange("GET", "/", {"host": netloc}, b"", 5)
        [connection] = opened._idle
        closed = weakref.ref(connection._socket)
        wire = Wire("http", netloc, 2, 4)
        wire._idle.append(opened._idle.pop())
        wire.__dict__["circle"] = wire
        del wire, connection
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            gc.collect()
    assert closed() is None
    assert [one for one in said if netloc.partition(":")[2] in str(one.message)] == []


def test_no_line_break_gets_into_a_request():
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as netloc, pytest.raises(WireError):
        Wire("http", netloc, 2, 4).exchange("GET", "/", {"host": netloc, "x": "a\r\nb: c"}, b"", 5)


def test_a_cut_listing_is_no_short_listing(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n<ListBucketResult></ListBucketResult>") as netloc:
        store = open_store(Location.parse("s3://b", endpoint=f"http://{netloc}", anonymous=True))
        with pytest.raises(Unreachable, match="cut"):
            list(store.list())


def test_an_answer_with_entities_is_not_read():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><ListBucketResult>&a;</ListBucketResult>'
    with FakeS3(lambda *_: Reply(200, bomb)) as fake, pytest.raises(StoreError, match="S3 server"):
        list(open_store(Location.parse("s3://b", endpoint=fake.endpoint, anonymous=True)).list())


def test_a_proxy_is_asked_for_the_address_as_it_was_signed(monkeypatch):
    with FakeS3(lambda *_: page(["k"])) as proxy:
        monkeypatch.setenv("http_proxy", proxy.endpoint)
        place = Location.parse("s3://b/a%2Fb", endpoint="http://far.example", allow_http=True, anonymous=True).resolve()
        native_module.Lane(place).ask("PUT", "a//b%2F..", body=b"x")
        assert proxy.asked == [("PUT", "http://far.example/b/a//b%252F..")]
        monkeypatch.setenv("no_proxy", "far.example")
        assert native_module.Lane(place)._proxy is None


# Mutation: leave out `proxy_headers`, and the first is asked who it is; give urllib3 the proxy as it is, and the
# third ends in a traceback.
@pytest.mark.parametrize(
    ("proxy", "kind", "said"),
    [
        ("http://us%40er:pass%3Aword@{}", None, ""),
        ("http://{}", Unreachable, r"through the proxy http://127\.0\.0\.1:\d+, which wants a user and a password"),
        ("{}", Unreachable, "which wants a user and a password"),
        ("socks5://user:word@{}", ConfigError, r"socks5://, and only http:// and https://"),
        ("http://user:word@127.0.0.1:1", Unreachable, r"through the proxy http://127\.0\.0\.1:1: connection refused"),
    ],
)
def test_what_is_wrong_with_a_proxy_is_said_without_its_password(proxy, kind, said, monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    who = "Basic " + base64.b64encode(b"us@er:pass:word").decode()
    with FakeS3(lambda *_: page(["k"])) as fake:
        fake.wants = ("proxy-authorization", who, 407)
        monkeypatch.setenv("http_proxy", proxy.format(fake.endpoint.removeprefix("http://")))
        place = Location.parse("s3://b", endpoint="http://far.example", allow_http=True, anonymous=True)
        if kind is None:
            assert [info.key for info in next(open_store(place).list())] == ["k"]
            return
        with pytest.raises(kind, match=said) as caught:
            next(open_store(place).list())
        assert "word@" not in str(caught.value)


@pytest.fixture(scope="module")
def vouching_for_itself(tmp_path_factory):
    """A certificate of this machine, and its key, that nobody else vouches for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now, here = datetime.now(UTC), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([here]), False)
        .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path_factory.mktemp("tls") / "here.pem"
    how = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*how))
    return file


# Mutation: leave `own_trust` out of `Terms.by_hand`, and the middle one gets no answer; leave the bundles out of
# `trust.context`, and none does.
def test_a_server_that_vouches_for_itself_is_trusted_where_its_certificate_is_named(vouching_for_itself, monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    with ExactS3() as exact:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(vouching_for_itself)
        exact._server.socket = context.wrap_socket(exact._server.socket, server_side=True)
        place = Location.parse("s3://b", endpoint=exact.endpoint.replace("http:", "https:"), anonymous=True)
        with pytest.raises(Unreachable, match=r"not trusted here: .*AWS_CA_BUNDLE"):
            open_store(place).probe()
        monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere.pem")
        with pytest.raises(ConfigError, match=r"AWS_CA_BUNDLE names '/nowhere\.pem'"):
            open_store(place)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(vouching_for_itself))
        store = open_store(place)
        for size in (10, 300_000, 2_000_000):
            store.put(f"k{size}", bytes(size), Attributes(), before=None, mtime=None, scratch="x")
            assert len(exact.objects[f"b/k{size}"].body) == size


# Mutations: `Wire` takes `trust.context()`; leave the name, or the time of its file, out of `trust._known`.
def test_whom_to_trust_is_read_once_until_it_is_said_anew(vouching_for_itself, monkeypatch, tmp_path) -> None:
    def known() -> object:
        return Wire("https", "127.0.0.1:9", 2, 4)._context

    made = [known()]
    assert made[0] is known()
    for name, at in (("one", 1), ("one", 2), ("other", 2)):
        (tmp_path / name).write_bytes(vouching_for_itself.read_bytes())
        os.utime(tmp_path / name, ns=(at, at))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / name))
        made.append(known())
    assert len({*map(id, made)}) == 4


# Mutation: leave `_keep_alive` out: a copy by the server on a link that died without a word waits a quarter of an hour.
def test_the_system_looks_whether_the_other_side_is_there() -> None:
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as netloc:
        connection = Wire("http", netloc, 2, 4)._take()
        assert connection._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        connection.close()


class Stopping(Weather):
    def rest(self, seconds: float) -> None:
        raise InterruptedError


# Mutation: leave `_drop` out of `S3Body.__enter__`.
def test_what_was_sent_for_is_let_go_where_the_run_stops_before_it_is_heard() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as netloc, under(Stopping()):
        place = Location.parse("s3://b", endpoint=f"http://{netloc}", credentials=Credentials(source="anonymous"))
        store = open_store(place)
        store._lane.round_trip = 0.0001
        body = store.open("k", "e")
        body.ask()
        connection = body._early.connection
        store._lane.retries.note(Throttled("busy", "503", 30.0))
        with pytest.raises(InterruptedError):
            body.__enter__()
        assert connection._socket.fileno() == -1


# Mutations: leave either end of the range out of Lane.near.
@pytest.mark.parametrize(("round_trip", "near"), [(math.inf, False), (0.0001, True), (0.02, False)])
def test_requests_are_sent_ahead_where_answers_come_soon(round_trip: float, near: bool) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as netloc:
        place = Location.parse("s3://b", endpoint=f"http://{netloc}", credentials=Credentials(source="anonymous"))
        lane = open_store(place)._lane
        lane.round_trip = round_trip
        sent = lane.ahead("GET", "k", {})
        assert (lane.near, sent is not None) == (near, near)
        if sent:
            sent.close()


# Mutations: leave the first one's `pop` out of Lane.open, and a refused answer is heard again; leave `close` out of
# S3Body._drop.
def test_what_was_sent_for_ahead_is_heard_once_and_asked_again_where_it_failed(monkeypatch) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    whole = b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: "e"\r\n\r\nx'
    busy = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"
    other = b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"

    def sent_for(netloc: str):
        place = Location.parse("s3://b", endpoint=f"http://{netloc}", credentials=Credentials(source="anonymous"))
        store = open_store(place)
        store._lane.round_trip = 0.0001  # as if it had answered before
        body = store.open("k", "e")
        body.ask()
        assert body._early is not None
        return body

    for answers in ([whole], [busy, whole]):
        with answering(*answers) as netloc, sent_for(netloc) as body:
            assert body.read() == b"x"
    with answering(other) as netloc, pytest.raises(SourceChanged), sent_for(netloc):
        pass
    with answering(whole) as netloc:
        body = sent_for(netloc)
        connection = body._early.connection
        body.__exit__()  # nobody wants it any more
        assert connection._socket.fileno() == -1
