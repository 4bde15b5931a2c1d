"""Headers and metadata between their S3 names, the byte lane's and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from ..errors import StoreError
from .base import Attributes, of_type
from .s3.tags import HEADER, written

# lower case -> as the byte lane spells it
HEADERS = {
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "content-type": "Content-Type",
}
META = "x-amz-meta-"
# The byte lane takes metadata of these names for headers, in any case.
_AMBIGUOUS = frozenset(HEADERS) | {"storage-class"}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def received(headers: Mapping[str, str]) -> Attributes:
    """Ours, from the headers of an answer."""
    kept, metadata = {}, {}
    for name, value in headers.items():
        if name in HEADERS:
            kept[name] = value
        elif name.startswith(META):
            metadata[name[len(META) :]] = value
    if not metadata and len(kept) == 1 and "content-type" in kept:
        return of_type(kept["content-type"])
    return Attributes(kept, metadata)


def joined(attributes: Attributes, what: str) -> dict[str, str] | None:
    """The byte lane's, from ours."""
    check(attributes, what)
    if not attributes.headers and not attributes.metadata:
        return None
    known = {HEADERS[name.lower()]: value for name, value in attributes.headers.items()}
    return known | dict(attributes.metadata)


def sent(attributes: Attributes, what: str) -> dict[str, str]:
    """Request headers, from ours."""
    check(attributes, what)
    headers = {name.lower(): value for name, value in attributes.headers.items()}
    if attributes.metadata:
        headers |= {META + name.lower(): value for name, value in attributes.metadata.items()}
    return headers | {HEADER: written(attributes.tags)} if attributes.tags else headers


def fitting(attributes: Attributes) -> tuple[Attributes, list[str]]:
    """What of the metadata fits in HTTP headers, and the names of what does not: another store may hold any text."""
    if not attributes.metadata:
        return attributes, []
    fits = {name: value for name, value in attributes.metadata.items() if _fits(name, value)}
    if len(fits) == len(attributes.metadata):
        return attributes, []
    return replace(attributes, metadata=fits), [name for name in attributes.metadata if name not in fits]


@lru_cache(maxsize=1024)  # most objects have the same few
def _fits(name: str, value: str) -> bool:
    return bool(_TOKEN.fullmatch(name)) and not _UNPRINTABLE.search(value)


def ambiguous(attributes: Attributes) -> bool:
    """Whether the byte lane would take some metadata for a header, or knows no word for tags."""
    return bool(attributes.tags) or any(name.lower() in _AMBIGUOUS for name in attributes.metadata)


def check(attributes: Attributes, what: str) -> None:
    """Refuse what can't be sent as a header: the byte lane would panic, and a server lose it."""
    for name in attributes.headers:
        if name not in HEADERS and name.lower() not in HEADERS:
            raise StoreError(f"{what} can't be given the header {name!r}; S3 keeps {', '.join(HEADERS)}.")
    for given in (attributes.headers, attributes.metadata):
        for name, value in given.items():
            if not _fits(name, value):
                raise StoreError(f"{what} can't be given the attribute {name!r}: it does not fit in an HTTP header.")
