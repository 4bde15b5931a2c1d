"""An object of Google's as it is read: one generation of it from its first byte to its last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import NotFound
from ..answers import Refusal
from ..base import Attributes
from ..digests import version_in
from ..s3.body import S3Body, changed
from ..wire import Incoming
from .lane import GoogleLane

# field of an object -> header
HEADERS = {
    "cacheControl": "cache-control", "contentDisposition": "content-disposition", "contentEncoding": "content-encoding",
    "contentLanguage": "content-language", "contentType": "content-type",
}  # fmt: skip
FIELDS = [("fields", ",".join((*HEADERS, "metadata")))]


class GoogleBody(S3Body):
    """One open object, pinned to its generation."""

    __slots__ = ()
    _lane: GoogleLane

    def __init__(self, lane: GoogleLane, key: str, what: str, pinned: str | None) -> None:
        super().__init__(lane, key, what, version_in(pinned) if pinned else None)

    def _version(self, headers: Mapping[str, str]) -> str | None:
        return headers.get("x-goog-generation")

    def _ask(self, **headers: str) -> Incoming:
        query = [("alt", "media"), *([("ifGenerationMatch", self._etag)] if self._etag else [])]
        path = self._lane.with_query(self._lane.path_of(self._key), query)
        try:
            # What is stored under gzip would else be sent unpacked, in another length than it has.
            return self._lane.open(path, {"accept-encoding": "gzip", **headers}, 1)
        except Refusal as refusal:
            if refusal.status == 412:
                raise changed(self._what) from None
            if refusal.status == 404:
                self._lane.check_bucket()  # one status tells of both
                raise NotFound(f"{self._what} is not there (any more).") from None
            raise self._lane.explain(refusal, self._key) from None

    def _look_up_size(self) -> int:
        if (told := self._headers.get("x-goog-stored-content-length", "")).isdecimal():
            return int(told)
        return int(self._describe([("fields", "size")]).get("size", 0))

    def _read_attributes(self, headers: Mapping[str, str]) -> Attributes:
        # A request of its own: the headers of an answer have metadata in lower case, if at all.
        return received(self._describe(FIELDS))

    def _describe(self, fields: list[tuple[str, str]]) -> dict[str, Any]:
        query = [*fields, *([("ifGenerationMatch", self._etag)] if self._etag else [])]
        try:
            return self._lane.ask_json("GET", self._lane.path_of(self._key), query)
        except Refusal as refusal:
            if refusal.status in (404, 412):
                raise changed(self._what) from None
            raise self._lane.explain(refusal, self._key) from None


def received(resource: Mapping[str, Any]) -> Attributes:
    """Ours, from an object's description."""
    headers = {header: resource[field] for field, header in HEADERS.items() if resource.get(field)}
    return Attributes(headers, dict(resource.get("metadata") or {}))


def sent(attributes: Attributes) -> dict[str, Any]:
    """The fields of an object's description, from ours."""
    given = {name.lower(): value for name, value in attributes.headers.items()}
    fields: dict[str, Any] = {field: given[header] for field, header in HEADERS.items() if header in given}
    return fields | ({"metadata": dict(attributes.metadata)} if attributes.metadata else {})
