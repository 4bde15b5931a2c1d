"""Globs over keys, as regular expressions that RE2 takes: it can't run away, whatever the pattern."""

from __future__ import annotations

import re

from ..errors import BadInput


def regex_of(glob: str) -> str:
    """The regular expression that a whole key matches when the glob does.

    ``*`` is anything but a slash, ``**`` anything at all, ``?`` one character but a slash, ``[a-z]`` one of those. A
    glob without a slash in it is meant of the last segment, wherever that is; one that ends with a slash of all below
    that folder. A slash at its beginning anchors it.

    Raises
    ------
    BadInput
        If it is no glob.
    """
    if not glob:
        raise BadInput("An empty glob matches nothing; leave it out, or write ** for everything.")
    pattern = glob + "**" if glob.endswith("/") else glob
    anywhere = "/" not in pattern.rstrip("*") and "/" not in glob
    return ("(?:.*/)?" if anywhere else "") + _translate(pattern.removeprefix("/"), glob)


def _translate(pattern: str, glob: str) -> str:
    parts, at = [], 0
    while at < len(pattern):
        for token, meaning in (("**/", "(?:.*/)?"), ("**", ".*"), ("*", "[^/]*"), ("?", "[^/]")):
            if pattern.startswith(token, at):
                parts.append(meaning)
                at += len(token)
                break
        else:
            part, at = _one_of(pattern, at, glob) if pattern[at] == "[" else (re.escape(pattern[at]), at + 1)
            parts.append(part)
    return "".join(parts)


def _one_of(pattern: str, at: int, glob: str) -> tuple[str, int]:
    end = pattern.find("]", at + 2)
    if end < 0:
        raise BadInput(f"The glob {glob!r} has a [ without its ]; write [[] for the character itself.")
    inside = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
    inside = "^/" + inside[1:] if inside[0] in "!^" else inside
    return f"[{inside}]", end + 1
