"""A container of Azure's as a store: every byte by signed requests of ours."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

from ...config import LARGE_BYTES
from ...errors import BadInput, StoreError
from .. import keys
from ..answers import Refusal
from ..base import Attributes, Capabilities, ObjectInfo, Written
from ..bucket import Bucket
from ..checksums import in_base64
from ..digests import PART_BYTES, version_in
from ..locations import Location
from ..native import quoted
from ..retries import shown
from ..s3.trials import NAME
from . import listing
from .body import AzureBody, sent
from .lane import AzureLane
from .upload import block_bytes, put_blocks

_TIERS = {"HOT": "Hot", "COOL": "Cool", "COLD": "Cold", "ARCHIVE": "Archive"}


class AzureStore(Bucket[AzureLane]):
    """A prefix of a container of Azure's."""

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        location = self._location
        if location.storage_class and location.storage_class not in _TIERS:
            raise BadInput(f"{location.storage_class!r} is no access tier of Azure's; there are {', '.join(_TIERS)}.")
        self._lane = AzureLane(location)
        self._kept: dict[str, bool] = {}
        self._turn = threading.RLock()
        self._scratch = secrets.token_hex(4)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(holds_attributes=True, remote=True, threads=self._lane.threads)

    def probe(self) -> None:
        listing.fetch(self._lane, self._below, None, 1)

    def date(self) -> str:
        return listing.ask(self._lane, self._below, None, 1).headers.get("date", "")

    def remarks(self, *, to_write: bool) -> list[str]:
        return [] if to_write else self._told_of_versions()

    def keeps_versions(self) -> bool | None:
        try:
            return listing.shows_versions(self._lane, self._below)
        except StoreError:  # an account without them may not know the question
            return None

    def list(self) -> Iterator[list[ObjectInfo]]:
        return listing.list_pages(self._lane, self._below)

    def head(self, key: str) -> ObjectInfo | None:
        try:
            answer = self._lane.send("HEAD", self.full(key))
        except Refusal as refusal:
            if refusal.status != 404:
                raise self._lane.explain(refusal, self.full(key)) from None
            return None
        told = answer.headers
        etag = listing.tag(told.get("content-md5"), told.get("etag"))
        size = int(told.get("content-length", 0))
        return ObjectInfo(key, size, listing.millis(told.get("last-modified")), etag)

    def hash_of(self, size: int) -> str:
        return "md5-parts" if size > LARGE_BYTES else "md5"

    def open(self, key: str, pinned: str | None, *, checksum: bool = False) -> AzureBody:
        return AzureBody(self._lane, self.full(key), self.what(key), pinned)

    def put(
        self, key: str, data: bytes, attributes: Attributes, *, before: str | None, mtime: int | None, scratch: str
    ) -> Written:
        self._check_key(key, len(data))
        headers, dropped = sent(attributes)
        # The service compares it with what arrived, and refuses what differs.
        digest = in_base64(hashlib.md5(data, usedforsecurity=False).digest())
        own = {"x-ms-blob-type": "BlockBlob", "content-md5": digest}
        try:
            answer = self._lane.send("PUT", self.full(key), (), headers | own | self._terms(before), data)
        except Refusal as refusal:
            raise self._explain_write(refusal, key, before) from None
        return Written(listing.tag(digest, answer.etag), None, dropped, checked=True)

    def _put_large(
        self, key: str, chunks: Iterable[bytes], size: int, attributes: Attributes, before: str | None
    ) -> Written:
        self._check_key(key, size)
        headers, dropped = sent(attributes)
        self._check_before(key, before)
        answer, md5, parts = put_blocks(self._lane, self.full(key), chunks, size, headers | self._terms(before))
        etag = listing.tag(in_base64(bytes.fromhex(md5)), answer.etag)
        return Written(etag, parts if block_bytes(size) == PART_BYTES else None, dropped)

    def remove(self, key: str, pinned: str) -> bool:
        try:
            self._lane.send("DELETE", self.full(key), (), {"if-match": quoted(version_in(pinned))})
        except Refusal as refusal:
            if refusal.status == 404 or self._met_another(refusal):
                return False
            raise self._lane.explain(refusal, self.full(key)) from None
        return True

    def _try_out(self, scratch: str) -> list[str]:
        self._scratch = scratch
        return []  # conditions are part of the service, wherever it runs

    def _keys_from(self, beginning: str) -> Iterable[str]:
        return (beginning + one.key for page in listing.list_pages(self._lane, beginning) for one in page)

    def _terms(self, before: str | None) -> dict[str, str]:
        terms = {"if-match": quoted(version_in(before))} if before else {"if-none-match": "*"}
        tier = self._location.storage_class
        return terms | ({"x-ms-access-tier": _TIERS[tier]} if tier else {})

    def _check_key(self, key: str, size: int = 0) -> None:
        super()._check_key(key, size)
        for oddity in (*keys.oddities(self.full(key), size), *keys.ends_in_dots(self.full(key))):
            with self._turn:
                if oddity not in self._kept:
                    self._kept[oddity] = self._keeps(oddity)
            if not self._kept[oddity]:
                where = self._location.endpoint
                raise StoreError(f"{where} does not keep a key with {oddity} as it is, so {key!r} was not written.")

    def _keeps(self, oddity: str) -> bool:
        """Whether a key with this oddity is listed as it was written, found out by writing one."""
        return shown(lambda: self._lists(self.full(keys.SAMPLES[oddity].format(NAME + self._scratch))), self.probe)

    def _lists(self, sample: str) -> bool:
        try:
            try:
                self._lane.send("PUT", sample, (), {"x-ms-blob-type": "BlockBlob"}, b"x")
            except StoreError:
                return False
            return [one.key for one in listing.fetch(self._lane, sample, None, tries=1).objects] == [""]
        finally:
            with suppress(StoreError):
                self._lane.send("DELETE", sample)
