"""What a folder's files can't keep, in a file beside them: headers, user metadata and tags as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from ..config import SIDECAR
from ..stores import Attributes, Store


def write_sidecar(target: Store, name: str, attributes: Attributes, scratch: str) -> None:
    """Write an object's attributes to ``.migrator-attributes/<name>.json`` below the target, in place of older ones.

    Raises
    ------
    StoreError
        If it can't be written; the object is not to be called copied then.
    """
    key = f"{SIDECAR}{name}.json"
    data = json.dumps({kind: dict(held) for kind, held in asdict(attributes).items() if held}, ensure_ascii=False)
    standing = target.head(key)
    before = standing.etag if standing else None
    target.put(key, data.encode("utf-8", "surrogateescape"), Attributes(), before=before, mtime=None, scratch=scratch)
