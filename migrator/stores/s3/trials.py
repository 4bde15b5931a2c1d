"""What an endpoint really does, found by trying: a few small writes under a name of our own, taken back at once.

Servers differ in what they say and what they do: one ignores a condition that it accepts, another keeps a key
under a tidier name. So nothing is written on trust that could land elsewhere, or on something else.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from ...errors import OtherBytes, StoreError, Unreachable
from .. import checksums
from ..answers import Refusal
from ..attributes import META
from ..keys import CLOSING_SLASH, SAMPLES, oddities
from ..native import Answer, Lane
from ..retries import TRIES, shown
from ..signing import encode_path
from .listing import list_exactly, probe
from .multipart import Notes, in_parts
from .parts import Sent, Standing, send_parts
from .tags import COUNT, HEADER

NAME = ".migrator-trial-"
# What an object may carry, as it is sent and should come back.
CARRIED = {
    "cache-control": "no-cache", "content-disposition": "attachment", "content-encoding": "gzip",
    "content-language": "en", "content-type": "application/x-migrator", META + "migrator": "trial",
}  # fmt: skip
# How a server says that it knows no such header.
_UNKNOWN = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "MethodNotAllowed"})


Compared = Literal["crc64nvme", "sha256"]


def hash_header(algorithm: Compared, body: bytes) -> dict[str, str]:
    """What a server compares the bytes with (AWS S3 API reference, PutObject, ``x-amz-checksum-…``)."""
    if algorithm == "sha256":
        return {"x-amz-checksum-sha256": checksums.in_base64(hashlib.sha256(body).digest())}
    return {checksums.HEADER + algorithm: checksums.sent_with(body)}


Heed = Literal["enforced", "ignored", "refused"]
# How copies are checked where ETags tell nothing, by the hash that the server compares.
_CHECKED: Mapping[Compared | None, str] = {
    "crc64nvme": "copies are checked by a CRC64NVME; large ones are read again if the server tells none of theirs.",
    "sha256": "copies of large objects are read again to be checked.",
    None: "every copy is read again to be checked.",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What a trial showed.

    ``creates`` and ``replaces``: what becomes of a condition on a write that meets an object, or another one than
    it names. ``md5``: an ETag is the MD5 of the bytes. ``compares``, where it is not: the hash that a write can be sent
    with, which is refused where it is another. ``forgets``: headers that are taken and not given back. ``untried``: why
    there was no trial. ``left``: the key of the trial's object where it could not be deleted.
    """

    creates: Heed = "ignored"
    replaces: Heed = "ignored"
    md5: bool = True
    compares: Compared | None = None
    forgets: frozenset[str] = frozenset()
    untried: str | None = None
    left: str | None = None

    def remarks(self, endpoint: str) -> list[str]:
        """What people should know of it."""
        if self.untried:
            return [f"What {endpoint} does could not be tried: {self.untried} Writes there count as not conditional."]
        said = []
        if self.creates != "enforced":
            said.append(
                f"Writes to {endpoint} are not conditional: If-None-Match is {self.creates} there. Each key is looked "
                "at just before it is written, but what another program writes in that very instant would be lost."
            )
        elif self.replaces != "enforced":
            said.append(f"Replacing objects at {endpoint} is not conditional: If-Match is {self.replaces} there.")
        if not self.md5:
            said.append(f"The ETags of {endpoint} are no MD5: {_CHECKED[self.compares]}")
        if self.forgets:
            said.append(f"{endpoint} does not keep {', '.join(sorted(self.forgets))}; each counts as a loss.")
        if self.left:
            said.append(f"{self.left!r}, written to find out what {endpoint} does, can't be deleted there: remove it.")
        return said


class Trial:
    """Objects that are written to be looked at; ``name`` is in the key of each of them."""

    def __init__(self, lane: Lane, below: str, name: str) -> None:
        self.lane, self.below, self.name = lane, below, name
        self._written: dict[str, str | None] = {}

    def put(
        self, key: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, tries: int = TRIES
    ) -> Answer:
        """Raises Refusal where the server takes none of it."""
        self._written.setdefault(key, None)  # also when no answer comes
        answer = self.lane.send("PUT", key, (), headers, body, tries=tries)
        self._written[key] = answer.headers.get("x-amz-version-id")
        return answer

    def heed(self, key: str, condition: Mapping[str, str], body: bytes = b"other") -> Heed:
        """What becomes of a write whose condition does not hold."""
        try:
            self.put(key, body, condition)
        except Refusal as refusal:
            if refusal.status in (409, 412):
                return "enforced"
            if refusal.code in _UNKNOWN or refusal.status == 501:
                return "refused"
            raise
        return "ignored"

    def compares(self, algorithm: Compared, key: str, extra: Mapping[str, str]) -> bool:
        """Whether a write is refused whose hash is not what its header says, and taken when it is."""
        if not _refused(lambda: self.put(key, b"body", {**hash_header(algorithm, b"other"), **extra}, tries=1)):
            return False
        try:
            self.put(key, b"body", {**hash_header(algorithm, b"body"), **extra})
        except Refusal:
            return False
        return True

    def compares_parts(self, key: str, extra: Mapping[str, str], notes: Notes) -> bool:
        """The same for the part of an upload, which is then completed with the right one."""
        self._written.setdefault(key, None)
        wrong = hash_header(checksums.SENT, b"other")

        def send(standing: Standing) -> Sent:
            place = [("partNumber", "1"), ("uploadId", standing.upload_id)]
            if not _refused(lambda: self.lane.send("PUT", key, place, wrong, b"body", tries=1)):
                raise StoreError("It took a part whose checksum is wrong.")
            return send_parts(self.lane, key, standing, [b"body"], 4)

        in_parts(self.lane, key, send, {**extra, **checksums.IN_PARTS}, {}, notes)
        return True

    def tells(self, key: str, body: bytes) -> bool:
        """Whether the checksum of all bytes is told of an object that was written with it."""
        answer = self.lane.send("HEAD", key, (), checksums.ASK)
        self._written[key] = answer.headers.get("x-amz-version-id")
        return answer.headers.get(checksums.HEADER + checksums.SENT) == checksums.sent_with(body)

    def clear(self) -> None:
        """Take all of it back, whatever it is called there now, with the versions that a bucket keeps."""
        for key, version in list(self._written.items()):
            self.lane.send("DELETE", key, [("versionId", version)] if version else ())
            del self._written[key]
            if oddities(key):
                for found in list_exactly(self.lane, self.below + self.name):
                    self.lane.send("DELETE", found)

    @property
    def left(self) -> str | None:
        """An object that the server did not let go of."""
        return next(iter(self._written), None)


class Trials:
    """What is tried at one place. ``scratch`` is in the name of each object that is written for it."""

    def __init__(self, lane: Lane, below: str) -> None:
        self._lane, self._below = lane, below
        self.scratch = secrets.token_hex(4)

    def look(self, extra: Mapping[str, str]) -> Findings:
        """Whether conditions are heeded, and what comes back of an object; ``extra`` headers go with each write."""
        try:
            with self._trial() as one:
                key = self._below + one.name
                one.put(key, b"body", {**CARRIED, **extra})
                answer = self._lane.send("HEAD", key)
                etag = hashlib.md5(b"body", usedforsecurity=False).hexdigest()
                forgets = {name for name, value in CARRIED.items() if answer.headers.get(name) != value}
                found = Findings(
                    one.heed(key, {"if-none-match": "*", **extra}),
                    one.heed(key, {"if-match": f'"{"0" * 32}"', **extra}),
                    answer.etag == etag,
                    None if answer.etag == etag else _compared(one, key, extra),
                    frozenset("metadata" if name.startswith(META) else name for name in forgets),
                )
            return replace(found, left=one.left)
        except Refusal as refusal:
            error = self._lane.explain(refusal, self._below + NAME)
            if isinstance(error, Unreachable) and refusal.status != 501:
                raise error from None
            return Findings(untried=str(error))

    def look_at_copies(self, extra: Mapping[str, str]) -> tuple[Heed, Heed]:
        """What becomes of the two conditions where the server itself copies an object onto another."""
        with self._trial() as one:
            source = self._below + one.name
            copied = {"x-amz-copy-source": encode_path(f"/{self._lane.place.bucket}/{source}"), **extra}
            try:
                one.put(source, b"body", extra)
                one.put(f"{source}-2", b"there", extra)
                return (
                    one.heed(f"{source}-2", {"if-none-match": "*", **copied}, b""),
                    one.heed(f"{source}-2", {"if-match": f'"{"0" * 32}"', **copied}, b""),
                )
            except StoreError:  # a copy will say why, if that is not for the trial alone
                return "ignored", "ignored"

    def keeps_checksums(self, extra: Mapping[str, str]) -> bool:
        """Whether a checksum is compared with what arrives, and told afterwards as one of all bytes."""
        return self._shows(lambda one, key: one.compares(checksums.SENT, key, extra) and one.tells(key, b"body"))

    def keeps_checksums_of_parts(self, extra: Mapping[str, str], notes: Notes) -> bool:
        """The same for an object in parts; its upload is noted as any is, since it may stay open."""
        return self._shows(lambda one, key: one.compares_parts(key, extra, notes) and one.tells(key, b"body"))

    def keeps(self, oddity: str) -> bool:
        """Whether a key with this oddity is listed as it was written, with its bytes."""
        return shown(lambda: self._lists(oddity), lambda: probe(self._lane))

    def _lists(self, oddity: str) -> bool:
        with self._trial() as one:
            sample = self._below + SAMPLES[oddity].format(one.name)
            body = b"" if oddity == CLOSING_SLASH else b"x"
            try:
                one.put(sample, body)
            except StoreError:
                return False
            return list_exactly(self._lane, sample, tries=1) == {sample: len(body)}

    def keeps_tags(self) -> bool:
        """Whether an object's tags are there after it was written with some."""

        def tagged(one: Trial, key: str) -> bool:
            one.put(key, b"", {HEADER: "migrator=trial"})
            return self._lane.send("HEAD", key).headers.get(COUNT) == "1"

        return self._shows(tagged)

    def _shows(self, what: Callable[[Trial, str], bool]) -> bool:
        """Whether a trial with one key shows it; no, where it is not allowed."""
        with self._trial() as one:
            try:
                return what(one, self._below + one.name)
            except StoreError:
                return False

    @contextmanager
    def _trial(self) -> Iterator[Trial]:
        """A trial of which nothing is left, unless the server does not let go of it."""
        one = Trial(self._lane, self._below, NAME + self.scratch)
        try:
            yield one
        finally:
            with suppress(StoreError):
                one.clear()


def _compared(one: Trial, key: str, extra: Mapping[str, str]) -> Compared | None:
    """The first hash that is compared with what arrives."""
    every: tuple[Compared, ...] = ("crc64nvme", "sha256")
    return next((algorithm for algorithm in every if one.compares(algorithm, key, extra)), None)


def _refused(write: Callable[[], object]) -> bool:
    """Whether a write is refused for the hash that came with it, and not because the header is unknown."""
    try:
        write()
    except OtherBytes:
        return True
    except Refusal as refusal:
        return refusal.status == 400 and refusal.code not in _UNKNOWN
    return False
