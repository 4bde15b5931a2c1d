"""The listing of a bucket of Google's, page by page, and one object as it is described there."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from ..answers import Refusal
from ..base import ObjectInfo
from ..digests import tag_of
from .lane import GoogleLane

DESCRIBED = "name,size,timeCreated,generation,md5Hash,crc32c"


def list_pages(lane: GoogleLane, below: str) -> Iterator[list[ObjectInfo]]:
    """Every object whose key begins so. The next page is on its way while one is handed out."""
    with ThreadPoolExecutor(1, "migrator-list") as thread:
        page = fetch(lane, below, None)
        while token := page.get("nextPageToken"):
            coming = thread.submit(fetch, lane, below, token)
            yield _objects(page, len(below))
            page = coming.result()
        yield _objects(page, len(below))


def fetch(lane: GoogleLane, below: str, token: str | None, most: int = 1000) -> dict[str, Any]:
    """One page. Raises as `Lane.ask` does."""
    query = [("prefix", below), ("maxResults", str(most)), ("fields", f"nextPageToken,items({DESCRIBED})")]
    try:
        return lane.ask_json("GET", f"{lane.bucket_path}/o", [*query, *([("pageToken", token)] if token else [])])
    except Refusal as refusal:
        raise lane.explain(refusal) from None


def describe(resource: Mapping[str, Any], key: str) -> ObjectInfo:
    """An object from its description."""
    stamp = resource.get("timeCreated") or "1970-01-01T00:00:00Z"
    mtime = round(datetime.fromisoformat(stamp).timestamp() * 1000)
    return ObjectInfo(key, int(resource.get("size") or 0), mtime, tag(resource))


def tag(resource: Mapping[str, Any]) -> str:
    """The version tag of an object. What was composed of others has no MD5, but a checksum."""
    generation = str(resource.get("generation") or "")
    if md5 := resource.get("md5Hash"):
        return tag_of(base64.b64decode(md5).hex(), generation)
    crc = resource.get("crc32c")
    return tag_of(f"crc32c={crc}" if crc else None, generation)


def _objects(page: Mapping[str, Any], start: int) -> list[ObjectInfo]:
    return [describe(resource, resource["name"][start:]) for resource in page.get("items") or ()]
