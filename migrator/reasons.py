"""Reasons for which items fail, as few as there are: what differs from one item to the next is left out of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

LEFT_OUT = "…"
# Replacements that Python and DuckDB (RE2, which looks neither ahead nor back) make alike, in this order.
_REPLACED = (
    (r"""(^|[^=])('[^']*'|"[^"]*")""", rf"\1{LEFT_OUT}"),  # what is quoted, unless it is an option's value
    (r"(^|[ (])([45])([0-9]{2})($|[);:]| for | [A-Z])", r"\1\2_status_\3\4"),  # an HTTP status is none of the figures
    (r"\b[0-9a-fA-F-]*[0-9]([0-9a-fA-F.:,-]*[0-9a-fA-F])?\b", LEFT_OUT),  # figures, hashes, times, versions
    (r"([45])_status_([0-9]{2})", r"\1\2"),
    (f"{LEFT_OUT}{LEFT_OUT}+", LEFT_OUT),
)
_WORD = "[a-zA-Z]*"  # a key "link" is no symbolic link


def gist(reason: str, key: str = "") -> str:
    """A reason without what is one item's alone: ``ETag … → …``."""
    text = reason if re.fullmatch(_WORD, key) else reason.replace(key, LEFT_OUT)
    for pattern, instead in _REPLACED:
        text = re.sub(pattern, instead, text, flags=re.ASCII)
    return text


def gist_in_sql(reason: str, key: str = "") -> str:
    """The same as an expression of SQL over columns; of no reason it is empty.

    Without ``key`` it costs a plan of millions nothing: its few reasons are looked at once each. They quote their keys.
    """
    bare = f"if(regexp_full_match({key}, '{_WORD}'), {reason}, replace({reason}, {key}, '{LEFT_OUT}'))"
    text = bare if key else reason
    for pattern, instead in _REPLACED:
        text = f"regexp_replace({text}, '{pattern.replace(chr(39), chr(39) * 2)}', '{instead}', 'g')"
    return f"coalesce({text}, '')"


def matching(gist: str) -> str:
    """The SQL pattern, with ``!`` as its escape, of all reasons with this gist."""
    return re.sub(r"([!%_])", r"!\1", gist).replace(LEFT_OUT, "%")


def grouped(failures: Iterable[Mapping[str, Any]], most: int) -> list[dict[str, Any]]:
    """Items that failed or were refused by status and gist, the most frequent first: ``status gist items``."""
    found = Counter((str(each["status"]), gist(each["error"] or "", str(each["key"]))) for each in failures)
    told = [{"status": status, "gist": what, "items": items} for (status, what), items in found.most_common(most)]
    return sorted(told, key=lambda each: each["status"] != "failed")
