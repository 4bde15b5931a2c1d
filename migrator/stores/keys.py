"""What is odd about a key, and so may be changed on the way.

A key is bytes to us, but paths to others: the byte lane would tidy some keys up, and so does many a server.
What the byte lane changes goes by the native lane; what a server changes is found by trying (see ``trials``).
"""

from __future__ import annotations

import re

KEY_BYTES = 1024
TOO_LONG = f"a key can't be longer than {KEY_BYTES} bytes"
NOT_UTF8 = "its name is not UTF-8, so no key can hold it byte for byte; rename it first"
NO_NAME = "it is the source folder's own marker, and a bucket has no object without a name; copy into a prefix"

EMPTY_SEGMENT, CLOSING_SLASH, MARKED_BYTES = "an empty segment", "a closing slash", "bytes under a closing slash"
DOTS, CONTROL, BACKSLASH = "a '.' or '..' segment", "a control character", "a backslash"
CLOSING_DOT = "a segment that ends in a dot"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
_CLOSING_DOT = re.compile(r"[^/]\.(?:/|$)")
# As nearly all keys are; and this is asked for each object.
_PLAIN = re.compile(r"(?:[A-Za-z0-9_=-][A-Za-z0-9_=.-]*/)*+[A-Za-z0-9_=-][A-Za-z0-9_=.-]*+")
_UNTIDY = re.compile(rf"^/|//|/$|{_CONTROL.pattern}|{_DOTS.pattern}")
# A key of each kind, to try with: what stands before the mark is the trial's own name.
SAMPLES = {
    EMPTY_SEGMENT: "/{}//x", CLOSING_SLASH: "{}/x/", MARKED_BYTES: "{}/x/", DOTS: "{}/./a/../x",
    CONTROL: "{}/\x01\t\nx", BACKSLASH: "{}/a\\x",
    CLOSING_DOT: "{}/x./y.",
}  # fmt: skip


def is_plain(key: str) -> bool:
    """Whether a key is short and of plain names: then neither `refusal` nor `oddities` has anything to say of it."""
    return len(key) <= KEY_BYTES // 4 and _PLAIN.fullmatch(key) is not None


def refusal(below: str, key: str) -> str | None:
    """Why no bucket can hold a key of a place whose own prefix is ``below``; None when it can."""
    full = below + key
    if not full:
        return NO_NAME
    if not is_unicode(key):
        return NOT_UTF8
    return TOO_LONG if len(full) * 4 > KEY_BYTES < len(full.encode()) else None


def tidy(key: str) -> bool:
    """Whether a key survives being read as a path, as the byte lane reads it."""
    return _UNTIDY.search(key) is None


def oddities(key: str, size: int = 0) -> list[str]:
    """What about a key and its object's size a server may not keep; nothing, as a rule."""
    if "\\" not in key and tidy(key):
        return []
    found = [EMPTY_SEGMENT] if key[:1] == "/" or "//" in key else []
    if key[-1:] == "/":
        found.append(MARKED_BYTES if size else CLOSING_SLASH)
    found += [kind for kind, pattern in ((DOTS, _DOTS), (CONTROL, _CONTROL)) if pattern.search(key)]
    return found + [BACKSLASH] * ("\\" in key)


def ends_in_dots(key: str) -> list[str]:
    """The oddity of a key that Azure says not to use: a part of it that ends in a dot."""
    return [CLOSING_DOT] if _CLOSING_DOT.search(key) else []


def is_unicode(key: str) -> bool:
    """Whether a key is text. What the system could not decode arrives as lone surrogates."""
    if key.isascii():
        return True
    try:
        key.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
