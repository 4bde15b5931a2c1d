"""ListObjectsV2, page by page, with the keys exactly as the bucket holds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from ...errors import StoreError
from ..answers import read_xml
from ..base import ObjectInfo
from ..native import Lane
from ..retries import TRIES
from .entries import cut, is_encoded, read_plain, read_tree
from .sharding import Page, in_order, list_parts

# Without this AWS lists a restored object as if it were still archived only.
RESTORED = {"x-amz-optional-object-attributes": "RestoreStatus"}
_ILLEGAL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def list_pages(lane: Lane, most: int = 1) -> Iterator[list[ObjectInfo]]:
    """Every object below the lane's place: in parts, where it has more than a page and several requests, ``most`` of
    them, may be under way at once."""
    page = _fetch(lane, None)
    at_once = min(most, lane.threads)  # now that it is known how long an answer takes
    if at_once == 1 or not page.following or not page.objects or not in_order([one.key for one in page.objects]):
        yield from _list_on(lane, page)
        return
    yield page.objects
    yield from list_parts(page, partial(_fetch, lane), partial(_prefixes, lane), below(lane), at_once)


def _list_on(lane: Lane, page: Page) -> Iterator[list[ObjectInfo]]:
    """A page and all that follow. The next one is on its way while one is handed out."""
    asked: set[int] = set()
    with ThreadPoolExecutor(1, "migrator-list") as thread:
        while page.following:
            if (following := hash(page.following)) in asked:
                raise _no_way_on(lane)
            asked.add(following)
            coming = thread.submit(_fetch, lane, page.following)
            if page.objects:
                yield page.objects
            page = coming.result()
        if page.objects:
            yield page.objects


def probe(lane: Lane) -> None:
    """Ask for one key, with so few tries that somebody can wait for the answer."""
    lane.ask("GET", None, [*_query(below(lane)), ("max-keys", "1")], tries=2, read_s=10)


def list_exactly(lane: Lane, prefix: str, tries: int = TRIES) -> dict[str, int]:
    """The sizes of the objects whose whole keys begin so; the first page of them."""
    answer = lane.ask("GET", None, _query(prefix), tries=tries)
    root, _ = _parse(lane, answer.data)
    return {one.key: one.size for one in read_tree(root, 0)}


def below(lane: Lane) -> str:
    """What the keys of a place begin with."""
    return f"{lane.place.prefix}/" if lane.place.prefix else ""


def _query(prefix: str) -> list[tuple[str, str]]:
    return [("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)]


def _fetch(lane: Lane, following: tuple[str, str] | None) -> Page:
    query = [*_query(below(lane)), *([following] if following else [])]
    answer = lane.ask("GET", None, query, RESTORED if lane.aws else {})
    rest, entries = cut(answer.data)
    root, repaired = _parse(lane, rest)
    objects = read_plain(entries, is_encoded(root), len(below(lane))) if entries else None
    if objects is None:
        root, repaired = _parse(lane, answer.data)
        objects = list(read_tree(root, len(below(lane))))
    ns = root.tag[: root.tag.find("}") + 1]
    if root.findtext(f"{ns}IsTruncated") != "true":
        return Page(objects, None)
    token = root.findtext(f"{ns}NextContinuationToken")
    if token and not repaired:
        return Page(objects, ("continuation-token", token))
    last = below(lane) + objects[-1].key if objects else ""
    if not last or following == ("start-after", last):
        raise _no_way_on(lane)
    return Page(objects, ("start-after", last))


def _no_way_on(lane: Lane) -> StoreError:
    return StoreError(f"{lane.place.endpoint} gives no way to the next page of {lane.place.url}; can't list it.")


def _prefixes(lane: Lane, inside: str, after: str) -> list[str]:
    """The common prefixes below one that keys after a key have; the first page of them."""
    query = [*_query(below(lane) + inside), ("delimiter", "/"), ("start-after", below(lane) + after)]
    root, _ = _parse(lane, lane.ask("GET", None, query).data)
    ns = root.tag[: root.tag.find("}") + 1]
    found = [entry.findtext(f"{ns}Prefix") or "" for entry in root.iterfind(f"{ns}CommonPrefixes")]
    whole = [unquote_plus(one, errors="surrogateescape") if is_encoded(root) else one for one in found]
    return [one[len(below(lane)) :] for one in whole]


def _parse(lane: Lane, data: bytes) -> tuple[ElementTree.Element, bool]:
    root, repaired = read_xml(data), False
    if root is None:
        # A server may put a key with control characters bare into the token; keys themselves are
        # percent-encoded, so what is left out here is the token, and the next page is asked by key.
        root, repaired = read_xml(_ILLEGAL.sub(b"?", data)), True
    if root is None or not root.tag.endswith("ListBucketResult"):
        raise StoreError(f"{lane.place.endpoint} did not answer as an S3 server does; check the endpoint.")
    if repaired and not is_encoded(root):
        raise StoreError(f"{lane.place.endpoint} lists keys of {lane.place.url} in a form that no XML reader takes.")
    return root, repaired
