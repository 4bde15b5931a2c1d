"""AWS Signature Version 4, for the requests that we send ourselves."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from .credentials import Keys

UNSIGNED = "UNSIGNED-PAYLOAD"
_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*")
# Headers that are other ones with each object. The rest is the same for all requests of a second, as a rule.
_OF_ONE = frozenset({
    "if-match", "range", "x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-copy-source-range",
    "x-amz-checksum-crc64nvme", "x-amz-checksum-sha256",
})  # fmt: skip
_GAP = "\0"  # which no header has
EMPTY = hashlib.sha256(b"").hexdigest()


def encode_path(path: str) -> str:
    """A path as it is signed and sent: every byte but the unreserved ones and ``/`` in percent form."""
    return path if _PLAIN.fullmatch(path) else quote(path, safe="/~", errors="surrogateescape")


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """A query as it is signed and sent: sorted by encoded name, then by encoded value."""
    encoded = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def sign(
    keys: Keys,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    payload: str,
    *,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """The headers to add to a request.

    Parameters
    ----------
    path, query
        Already encoded, exactly as they will be sent.
    headers
        Lower-case names; all of them are signed, and ``host`` must be among them.
    payload
        The SHA-256 of the body in hexadecimal, or ``UNSIGNED-PAYLOAD``.
    """
    own = _OF_ONE.intersection(headers)
    alike = {**headers, **dict.fromkeys(own, _GAP)} if own else headers
    frame = _frame(keys, tuple(alike.items()), payload, region, service, now)
    values = tuple([" ".join(headers[name].split()) for name in sorted(own)]) if own else ()
    request = f"{method}\n{path}\n{query}\n{frame.canonical % values}"
    text = frame.text + hashlib.sha256(request.encode()).hexdigest()
    return {**frame.added, "authorization": frame.authorization + frame.hmac(text.encode())}


class _Frame(NamedTuple):
    """What is the same for all requests of a second that differ in their paths and the headers of `_OF_ONE` only.

    ``canonical`` has a ``%s`` where each of those goes, in the order of their names.
    """

    added: Mapping[str, str]
    canonical: str
    text: str
    authorization: str
    hmac: Callable[[bytes], str]


@lru_cache(maxsize=64)
def _frame(
    keys: Keys, headers: tuple[tuple[str, str], ...], payload: str, region: str, service: str, now: datetime
) -> _Frame:
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": stamp}
    if service == "s3":
        added["x-amz-content-sha256"] = payload
    if keys.token:
        added["x-amz-security-token"] = keys.token
    signed = sorted({**dict(headers), **added}.items())
    lines = "".join([f"{name}:{' '.join(value.split())}\n" for name, value in signed])
    names = ";".join([name for name, _ in signed])
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    return _Frame(
        added,
        f"{lines}\n{names}\n{payload}".replace("%", "%%").replace(_GAP, "%s"),
        f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n",
        f"AWS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature=",
        _hmac_of_day(keys.secret_access_key, stamp[:8], region, service),
    )


@lru_cache(maxsize=16)
def _hmac_of_day(secret: str, day: str, region: str, service: str) -> Callable[[bytes], str]:
    key = ("AWS4" + secret).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in key.ljust(64, b"\0"))) for pad in (0x36, 0x5C))

    def digest(text: bytes) -> str:
        # Four times as quick as `hmac.digest`, which sets both up anew and lets the interpreter go.
        within, around = inner.copy(), outer.copy()
        within.update(text)
        around.update(within.digest())
        return around.hexdigest()

    return digest
