"""ListObjectsV2, page by page, with the keys exactly as the bucket holds them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from ..errors import StoreError
from .answers import read_xml
from .base import ObjectInfo
from .native import Lane, unquoted

NOT_UTF8 = "its name is not UTF-8, so no text can hold it byte for byte"
OWN_MARKER = "it is the folder's own marker, which has no name below the folder; make it at the target by hand"
_ILLEGAL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Page:
    """One page, and the query that asks for the next."""

    objects: list[ObjectInfo]
    following: tuple[str, str] | None


def list_pages(lane: Lane, refusal: Callable[[str], str | None]) -> Iterator[list[ObjectInfo]]:
    """Every object below the lane's place. The next page is on its way while one is handed out."""
    with ThreadPoolExecutor(1, "migrator-list") as thread:
        page = _fetch(lane, refusal, None)
        while page.following:
            coming = thread.submit(_fetch, lane, refusal, page.following)
            if page.objects:
                yield page.objects
            page = coming.result()
        if page.objects:
            yield page.objects


def probe(lane: Lane) -> None:
    """Ask for one key, with so few tries that somebody can wait for the answer."""
    lane.ask("GET", None, [*_query(lane), ("max-keys", "1")], tries=2, read_s=10)


def _query(lane: Lane) -> list[tuple[str, str]]:
    below = f"{lane.place.prefix}/" if lane.place.prefix else ""
    return [("list-type", "2"), ("encoding-type", "url"), ("prefix", below)]


def _fetch(lane: Lane, refusal: Callable[[str], str | None], following: tuple[str, str] | None) -> Page:
    answer = lane.ask("GET", None, [*_query(lane), *([following] if following else [])])
    root, repaired = _parse(lane, answer.data)
    ns = root.tag[: root.tag.find("}") + 1]
    encoded = root.findtext(f"{ns}EncodingType") == "url"
    start = len(lane.place.prefix) + 1 if lane.place.prefix else 0
    objects, last = [], ""
    for entry in root.iterfind(f"{ns}Contents"):
        last, info = _object(entry, ns, encoded, start, refusal)
        objects.append(info)
    if root.findtext(f"{ns}IsTruncated") != "true":
        return Page(objects, None)
    token = root.findtext(f"{ns}NextContinuationToken")
    if token and not repaired:
        return Page(objects, ("continuation-token", token))
    if not last or following == ("start-after", last):
        raise StoreError(f"{lane.place.endpoint} gives no way to the next page of {lane.place.url}; can't list it.")
    return Page(objects, ("start-after", last))


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


def _object(
    entry: ElementTree.Element, ns: str, encoded: bool, start: int, refusal: Callable[[str], str | None]
) -> tuple[str, ObjectInfo]:
    raw = entry.findtext(f"{ns}Key") or ""
    text, problem = raw, None
    if encoded and ("%" in raw or "+" in raw):
        try:
            text = unquote_plus(raw, errors="strict")
        except UnicodeDecodeError:
            text, problem = unquote_plus(raw, errors="backslashreplace"), NOT_UTF8
    key = text[start:]
    problem = problem or (refusal(key) if key else OWN_MARKER)
    size = int(entry.findtext(f"{ns}Size") or 0)
    stamp = entry.findtext(f"{ns}LastModified") or "1970-01-01T00:00:00Z"
    mtime = round(datetime.fromisoformat(stamp).timestamp() * 1000)
    return text, ObjectInfo(key, size, mtime, unquoted(entry.findtext(f"{ns}ETag")), problem)
