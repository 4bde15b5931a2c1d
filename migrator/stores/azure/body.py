"""An object of Azure's as it is read, and what it carries beside its bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from ..answers import read_xml
from ..attributes import HEADERS
from ..base import Attributes
from ..digests import version_in
from ..s3.body import S3Body
from .lane import AzureLane

META, COUNT = "x-ms-meta-", "x-ms-tag-count"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SENDABLE = re.compile(r"[ -~]*")


class AzureBody(S3Body):
    """One open object, pinned to its ETag."""

    __slots__ = ()

    def __init__(self, lane: AzureLane, key: str, what: str, pinned: str | None) -> None:
        super().__init__(lane, key, what, version_in(pinned) if pinned else None)

    def _read_attributes(self, headers: Mapping[str, str]) -> Attributes:
        kept = {name: headers[name] for name in HEADERS if name in headers}
        metadata = {name[len(META) :]: headers[name] for name in headers if name.startswith(META)}
        return Attributes(kept, metadata, self._tags() if headers.get(COUNT, "0") != "0" else {})

    def _tags(self) -> dict[str, str]:
        root = read_xml(self._lane.ask("GET", self._key, [("comp", "tags")]).data)
        found = root.iterfind("TagSet/Tag") if root is not None else ()
        return {tag.findtext("Key") or "": tag.findtext("Value") or "" for tag in found}


def sent(attributes: Attributes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Request headers, from ours, and the names of what is lost: Azure's names are identifiers, its values ASCII."""
    headers = {f"x-ms-blob-{name.lower()}": value for name, value in attributes.headers.items()}
    kept = {
        name: value
        for name, value in attributes.metadata.items()
        if _IDENTIFIER.fullmatch(name) and _SENDABLE.fullmatch(value)
    }
    headers |= {META + name: value for name, value in kept.items()}
    if attributes.tags:
        headers["x-ms-tags"] = urlencode(attributes.tags, quote_via=quote)
    return headers, tuple(f"meta:{name}".replace(",", ";") for name in attributes.metadata if name not in kept)
