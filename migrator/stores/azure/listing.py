"""The listing of a container of Azure's, page by page, with the names exactly as it holds them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

from ...errors import StoreError
from ..answers import read_xml
from ..base import ObjectInfo
from ..digests import tag_of
from ..native import Answer
from ..retries import TRIES
from ..wire import unquoted
from .lane import CONTAINER, AzureLane

ARCHIVED = (
    "it is archived and can't be read now: rehydrate it (for example by `az storage blob set-tier --tier Hot`), wait "
    "until that is done, and run again"
)


class Page(NamedTuple):
    """One page, and the mark of the next."""

    objects: list[ObjectInfo]
    marker: str | None


def list_pages(lane: AzureLane, below: str) -> Iterator[list[ObjectInfo]]:
    """Every object whose key begins so. The next page is on its way while one is handed out."""
    with ThreadPoolExecutor(1, "migrator-list") as thread:
        page = fetch(lane, below, None)
        while page.marker:
            coming = thread.submit(fetch, lane, below, page.marker)
            yield page.objects
            page = coming.result()
        yield page.objects


def fetch(lane: AzureLane, below: str, marker: str | None, most: int = 1000, tries: int = TRIES) -> Page:
    """One page. Raises as `Lane.ask` does."""
    root = read_xml(ask(lane, below, marker, most, tries).data)
    if root is None or root.tag != "EnumerationResults":
        raise StoreError(f"{lane.place.endpoint} did not list {lane.place.url} as Azure does; check the endpoint.")
    objects = [_object(blob, len(below)) for blob in root.iterfind("Blobs/Blob")]
    return Page(objects, root.findtext("NextMarker") or None)


def shows_versions(lane: AzureLane, below: str) -> bool | None:
    """Whether an object there is told with its version, as all are where the account keeps them; None without one."""
    query = [*CONTAINER, ("prefix", below), ("maxresults", "1"), ("include", "versions")]
    root = read_xml(lane.ask("GET", None, query, tries=2, read_s=10).data)
    blob = None if root is None else root.find("Blobs/Blob")
    return None if blob is None else blob.find("VersionId") is not None


def ask(lane: AzureLane, below: str, marker: str | None, most: int, tries: int = TRIES) -> Answer:
    """The answer that has a page."""
    query = [*CONTAINER, ("prefix", below), ("maxresults", str(most)), *([("marker", marker)] if marker else [])]
    return lane.ask("GET", None, query, tries=tries)


def tag(md5: str | None, etag: str | None) -> str:
    """The version tag of an object. Azure keeps what MD5 it is told of a large one, and does not look."""
    return tag_of(base64.b64decode(md5).hex() if md5 else None, unquoted(etag) or "", checked=False)


def millis(stamp: str | None) -> int:
    return round(parsedate_to_datetime(stamp).timestamp() * 1000) if stamp else 0


def _object(blob: ElementTree.Element, start: int) -> ObjectInfo:
    name = blob.find("Name")
    text = (name.text or "") if name is not None else ""
    if name is not None and name.get("Encoded") == "true":
        text = unquote(text)
    told = {each.tag: each.text for each in blob.iterfind("Properties/*")}
    problem = ARCHIVED if told.get("AccessTier") == "Archive" else None
    etag = tag(told.get("Content-MD5"), told.get("Etag"))
    return ObjectInfo(
        text[start:], int(told.get("Content-Length") or 0), millis(told.get("Last-Modified")), etag, problem
    )
