"""An object's tags: read where a GET says that there are some, and written with the object."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from ..answers import read_xml
from ..native import Lane

HEADER, COUNT = "x-amz-tagging", "x-amz-tagging-count"


def read_tags(lane: Lane, key: str, answer: Mapping[str, str]) -> dict[str, str]:
    """The tags of the version that ``answer``, the headers of a GET, is of; one request where it has any."""
    if answer.get(COUNT, "0") in ("", "0"):
        return {}
    version = answer.get("x-amz-version-id")
    root = read_xml(lane.ask("GET", key, [("tagging", ""), *([("versionId", version)] if version else [])]).data)
    found: dict[str, str] = {}
    for tag in root.iter() if root is not None else ():
        if tag.tag.endswith("}Tag") or tag.tag == "Tag":
            named = {part.tag.rpartition("}")[2]: part.text or "" for part in tag}
            found[named.get("Key", "")] = named.get("Value", "")
    return found


def written(tags: Mapping[str, str]) -> str:
    """Tags as a request's header."""
    return urlencode(tags, quote_via=quote)
