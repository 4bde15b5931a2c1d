"""Reasons for which items fail, as few as there are: what differs from one item to the next is left out of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

LEFT_OUT = "…"
# What is quoted, figures, hashes and versions, in that order; a status such as 403 is part of the reason.
_CHANGING = re.compile(r"'[^']*'|\"[^\"]*\"|\b(?!\d{3}\b)[0-9a-fA-F-]*\d(?:[0-9a-fA-F.:-]*[0-9a-fA-F])?\b")
_WORD = re.compile(r"[a-zA-Z]*")


def gist(reason: str, key: str = "") -> str:
    """A reason without what is one item's alone: ``ETag … → …``."""
    bare = reason if _WORD.fullmatch(key) else reason.replace(key, LEFT_OUT)  # a key "link" is no symbolic link
    return _CHANGING.sub(LEFT_OUT, bare)


def matching(gist: str) -> str:
    """The SQL pattern, with ``!`` as its escape, of all reasons with this gist."""
    return re.sub(r"([!%_])", r"!\1", gist).replace(LEFT_OUT, "%")


def grouped(failures: Iterable[Mapping[str, Any]], most: int) -> list[dict[str, Any]]:
    """Items that failed or were refused by status and gist, the most frequent first: ``status gist items``."""
    found = Counter((str(each["status"]), gist(each["error"] or "", str(each["key"]))) for each in failures)
    told = [{"status": status, "gist": what, "items": items} for (status, what), items in found.most_common(most)]
    return sorted(told, key=lambda each: each["status"] != "failed")
