"""What an S3 server's "no" means here: the one door for its errors, whichever lane met them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from xml.etree import ElementTree

from ..errors import (
    AlreadyExists,
    BadInput,
    CredentialsRefused,
    Denied,
    MigratorError,
    NotFound,
    OtherBytes,
    Overtaken,
    PlaceGone,
    Protected,
    StoreError,
    Throttled,
    Unreachable,
    UploadGone,
)
from ..options import option
from .locations import Location

_CODE = re.compile(r"<Code>\s*([A-Za-z0-9_.]{1,64})\s*</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,300})</Message>")
_REASON = re.compile(r'"reason":\s*"([A-Za-z0-9_. ]{1,64})"')
_SENTENCE = re.compile(r'"message":\s*"([^"\\]{1,300})"')
_STATUS = re.compile(r"status code: (\d{3})")
_REGION = re.compile(r"<Region>\s*([a-z0-9-]{1,40})\s*</Region>")
_SLOWER = frozenset({
    "SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded", "Throttling",
    "rateLimitExceeded", "userRateLimitExceeded",
})  # fmt: skip
_LATER = frozenset({"InternalError", "RequestTimeout"})
# Of a write that another one came in the way of (S3 API reference, "List of error codes").
_PASSING = frozenset({"ConditionalRequestConflict", "OperationAborted"})
# R2 has a code for its bucket locks; AWS, Ceph, MinIO and HCP say it in words alone.
_LOCKED, _LOCKS = "ObjectLockedByBucketPolicy", re.compile(r"\bby object.?lock|\bWORM\b|legal hold|\bretention\b", re.I)
_OTHER_BYTES = frozenset({"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"})
_FULL = frozenset({"XMinioStorageFull", "QuotaExceeded", "InsufficientCapacity"})  # MinIO's, Ceph's and others'
_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_OWNERS = {"gs": "Google's", "az": "Azure's"}
_KEYS = frozenset({
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired",
})  # fmt: skip


Met = Literal["another", "protected", "passing"]


class Refusal(StoreError):
    """A server's answer that is not yet one of our errors: its status, its code, its own words.

    ``after``: the seconds that it wants to be left alone.
    """

    def __init__(self, status: int, body: str, region: str | None = None, after: float | None = None) -> None:
        self.status, self.after = status, after
        self.code = _found(_CODE, body) or _found(_REASON, body) or ""
        self.said = _found(_MESSAGE, body) or _found(_SENTENCE, body) or self.code or f"HTTP status {status}"
        self.region = region or _found(_REGION, body)
        super().__init__(self.said)


def read_xml(text: bytes) -> ElementTree.Element | None:
    """An XML answer, or None where it is none."""
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # no S3 answer has one, and entities can be a bomb
        return None
    try:
        return ElementTree.fromstring(text.strip())  # noqa: S314 - entities were refused above
    except ElementTree.ParseError:
        return None


def met_at_s3(refusal: Refusal) -> Met | None:
    """What stood in a request's way, by the codes of S3 and of what speaks it: another object than its condition names,
    something that protects the object, or a write that passes; None where it is none of these, or not told."""
    if refusal.code in _PASSING:
        return "passing"
    if refusal.code == _LOCKED or (refusal.status in (400, 403, 409) and _LOCKS.search(refusal.said)):
        return "protected"
    # A 409 without a word is what a server says that knows no code for it.
    return "another" if refusal.status == 412 or (refusal.status == 409 and not refusal.code) else None


def explain(place: Location, refusal: Refusal, key: str | None = None, met: Met | None = None) -> MigratorError:
    """Our error for a server's answer; ``met`` as the service's codes have it. What it says is repeated; what was sent
    to it never is."""
    bucket, where, code = place.bucket, place.endpoint, refusal.code
    what = f"{place.url}{key}" if key is not None else place.url
    if code == "NoSuchUpload":
        return UploadGone(f"The upload in parts of {what} is not known at {where} any more; resume begins it anew.")
    if code == "NoSuchBucket" or (refusal.status == 404 and key is None):
        check = "AWS_ENDPOINT_URL" if place.kind == "s3" else "the endpoint"
        return PlaceGone(f"There is no bucket {bucket!r} at {where}; create it, or check the name and {check}.")
    if refusal.status in (301, 307, 308) or code in ("PermanentRedirect", "AuthorizationHeaderMalformed"):
        other = f"region {refusal.region!r}" if refusal.region else "another region"
        return BadInput(
            f"The bucket {bucket!r} is in {other}, not in {place.region!r}; set AWS_REGION or {option('region')}."
        )
    if code in _CLOCK:
        return Denied(f"{where} refused the request's time: {refusal.said}. Set this machine's clock right.")
    if code == "InvalidObjectState":
        return StoreError(f"{what} is archived and can't be read now; restore it first.")
    if code in _KEYS or refusal.status == 401:
        return CredentialsRefused(
            f"{where} does not accept the credentials for {bucket!r} ({refusal.said}); {_renewal(place)}."
        )
    if refusal.status == 507 or code in _FULL:  # it may pass: who waits is told when room was made
        return Unreachable(f"{where} has no room for {what} ({refusal.said}); make room there, or raise its quota.")
    if code.startswith("KMS."):
        return Denied(f"{where} can't use the key that encrypts {what} ({refusal.said}); check kms_key and its rights.")
    if met == "protected":
        return Protected(
            f"{where} does not let {what} be replaced or deleted ({refusal.said}); lift what protects it (a lock, a "
            "hold, a lease), or wait until its retention is over; then resume."
        )
    if met == "passing":
        return Overtaken(f"{where} is busy with another write of {what} ({refusal.said}); try again later.")
    if met == "another":
        return AlreadyExists(f"{what} exists already or has changed since the plan; it was left as it is.")
    if refusal.status in (429, 503) or code in _SLOWER:
        return Throttled(
            f"{where} wants fewer requests than it got for {what} ({refusal.said}); try again later.",
            f"{refusal.status} {code}".strip(), refusal.after,
        )  # fmt: skip
    if refusal.status == 403:
        return Denied(f"{where} denies access to {what} ({refusal.said}); check {_source(place)} and its rights.")
    if refusal.status == 404:
        return NotFound(f"{what} is not there.")
    if code in _OTHER_BYTES:
        return OtherBytes(f"{where} got other bytes of {what} than were sent ({refusal.said}); it took none of them.")
    if (refusal.status >= 500 and refusal.status != 501) or code in _LATER:
        return Unreachable(f"{where} can't answer for {what} now ({refusal.said}); try again later.")
    return StoreError(f"{where} refused {what}: {refusal.said}.")


CHECK = "check that it runs, the address and the network"


def unreachable(place: Location, why: str, do: str = CHECK, *, silent: bool = False) -> Unreachable:
    """The error for an endpoint that gave no answer, and what to ``do``."""
    return Unreachable(f"{place.endpoint} gives no answer ({why}); {do}.", silent=silent)


@contextmanager
def byte_lane(place: Location, key: str) -> Iterator[None]:
    """Turn whatever the byte lane raises into our errors, an answer into a Refusal. A Rust panic is a BaseException."""
    try:
        yield
    except (MigratorError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a Rust panic is no Exception
        raise _translated(place, key, error) from None


def _translated(place: Location, key: str, error: BaseException) -> MigratorError:
    import obstore.exceptions as theirs

    what = f"{place.url}{key}"
    if type(error).__name__ == "PanicException":
        return StoreError(f"The library that carries bytes failed at {what}; this is a defect, please report it.")
    text = str(error)
    conditional = isinstance(error, theirs.AlreadyExistsError | theirs.PreconditionError | theirs.NotModifiedError)
    if status := int(_found(_STATUS, text) or (412 if conditional else 0)):
        return Refusal(status, text)
    if isinstance(error, theirs.UnauthenticatedError):
        return CredentialsRefused(f"No credentials for {what}: {_renewal(place)}.")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"{what} is not there.")
    if isinstance(error, PermissionError | theirs.PermissionDeniedError):
        return Denied(f"{place.endpoint} denies access to {what}; check {_source(place)} and its rights.")
    if "ETag Header missing" in text:  # whoever answered, it was hardly the store
        return unreachable(place, "it said yes to a write and named no version")
    if any(sign in text for sign in ("error sending request", "HTTP error", "timed out", "body", "connection")):
        return unreachable(place, "the connection failed or was cut", silent="timed out" in text)
    return StoreError(f"{what} failed: {type(error).__name__}: {text.partition(chr(10))[0][:200]}")


def _source(place: Location) -> str:
    credentials = place.credentials
    if credentials is None or credentials.source == "default":
        return f"{_OWNERS.get(place.kind, 'the AWS')} default credentials"
    if credentials.source == "file":
        return f"the credentials of the file {credentials.file!r}"
    if credentials.source == "profile":
        return f"the AWS profile {credentials.profile!r}"
    if credentials.source == "anonymous":
        return "whether the place is public (it is asked anonymously)"
    named = [need.partition(":")[2] for need in place.needs()]
    return f"the environment variable{'s' * (len(named) > 1)} {' and '.join(named)}"


def _renewal(place: Location) -> str:
    """What to do where credentials are not accepted."""
    if place.credentials is None or place.credentials.source == "anonymous":
        return f"check {_source(place)}"
    if place.credentials.source == "env":
        return f"check {_source(place)}; a run that works takes no others: cancel it, set them anew, and resume it"
    return f"check {_source(place)}, or renew them: they are read again"


def _found(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1].strip() if match else None
