"""The native S3 lane: the requests that we sign and send ourselves, all but the plain PUT of some size.

They need raw keys or conditions, or cost less so: a small GET half of what it costs by obstore, a small PUT two thirds.
The path that is sent is byte for byte the path that was signed: nothing on the way may normalise it.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import socket
import ssl
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from ..errors import CredentialsRefused, MigratorError, Unreachable
from .answers import CHECK, Met, Refusal, explain, met_at_s3, unreachable
from .credentials import Keyring, provider
from .locations import Location
from .presets import ANY, known
from .proxies import proxy_for
from .retries import TRIES, Retries, asked_for
from .signing import EMPTY, UNSIGNED, encode_path, encode_query, sign
from .trust import is_own
from .wire import Answer, Incoming, Sent, Wire, WireError

# A read or a piece of a write that takes longer is given up: the link may be dead without having said so.
CONNECT_S, READ_S, SLOW_S, PROBE_S = 5.0, 30.0, 900.0, 10.0
_CONNECTIONS = 64
# One interpreter is busy so long with an object; meanwhile others may wait for their answers.
TURN_S = 0.0002
NEAR_THREADS, FAR_THREADS = min(8, 2 * (os.cpu_count() or 1)), 64
A = TypeVar("A", "Answer", "Incoming | Answer")
T = TypeVar("T")


class Lane:
    """Signed requests to one bucket. Shared by threads. ``provide``: how its credentials are got."""

    provide = staticmethod(provider)

    def __init__(self, place: Location) -> None:
        self.place = place
        parts = urlsplit(place.endpoint or "")
        self._scheme, host = parts.scheme, parts.netloc
        if place.addressing == "virtual":
            host, self._base = f"{place.bucket}.{host}", parts.path
        else:
            self._base = f"{parts.path}/{place.bucket}"
        self._host = host
        self._always = {"x-amz-request-payer": "requester"} if place.requester_pays else {}
        # The byte lane reads no file of ours, and refuses a certificate that vouches for itself.
        self.own_trust = self._scheme == "https" and (is_own() or known(place.endpoint or "") is ANY)
        self.aws = (parts.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
        self.keyring = Keyring(place.credentials, self.provide)
        me = weakref.proxy(self)  # no circle: with the last store that sends by it its connections are closed
        self.retries = Retries(place.url, lambda: me._probe(), self.keyring.renew)
        self._proxy = proxy_for(self._scheme, host, CONNECT_S, _CONNECTIONS)
        self.round_trip = math.inf  # seconds, of the request that was answered soonest
        self._wire = self._proxy or Wire(self._scheme, host, CONNECT_S, _CONNECTIONS)

    def send(
        self,
        method: str,
        key: str | None = None,
        query: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        tries: int = TRIES,
        read_s: float = READ_S,
    ) -> Answer:
        """Send a request until it is answered or hope is lost.

        Raises
        ------
        Refusal
            For an answer that is no success, including one that says so with status 200.
        Unreachable
            If no answer came, or one that is worth another try; ``Throttled`` where fewer requests are wanted.
        CredentialsRefused
            If the credentials are not accepted.
        """
        path, line, extra = self._path(key), encode_query(query) if query else "", headers or {}
        return _checked(self._persist(lambda: self._once(method, path, line, extra, body, read_s), key, tries))

    @property
    def near(self) -> bool:
        """Whether answers come so soon that several requests of one thread may as well be under way at once.

        Not by a proxy, and not before something was answered; where answers take long more threads do as much.
        """
        return self.round_trip < math.inf and self.threads <= NEAR_THREADS and isinstance(self._wire, Wire)

    def ahead(self, method: str, key: str, headers: Mapping[str, str], body: bytes = b"") -> Sent | None:
        """Send a small request whose answer is heard later, by `open` or `heard`.

        None where it is not sent: by who is not `near`, while the store asks to wait, or when it fails, which `send`
        says better.
        """
        if self.retries.waiting or not self.near or not isinstance(self._wire, Wire):
            return None
        path = self._path(key)
        try:
            return self._wire.ask(method, path, self._signed(method, path, "", headers, body), body, READ_S)
        except (OSError, MigratorError):
            return None

    def heard(self, sent: Sent, key: str) -> Answer:
        """The answer to what was sent ahead. It is not sent again: what may pass is only noted.

        Raises as `send` does.
        """
        try:
            return _checked(self._heard(lambda: _settled(sent.whole()), key))
        except (Unreachable, CredentialsRefused) as error:
            self.retries.note(error)
            raise

    def open(self, key: str, headers: Mapping[str, str], tries: int = TRIES, *, asked: Sent | None = None) -> Incoming:
        """GET an object, whose body is then read from what is returned; the first time by what was `asked` ahead.

        Raises as `send` does.
        """
        path, early = self._path(key), [asked] if asked else []
        try:
            answer = self._persist(lambda: early.pop().opened() if early else self._begin(path, headers), key, tries)
        finally:
            for sent in early:  # the run was to stop before it was heard
                sent.close()
        if isinstance(answer, Incoming):
            return answer
        raise Refusal(_checked(answer).status, "")  # a success of no use, if it is one

    def ask(self, method: str, key: str | None = None, *args: Any, **options: Any) -> Answer:
        """The same, with a refusal already turned into one of our errors."""
        try:
            return self.send(method, key, *args, **options)
        except Refusal as refusal:
            raise self.explain(refusal, key) from None

    def explain(self, refusal: Refusal, key: str | None = None) -> MigratorError:
        """Our error for a refusal, with ``key`` as it stands in the bucket."""
        below = f"{self.place.prefix}/" if self.place.prefix else ""
        return explain(self.place, refusal, key.removeprefix(below) if key is not None else None, self.met(refusal))

    def met(self, refusal: Refusal) -> Met | None:
        """What stood in a request's way, by the service's own codes; None where it is nothing that it tells."""
        return met_at_s3(refusal)

    @property
    def threads(self) -> int:
        """How many requests at once one process is worth, by how long this place takes to answer."""
        if self.round_trip == math.inf:
            return NEAR_THREADS
        return max(NEAR_THREADS, min(FAR_THREADS, int(self.round_trip / TURN_S)))

    def _persist(self, once: Callable[[], A], key: str | None, tries: int) -> A:
        return self.retries.persist(lambda: self._heard(once, key), tries)

    def _heard(self, once: Callable[[], A], key: str | None) -> A:
        try:
            answer = once()
        except OSError as error:
            raise unreachable(self.place, *_why(error), silent=isinstance(error, TimeoutError)) from None
        if answer.status >= 400 and isinstance(answer, Answer):
            self._raise_what_may_pass(answer, key)
        return answer

    def _raise_what_may_pass(self, answer: Answer, key: str | None) -> None:
        """Raise for an answer that another try, or other credentials, may change."""
        error = self.explain(_refusal(answer), key)
        if isinstance(error, Unreachable | CredentialsRefused):
            raise error
        if answer.status in (400, 403) and not answer.data and self.keyring.now()[0]:
            self._probe()  # a HEAD is refused without a word of why; this raises if it is the credentials

    def _probe(self) -> None:
        """Ask for next to nothing, once. Raises what comes of it, in errors of ours."""
        below = f"{self.place.prefix}/" if self.place.prefix else ""
        query = [("list-type", "2"), ("max-keys", "1"), ("prefix", below)]
        with contextlib.suppress(Refusal):
            self.send("GET", None, query, tries=1, read_s=PROBE_S)

    def _once(self, method: str, path: str, query: str, extra: Mapping[str, str], body: bytes, read_s: float) -> Answer:
        headers = self._signed(method, path, query, extra, body)
        began = time.monotonic()
        answer = self._wire.exchange(method, f"{path}?{query}" if query else path, headers, body, read_s)
        self.round_trip = min(self.round_trip, time.monotonic() - began)
        return _settled(answer)

    def _begin(self, path: str, extra: Mapping[str, str]) -> Incoming | Answer:
        headers, began = self._signed("GET", path, "", extra, b""), time.monotonic()
        answer = self._wire.open(path, headers, READ_S)
        self.round_trip = min(self.round_trip, time.monotonic() - began)
        return answer

    def _path(self, key: str | None) -> str:
        return encode_path(f"{self._base}/{key}" if key is not None else self._base or "/")

    def _signed(self, method: str, path: str, query: str, extra: Mapping[str, str], body: bytes) -> dict[str, str]:
        headers = {"host": self._host, **self._always, **extra}
        keys, now = self.keyring.now()
        if keys is None:
            return headers
        return headers | sign(
            keys, method, path, query, headers, self._payload(body),
            region=self.place.region or "us-east-1", service="s3", now=now,
        )  # fmt: skip

    def _payload(self, body: bytes) -> str:
        # In plain text AWS wants the body signed. Others don't, as rclone relies on too, and it takes as long as the
        # sending does; what arrived is compared by its ETag anyway.
        if not body:
            return EMPTY
        return UNSIGNED if self._scheme == "https" or not self.aws else hashlib.sha256(body).hexdigest()


class Pending(Generic[T]):
    """A small write that was sent ahead: what its answer means, once it is heard."""

    __slots__ = ("_key", "_lane", "_meaning", "_sent")

    def __init__(self, lane: Lane, key: str, sent: Sent, meaning: Callable[[Answer], T]) -> None:
        self._lane, self._key, self._sent, self._meaning = lane, key, sent, meaning

    def hear(self) -> T:
        """Raises StoreError where it was refused or not answered, once: nothing is tried again."""
        try:
            return self._meaning(self._lane.heard(self._sent, self._key))
        except Refusal as refusal:
            raise self._lane.explain(refusal, self._key) from None

    def close(self) -> None:
        """Do without the answer: whether it was written is not known then."""
        self._sent.close()


def quoted(etag: str) -> str:
    """An etag as a condition wants it."""
    return f'"{etag}"'


def _settled(answer: Answer) -> Answer:
    """A success that says in its body that it is none, as the failure that it is."""
    # CopyObject and CompleteMultipartUpload start to answer before they know how it ends.
    start = answer.data[:400].lstrip()[:200] if answer.status == 200 else b""
    failed = start[:1] == b"<" and b"<Error>" in start  # a listing in JSON may begin with such a key
    return answer._replace(status=500) if failed else answer


def _checked(answer: Answer) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    raise _refusal(answer)


def _refusal(answer: Answer) -> Refusal:
    after = asked_for(answer.headers.get("retry-after", ""))
    text = answer.data.decode("utf-8", "replace")
    return Refusal(answer.status, text, answer.headers.get("x-amz-bucket-region"), after)


def _why(error: OSError) -> tuple[str, str]:
    """Why there was no answer, and what to do."""
    if isinstance(error, WireError):
        return str(error), CHECK
    if isinstance(error, ConnectionRefusedError):
        return "connection refused", CHECK
    if isinstance(error, socket.gaierror):
        return "its name is not known", CHECK
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"its certificate is not trusted here: {error.verify_message}"
        return why, "name a file with its authority's certificate by AWS_CA_BUNDLE, or check the address"
    if isinstance(error, ssl.SSLError):
        return "it speaks no TLS", "write http:// if it is meant to be in the clear, or check the address"
    if isinstance(error, TimeoutError):
        return (str(error) if "within" in str(error) or "proxy" in str(error) else "it took too long"), CHECK
    return "the connection failed or was cut", CHECK
