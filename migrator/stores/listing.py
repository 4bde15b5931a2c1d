"""ListObjectsV2, page by page, with the keys exactly as the bucket holds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from ..errors import StoreError
from .answers import read_xml
from .base import ObjectInfo
from .native import Lane, unquoted
from .sharding import Page, in_order, list_parts

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
ARCHIVED_PROBLEM = (
    "it is archived and can't be read now: restore it (for example by `aws s3api restore-object`), wait until that "
    "is done, and run again"
)
# Without this AWS lists a restored object as if it were still archived only.
RESTORED = {"x-amz-optional-object-attributes": "RestoreStatus"}
_ILLEGAL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def list_pages(lane: Lane, at_once: int = 1) -> Iterator[list[ObjectInfo]]:
    """Every object below the lane's place: in parts, where it has more than a page and several requests may be
    under way at once."""
    page = _fetch(lane, None)
    if at_once == 1 or not page.following or not page.objects or not in_order([one.key for one in page.objects]):
        yield from _list_on(lane, page)
        return
    yield page.objects
    yield from list_parts(page, partial(_fetch, lane), partial(_prefixes, lane), below(lane), at_once)


def _list_on(lane: Lane, page: Page) -> Iterator[list[ObjectInfo]]:
    """A page and all that follow. The next one is on its way while one is handed out."""
    with ThreadPoolExecutor(1, "migrator-list") as thread:
        while page.following:
            coming = thread.submit(_fetch, lane, page.following)
            if page.objects:
                yield page.objects
            page = coming.result()
        if page.objects:
            yield page.objects


def probe(lane: Lane) -> None:
    """Ask for one key, with so few tries that somebody can wait for the answer."""
    lane.ask("GET", None, [*_query(below(lane)), ("max-keys", "1")], tries=2, read_s=10)


def list_exactly(lane: Lane, prefix: str) -> dict[str, int]:
    """The sizes of the objects whose whole keys begin so; the first page of them."""
    answer = lane.ask("GET", None, _query(prefix))
    root, _ = _parse(lane, answer.data)
    return {key: info.size for key, info in _objects(root, 0)}


def below(lane: Lane) -> str:
    """What the keys of a place begin with."""
    return f"{lane.place.prefix}/" if lane.place.prefix else ""


def _query(prefix: str) -> list[tuple[str, str]]:
    return [("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)]


def _fetch(lane: Lane, following: tuple[str, str] | None) -> Page:
    query = [*_query(below(lane)), *([following] if following else [])]
    answer = lane.ask("GET", None, query, RESTORED if lane.aws else {})
    root, repaired = _parse(lane, answer.data)
    ns = root.tag[: root.tag.find("}") + 1]
    objects, last = [], ""
    for last, info in _objects(root, len(below(lane))):  # noqa: B007 - the last one is wanted
        objects.append(info)
    if root.findtext(f"{ns}IsTruncated") != "true":
        return Page(objects, None)
    token = root.findtext(f"{ns}NextContinuationToken")
    if token and not repaired:
        return Page(objects, ("continuation-token", token))
    if not last or following == ("start-after", last):
        raise StoreError(f"{lane.place.endpoint} gives no way to the next page of {lane.place.url}; can't list it.")
    return Page(objects, ("start-after", last))


def _prefixes(lane: Lane, inside: str, after: str) -> list[str]:
    """The common prefixes below one that keys after a key have; the first page of them."""
    query = [*_query(below(lane) + inside), ("delimiter", "/"), ("start-after", below(lane) + after)]
    root, _ = _parse(lane, lane.ask("GET", None, query).data)
    ns = root.tag[: root.tag.find("}") + 1]
    encoded = root.findtext(f"{ns}EncodingType") == "url"
    found = [entry.findtext(f"{ns}Prefix") or "" for entry in root.iterfind(f"{ns}CommonPrefixes")]
    whole = [unquote_plus(one, errors="surrogateescape") if encoded else one for one in found]
    return [one[len(below(lane)) :] for one in whole]


def _parse(lane: Lane, data: bytes) -> tuple[ElementTree.Element, bool]:
    root, repaired = read_xml(data), False
    if root is None:
        # A server may put a key with control characters bare into the token; keys themselves are
        # percent-encoded, so what is left out here is the token, and the next page is asked by key.
        root, repaired = read_xml(_ILLEGAL.sub(b"?", data)), True
    if root is None or not root.tag.endswith("ListBucketResult"):
        raise StoreError(f"{lane.place.endpoint} did not answer as an S3 server does; check the endpoint.")
    if repaired and root.findtext(f"{root.tag[: root.tag.find('}') + 1]}EncodingType") != "url":
        raise StoreError(f"{lane.place.endpoint} lists keys of {lane.place.url} in a form that no XML reader takes.")
    return root, repaired


def _objects(root: ElementTree.Element, start: int) -> Iterator[tuple[str, ObjectInfo]]:
    ns = root.tag[: root.tag.find("}") + 1]
    encoded = root.findtext(f"{ns}EncodingType") == "url"
    return (_object(entry, ns, encoded, start) for entry in root.iterfind(f"{ns}Contents"))


def _object(entry: ElementTree.Element, ns: str, encoded: bool, start: int) -> tuple[str, ObjectInfo]:
    said = {child.tag: child.text for child in entry}  # to look for one after the other takes twice as long
    text = said.get(f"{ns}Key") or ""
    if encoded and ("%" in text or "+" in text):
        text = unquote_plus(text, errors="surrogateescape")  # what is not UTF-8 stays what it is
    size = int(said.get(f"{ns}Size") or 0)
    stamp = said.get(f"{ns}LastModified") or "1970-01-01T00:00:00Z"
    mtime = round(datetime.fromisoformat(stamp).timestamp() * 1000)
    archived = said.get(f"{ns}StorageClass") in ARCHIVED
    readable = not archived or entry.find(f"{ns}RestoreStatus/{ns}RestoreExpiryDate") is not None
    etag = unquoted(said.get(f"{ns}ETag"))
    return text, ObjectInfo(text[start:], size, mtime, etag, None if readable else ARCHIVED_PROBLEM)
