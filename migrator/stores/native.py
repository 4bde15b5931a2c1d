"""The native S3 lane: the requests that need raw keys or conditions, signed and sent by ourselves.

Listings, lookups, copies inside a server and multipart uploads go this way. The path that is sent
is byte for byte the path that was signed: nothing between here and the wire may normalise it.
"""

from __future__ import annotations

import hashlib
import random
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ..errors import MigratorError
from .answers import Refusal, explain, unreachable
from .credentials import Keys, provider
from .locations import Location
from .signing import EMPTY, UNSIGNED, encode_path, encode_query, sign
from .wire import Wire, WireError

CONNECT_S, READ_S, SLOW_S = 5.0, 60.0, 900.0
TRIES, FIRST_WAIT_S, LONGEST_WAIT_S = 5, 0.2, 10.0
_AGAIN = frozenset({429, 500, 502, 503, 504})
_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, its header names in lower case."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def etag(self) -> str | None:
        return unquoted(self.headers.get("etag"))


class Lane:
    """Signed requests to one bucket. Shared by threads."""

    def __init__(self, place: Location) -> None:
        self.place = place
        parts = urlsplit(place.endpoint or "")
        self._scheme, host = parts.scheme, parts.netloc
        if place.addressing == "virtual":
            host, self._base = f"{place.bucket}.{host}", parts.path
        else:
            self._base = f"{parts.path}/{place.bucket}"
        self._host = host
        self._keys: Callable[[], Keys | None] = provider(place.credentials) if place.credentials else lambda: None
        self._wire = Wire(self._scheme, host, CONNECT_S, _CONNECTIONS)
        self._proxy = _proxy_for(self._scheme, host)

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
            If no answer came.
        """
        path = encode_path(f"{self._base}/{key}" if key is not None else self._base or "/")
        line, extra = encode_query(query), headers or {}
        for attempt in range(1, tries + 1):
            wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            try:
                answer = self._once(method, path, line, extra, body, read_s)
            except OSError as error:
                if attempt == tries:
                    raise unreachable(self.place, _why(error)) from None
            else:
                if answer.status not in _AGAIN or attempt == tries:
                    return _checked(answer)
                wait = _retry_after(answer) or wait
            time.sleep(wait)
        raise AssertionError("tries is at least one")

    def ask(self, method: str, key: str | None = None, *args: Any, **options: Any) -> Answer:
        """The same, with a refusal already turned into one of our errors."""
        try:
            return self.send(method, key, *args, **options)
        except Refusal as refusal:
            raise self.explain(refusal, key) from None

    def explain(self, refusal: Refusal, key: str | None = None) -> MigratorError:
        """Our error for a refusal, with ``key`` as it stands in the bucket."""
        below = f"{self.place.prefix}/" if self.place.prefix else ""
        return explain(self.place, refusal, key.removeprefix(below) if key is not None else None)

    def _once(self, method: str, path: str, query: str, extra: Mapping[str, str], body: bytes, read_s: float) -> Answer:
        keys = self._keys()
        headers = {"host": self._host, **extra}
        if keys is not None:
            payload = self._payload(body)
            headers |= sign(
                keys, method, path, query, headers, payload,
                region=self.place.region or "us-east-1", service="s3", now=datetime.now(UTC),
            )  # fmt: skip
        url = f"{path}?{query}" if query else path
        if self._proxy is None:
            return Answer(*self._wire.exchange(method, url, headers, body, read_s))
        return _by_proxy(self._proxy, method, f"{self._scheme}://{self._host}", url, headers, body, read_s)

    def _payload(self, body: bytes) -> str:
        if not body:
            return EMPTY
        return UNSIGNED if self._scheme == "https" else hashlib.sha256(body).hexdigest()


def unquoted(etag: str | None) -> str | None:
    """An etag as it is kept: the server's text without its quotes."""
    return etag.strip('"') if etag else None


def quoted(etag: str) -> str:
    """An etag as a condition wants it."""
    return f'"{etag}"'


def _proxy_for(scheme: str, host: str) -> Any:
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    import urllib3

    return urllib3.ProxyManager(proxy, maxsize=_CONNECTIONS, block=False)


def _by_proxy(
    proxy: Any, method: str, server: str, url: str, headers: Mapping[str, str], body: bytes, read_s: float
) -> Answer:
    import urllib3

    # A proxy in plain text is asked for the whole address; through a tunnel the server is asked for the path.
    target = f"{server}{url}" if server.startswith("http:") else url
    sent = {**headers, "accept-encoding": "identity", "content-length": str(len(body))}
    if not body and method not in ("PUT", "POST"):
        del sent["content-length"]
    try:
        raw = proxy.connection_from_url(server).urlopen(
            method, target, body=body or None, headers=sent, retries=False, redirect=False, assert_same_host=False,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
        )  # fmt: skip
    except urllib3.exceptions.HTTPError as error:
        raise WireError(str(error)) from None
    return Answer(raw.status, {name.lower(): value for name, value in raw.headers.items()}, raw.data)


def _checked(answer: Answer) -> Answer:
    # CopyObject and CompleteMultipartUpload start to answer before they know how it ends.
    failed_late = answer.status == 200 and answer.data[:400].lstrip()[:200].find(b"<Error>") >= 0
    if 200 <= answer.status < 300 and not failed_late:
        return answer
    status = 500 if failed_late else answer.status
    raise Refusal(status, answer.data.decode("utf-8", "replace"), answer.headers.get("x-amz-bucket-region"))


def _retry_after(answer: Answer) -> float | None:
    value = answer.headers.get("retry-after", "")
    return min(float(value), LONGEST_WAIT_S) if value.isdigit() else None


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError) or "refused" in str(error):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, ssl.SSLError):
        return "its certificate is not trusted here, or it speaks no TLS"
    if isinstance(error, TimeoutError):
        return str(error) if "within" in str(error) else "it took too long"
    return str(error) if isinstance(error, WireError) else "the connection failed or was cut"
