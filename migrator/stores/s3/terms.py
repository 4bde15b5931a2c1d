"""On what terms a bucket takes writes: which conditions it heeds, which keys and attributes it keeps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from ...errors import StoreError
from .. import keys, presets
from ..answers import Refusal
from ..attributes import fitting
from ..base import Attributes
from ..checksums import IN_PARTS, SENT, SUMMED_BYTES
from ..locations import Location
from ..native import Lane, quoted
from .listing import below
from .multipart import Notes
from .part_trials import upload_trials
from .trials import Compared, Findings, Heed, Trials


class Terms:
    """What is known of a bucket, or found out when it matters for the first time. Shared by threads."""

    def __init__(self, lane: Lane) -> None:
        self._lane, self.trials = lane, Trials(lane, below(lane))
        self.preset = presets.known(lane.place.endpoint or "")
        self.headers = _headers_of(lane.place)
        self._found: Findings | None = None
        self._copies: tuple[Heed, Heed] | None = None
        self._kept: dict[str, bool] = {}
        self._turn = threading.RLock()

    @property
    def found(self) -> Findings:
        """What the trial showed; the first who asks makes it."""
        if self._found is None:
            with self._turn:
                self._found = self._found or self.trials.look(_encryption(self.headers))
        return self._found

    @property
    def conditional(self) -> bool | None:
        """Whether a write that meets an object is refused; None while nobody knows."""
        return self.preset.conditional if self._found is None else self._found.creates == "enforced"

    @property
    def by_hand(self) -> bool:
        """Whether the byte lane can't say all that is to be said with a write here, or may not trust the server."""
        lane, found = self._lane, self.found
        return bool(
            self.headers or found.compares or lane.place.requester_pays or found.creates == "refused" or lane.own_trust
        )

    def compared(self, size: int) -> Compared | None:
        """The hash that goes with a write of so many bytes, since the server compares it with what arrives."""
        if not self.found.md5:
            return self.found.compares
        extra = _encryption(self.headers)
        kept = size >= SUMMED_BYTES and self._keeps("checksums", lambda _: self.trials.keeps_checksums(extra))
        return SENT if kept else None

    def in_parts(self, notes: Notes) -> Mapping[str, str]:
        """What an upload in parts is begun with: checksums, where the server compares them and tells the whole's."""
        extra = _encryption(self.headers)
        kept = self._keeps("checksums of parts", lambda _: self.trials.keeps_checksums_of_parts(extra, notes))
        return IN_PARTS if kept else {}

    def condition(self, before: str | None) -> dict[str, str]:
        """The headers that make a write conditional, where the server takes them."""
        if self._heed(before) == "refused":
            return {}
        return {"if-none-match": "*"} if before is None else {"if-match": quoted(before)}

    def enforces(self, before: str | None) -> bool:
        """Whether that condition protects what stands there; if not, look first."""
        return self._heed(before) == "enforced"

    def guards_copies(self, before: str | None) -> bool:
        """Whether that condition protects it from a copy that the server makes, whose ETag can then be compared."""
        if self._copies is None:
            with self._turn:
                self._copies = self._copies or self.trials.look_at_copies(_encryption(self.headers))
        return self.found.md5 and self._copies[before is not None] == "enforced"

    def upload_trials(self, key: str) -> dict[str, Callable[[], None]]:
        """What shows whether uploads in parts are allowed; see `part_trials`."""
        return upload_trials(self._lane, key, _encryption(self.headers))

    def check_key(self, key: str, size: int) -> None:
        """Raise StoreError for a key, whole as in the bucket, that this server would keep under another name."""
        for oddity in keys.oddities(key, size):
            if not self._keeps(oddity, self.trials.keeps):
                where = self._lane.place.endpoint
                raise StoreError(f"{where} does not keep a key with {oddity} as it is, so {key!r} was not written.")

    def fit(self, attributes: Attributes) -> tuple[Attributes, tuple[str, ...]]:
        """The attributes that can be sent, and the names of those that will not be kept."""
        forgets = self.found.forgets
        if not (forgets or attributes.metadata or attributes.tags):  # as a rule, and this is once an object
            return attributes, ()
        lost = [name for name in attributes.headers if name in forgets]
        attributes, unfit = fitting(attributes)
        lost += [f"meta:{name}".replace(",", ";") for name in unfit]
        lost += [f"meta:{name}" for name in attributes.metadata if "metadata" in forgets]
        if attributes.tags and not self._keeps("tags", lambda _: self._keeps_tags()):
            lost += [f"tag:{name}".replace(",", ";") for name in attributes.tags]
            attributes = replace(attributes, tags={})
        return attributes, tuple(lost)

    def _keeps_tags(self) -> bool:
        return self.preset.tags is not False and self.trials.keeps_tags()

    def _keeps(self, what: str, find_out: Callable[[str], bool]) -> bool:
        with self._turn:
            if what not in self._kept:
                self._kept[what] = find_out(what)
            return self._kept[what]

    def _heed(self, before: str | None) -> Heed:
        return self.found.creates if before is None else self.found.replaces


def is_versioned(lane: Lane) -> bool | None:
    """Whether a bucket keeps older versions; None where it does not tell."""
    try:
        answer = lane.send("GET", None, [("versioning", "")], tries=2, read_s=10)
    except (Refusal, StoreError):
        return None
    return b"<Status>Enabled<" in answer.data or b"<Status>Suspended<" in answer.data


def _headers_of(place: Location) -> dict[str, str]:
    """What goes with every object that is written there."""
    headers = {"x-amz-storage-class": place.storage_class} if place.storage_class else {}
    if place.kms_key:
        headers["x-amz-server-side-encryption"] = "aws:kms"
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = place.kms_key
    return headers


def _encryption(headers: Mapping[str, str]) -> dict[str, str]:
    # Not the storage class: some are paid for by the month, whatever is deleted.
    return {name: value for name, value in headers.items() if name != "x-amz-storage-class"}
