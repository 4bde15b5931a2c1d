"""What an object carries that a file does not keep."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from ..stores import Attributes, Store

UNKNOWN_TYPES = frozenset({"application/octet-stream", "binary/octet-stream", "application/x-directory"})
AT_ONCE = 16


def lost(key: str, attributes: Attributes) -> str | None:
    """The names of attributes that a file does not keep, by commas; a type that its name tells anyway is not lost."""
    kind = attributes.headers.get("content-type")
    implied = kind in UNKNOWN_TYPES or kind == type_of(key)
    names = [name for name in attributes.headers if name != "content-type" or not implied]
    names += [f"meta:{name}".replace(",", ";") for name in attributes.metadata]
    names += [f"tag:{name}".replace(",", ";") for name in attributes.tags]
    return ",".join(names) or None


def differing(here: Attributes, there: Attributes) -> Iterator[tuple[str, str | None, str | None]]:
    """The attributes that differ: a name as in `lost`, and both values."""
    kinds = (
        ("", here.headers, there.headers),
        ("meta:", here.metadata, there.metadata),
        ("tag:", here.tags, there.tags),
    )
    for kind, ours, theirs in kinds:
        for name in sorted({*ours, *theirs}):
            if ours.get(name) != theirs.get(name):
                yield f"{kind}{name}".replace(",", ";"), ours.get(name), theirs.get(name)


def type_of(key: str) -> str | None:
    """The content type that a name tells by its last suffix."""
    return _type_of_suffix(key[at:].lower()) if (at := key.rfind(".")) > key.rfind("/") else None


def look_for_losses(rows: Iterable[dict[str, Any]], sources: Mapping[str | None, Store]) -> list[str | None]:
    """What each of these rows' objects would lose: a request for each. ``sources`` by what the rows call them."""

    def look(row: dict[str, Any]) -> str | None:
        with sources[row["source"]].open(row["key"], row["etag"]) as body:
            return lost(row["key"], body.attributes)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(look, rows))


@lru_cache(maxsize=1024)
def _type_of_suffix(suffix: str) -> str | None:
    kind, encoding = mimetypes.guess_type("x" + suffix, strict=False)
    return None if encoding else kind
