"""The objects in a page of ListObjectsV2: by one pass over its text where all of them are written alike, else as XML.

The pass costs a third of what a tree of elements does, and a listing of millions is little else. It takes only what
can be read in no other way; a comment, an attribute, a reference, another order in one entry, and the page is XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from ..base import ObjectInfo
from ..wire import unquoted

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
ARCHIVED_PROBLEM = (
    "it is archived and can't be read now: restore it (for example by `aws s3api restore-object`), wait until that "
    "is done, and run again"
)
_OPEN, _CLOSE = b"<Contents>", b"</Contents>"
_TAG = re.compile(r"<(/?[A-Za-z]+)>")
_WANTED = ("Key", "Size", "LastModified", "ETag", "StorageClass")
# What needs an XML reader where a text has it: references, lines to be normalised, what is illegal.
_ODD = bytes({*range(32), *b"&"} - {*b"\t\n"})
_NO_TIME = "1970-01-01T00:00:00Z"


def cut(page: bytes) -> tuple[bytes, bytes]:
    """A page without its entries, and these as they stand in it."""
    start, last = page.find(_OPEN), page.rfind(_CLOSE)
    end = last + len(_CLOSE)
    return (page[:start] + page[end:], page[start:end]) if 0 <= start < last else (page, b"")


def read_plain(entries: bytes, encoded: bool, start: int) -> list[ObjectInfo] | None:
    """The objects of entries that are written alike; None where they are not.

    Parameters
    ----------
    encoded : bool
        Whether keys are percent-encoded.
    start : int
        How much of each key, decoded, is left out.
    """
    entries = entries.replace(b"&quot;", b'"').replace(b"&#34;", b'"')
    if len(entries.translate(None, _ODD)) != len(entries) or (text := _text(entries)) is None:
        return None
    tags = _TAG.findall(text, 0, text.find("</Contents>") + len("</Contents>"))
    if len(set(tags)) < len(tags) or "RestoreStatus" in tags:
        return None
    found = _pattern(tuple(tags)).findall(text)
    if text.count("<") != len(found) * len(tags):  # something in between, or an entry that is another
        return None
    names = [tag for tag in tags if f"/{tag}" in tags and tag in _WANTED]
    said = dict(zip(names, zip(*found, strict=True), strict=True))
    nothing = [None] * len(found)
    keys, sizes, stamps, etags, kinds = (said.get(name, nothing) for name in _WANTED)
    escaped = encoded and ("%" in text or "+" in text)
    problems = [ARCHIVED_PROBLEM if kind in ARCHIVED else None for kind in kinds]
    return list(map(
        ObjectInfo, [_key(key, escaped)[start:] for key in keys], [int(size or 0) for size in sizes],
        [_moment(stamp or _NO_TIME) for stamp in stamps], map(unquoted, etags), problems,
    ))  # fmt: skip


@lru_cache(maxsize=64)
def _pattern(tags: tuple[str, ...]) -> re.Pattern[str]:
    """An entry of these tags in this order; what is wanted of it are its groups."""
    return re.compile("".join(f"<{tag}>" + ("([^<]*)" if tag in _WANTED else "[^<]*") for tag in tags))


def read_tree(root: ElementTree.Element, start: int) -> Iterator[ObjectInfo]:
    """The same of any page."""
    ns = root.tag[: root.tag.find("}") + 1]
    encoded = is_encoded(root)
    for entry in root.iterfind(f"{ns}Contents"):
        said = {child.tag: child.text for child in entry}  # to look for one after the other takes twice as long
        archived = said.get(f"{ns}StorageClass") in ARCHIVED
        readable = not archived or entry.find(f"{ns}RestoreStatus/{ns}RestoreExpiryDate") is not None
        yield ObjectInfo(
            _key(said.get(f"{ns}Key"), encoded)[start:], int(said.get(f"{ns}Size") or 0),
            _moment(said.get(f"{ns}LastModified") or _NO_TIME), unquoted(said.get(f"{ns}ETag")),
            None if readable else ARCHIVED_PROBLEM,
        )  # fmt: skip


def is_encoded(root: ElementTree.Element) -> bool:
    """Whether a page's keys are percent-encoded."""
    return root.findtext(f"{root.tag[: root.tag.find('}') + 1]}EncodingType") == "url"


def _key(text: str | None, encoded: bool) -> str:
    if encoded and text and ("%" in text or "+" in text):
        return unquote_plus(text, errors="surrogateescape")  # what is not UTF-8 stays what it is
    return text or ""


def _text(entries: bytes) -> str | None:
    try:
        return entries.decode()
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=1024)  # many objects of one page are of one second
def _moment(stamp: str) -> int:
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)
