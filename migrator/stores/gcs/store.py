"""A bucket of Google's as a store, by its JSON interface: every byte by signed requests of ours."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from ...errors import MigratorError, StoreError
from .. import keys
from ..abilities import Resumable, ServerSide
from ..answers import Refusal
from ..base import Attributes, Capabilities, ObjectInfo, Written
from ..bucket import Bucket
from ..checksums import in_base64
from ..digests import version_in
from ..locations import Location
from ..native import SLOW_S
from ..s3.multipart import NoNotes, Notes
from ..s3.trials import NAME
from . import listing, upload
from .body import GoogleBody, sent
from .lane import GoogleLane

# What the service itself refuses: https://cloud.google.com/storage/docs/objects#naming
_NO_LINES = "Google Cloud Storage takes no key with a line break"
_NO_DOTS = "Google Cloud Storage takes no key that is '.' or '..'"
_NO_CHALLENGE = "Google Cloud Storage keeps names below .well-known/acme-challenge/ for itself"


class GoogleStore(Bucket[GoogleLane], Resumable, ServerSide):
    """A prefix of a bucket of Google's. The id of an upload is the address of its session."""

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        location = self._location
        self._lane = GoogleLane(location)
        self._google = (location.endpoint or "").endswith(".googleapis.com")
        self._conditional: bool | None = True if self._google else None
        self._seen = False  # whether the bucket is known to be there
        self.notes: Notes = NoNotes()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(True, True, self._lane.threads, self._conditional)

    def probe(self) -> None:
        listing.fetch(self._lane, self._below, None, 1)
        self._seen = True

    def date(self) -> str:
        query = [("maxResults", "1"), ("fields", "items(name)")]
        return self._lane.ask("GET", f"{self._lane.bucket_path}/o", query).headers.get("date", "")

    def remarks(self, *, to_write: bool) -> list[str]:
        if not to_write:
            return self._told_of_versions()
        if self._conditional is None:
            return [f"Unknown until apply: whether writes to {self._location.endpoint} are conditional."]
        return []

    def keeps_versions(self) -> bool | None:
        try:
            found = self._lane.ask_json("GET", self._lane.bucket_path, [("fields", "versioning")])
        except StoreError:  # it takes rights of its own, which who only reads may lack
            return None
        return bool((found.get("versioning") or {}).get("enabled"))

    def list(self) -> Iterator[list[ObjectInfo]]:
        return listing.list_pages(self._lane, self._below)

    def refusal(self, key: str, size: int = 0) -> str | None:
        if reason := keys.refusal(self._below, key):
            return reason
        full = self._below + key
        if "\n" in key or "\r" in key:
            return _NO_LINES
        if full in (".", ".."):
            return _NO_DOTS
        if full.startswith(".well-known/acme-challenge/"):
            return _NO_CHALLENGE
        return None

    def head(self, key: str) -> ObjectInfo | None:
        query = [("fields", listing.DESCRIBED)]
        try:
            resource = self._lane.ask_json("GET", self._lane.path_of(self.full(key)), query)
        except Refusal as refusal:
            if refusal.status != 404:
                raise self._lane.explain(refusal, self.full(key)) from None
            if not self._seen:
                self.probe()  # a missing object and a missing bucket have one status
            return None
        self._seen = True
        return listing.describe(resource, key)

    def hash_of(self, size: int) -> str:
        return "md5"

    def open(self, key: str, pinned: str | None, *, checksum: bool = False) -> GoogleBody:
        return GoogleBody(self._lane, self.full(key), self.what(key), pinned)

    def put(
        self, key: str, data: bytes, attributes: Attributes, *, before: str | None, mtime: int | None, scratch: str
    ) -> Written:
        resource, dropped = self._resource(key, attributes)
        resource["md5Hash"] = in_base64(hashlib.md5(data, usedforsecurity=False).digest())
        if self._conditional is not True:
            self._check_before(key, before)
        try:
            written = upload.put(self._lane, resource, data, self._terms(before))
        except Refusal as refusal:
            raise self._explain_write(refusal, key, before) from None
        return Written(listing.tag(written), None, dropped)

    def _put_large(
        self, key: str, chunks: Iterable[bytes], size: int, attributes: Attributes, before: str | None
    ) -> Written:
        resource, dropped = self._resource(key, attributes)
        self._check_before(key, before)
        written = upload.put_large(self._lane, resource, chunks, size, self._terms(before), self.notes)
        self._check_arrived(key, size, int(written.get("size") or 0))
        return Written(listing.tag(written), None, dropped)

    def _explain_write(self, refusal: Refusal, key: str, before: str | None) -> Exception:
        if refusal.status == 404:  # nothing need be there to be written to but the bucket
            return self._lane.explain(refusal)
        return super()._explain_write(refusal, key, before)

    def abort_upload(self, key: str, upload_id: str) -> None:
        upload.cancel(self._lane, upload_id)

    def can_copy_from(self, source: object) -> bool:
        if not isinstance(source, GoogleStore) or self._location.storage_class:
            return False  # for another class it would have to be told all the attributes anew
        ours, theirs = self._location, source._location
        return (ours.endpoint, ours.credentials) == (theirs.endpoint, theirs.credentials)

    def guards_copies(self, before: str | None) -> bool:
        return self._google

    def copy_from(
        self, source: GoogleStore, key: str, target_key: str, etag: str, *, before: str | None = None, size: int = 0
    ) -> Written | None:
        self._check_key(target_key)
        path = f"{source._lane.path_of(source.full(key))}/rewriteTo{self._lane.path_of(self.full(target_key))[11:]}"
        query = [
            *self._terms(before),
            ("ifSourceGenerationMatch", version_in(etag)),
            ("sourceGeneration", version_in(etag)),
        ]
        if self._location.kms_key:
            query = [(name.replace("kmsKeyName", "destinationKmsKeyName"), value) for name, value in query]
        token: list[tuple[str, str]] = []
        while True:
            try:
                answer = self._lane.ask_json("POST", path, [*query, *token], read_s=SLOW_S)
            except Refusal as refusal:
                raise self._explain_copy(refusal, source, key, target_key, before) from None
            if answer.get("done"):
                return Written(listing.tag(answer["resource"]))
            token = [("rewriteToken", str(answer["rewriteToken"]))]

    def remove(self, key: str, pinned: str) -> bool:
        standing = self.head(key)
        if standing is None or standing.etag != pinned:
            return False
        try:
            terms = [("ifGenerationMatch", version_in(pinned))]
            self._lane.send("DELETE", self._lane.path_of(self.full(key)), terms)
        except Refusal as refusal:
            if refusal.status == 404 or self._met_another(refusal):
                return False
            raise self._lane.explain(refusal, self.full(key)) from None
        return True

    def _resource(self, key: str, attributes: Attributes) -> tuple[dict[str, Any], tuple[str, ...]]:
        """An object's description, and what of its attributes is lost."""
        self._check_key(key)
        resource = {"name": self.full(key), **sent(attributes)}
        if self._location.storage_class:
            resource["storageClass"] = self._location.storage_class
        return resource, tuple(f"tag:{name}".replace(",", ";") for name in attributes.tags)

    def _terms(self, before: str | None) -> list[tuple[str, str]]:
        terms = [("ifGenerationMatch", version_in(before) if before else "0")]
        return terms + ([("kmsKeyName", self._location.kms_key)] if self._location.kms_key else [])

    def _try_out(self, scratch: str) -> list[str]:
        """Whether conditions are heeded, where it is not Google's own service that says so."""
        if self._conditional is None:
            self._conditional = self._heeds(f"{NAME}{scratch}-{secrets.token_hex(4)}")
        if self._conditional:
            return []
        where = self._location.endpoint
        return [f"Writes to {where} are not conditional: each key is looked at just before it is written."]

    def _keys_from(self, beginning: str) -> Iterable[str]:
        return (beginning + one.key for page in listing.list_pages(self._lane, beginning) for one in page)

    def _address(self, key: str) -> str:
        return self._lane.path_of(key)

    def _heeds(self, key: str) -> bool:
        self.put(key, b"", Attributes(), before=None, mtime=None, scratch="")
        try:
            upload.put(self._lane, {"name": self.full(key)}, b"", self._terms(None))
        except Refusal as refusal:
            return refusal.status == 412
        finally:
            with suppress(MigratorError):
                self._drop(self.full(key))
        return False
