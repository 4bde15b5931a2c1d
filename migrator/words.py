"""The words that every floor uses, figures as people read them, and texts as every keeper takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

Mode = Literal["streaming", "queue"]

# What a settled item is called where people read it; a check has words of its own for what came of it.
OUTCOMES = ("copied", "adopted", "skipped", "failed", "refused")
_DELETED = {"copied": "deleted", "skipped": "gone already", "refused": "left"}
CALLED = {
    "verify": {"skipped": "the same", "failed": "different", "refused": "not comparable"},
    "delete-source": _DELETED,
    "delete-extra": _DELETED,
    "purge-quarantine": _DELETED,
}

# What became of the bytes that count as moved.
MOVED = {"verify": "compared", "delete-source": "deleted", "delete-extra": "deleted", "purge-quarantine": "deleted"}

_UNSTORABLE = re.compile("[\x00\x10\ud800-\udfff]")
_STORED = re.compile("\x10([0-9a-f]{4})")


def moment(at: int | None) -> str:
    """Milliseconds since the epoch as a time that is the same everywhere: ``2026-03-11 02:15:00 UTC``; "" for None."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else ""


def sized(size: float) -> str:
    """Bytes with a decimal unit, as storage is sold: ``119.9 GB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} PB"


def counted(number: int, thing: str, things: str = "") -> str:
    """So many of something: ``1 run``, ``1,500 runs``."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def outcome(counts: Mapping[str, int], migration: str = "") -> str:
    """What came of the settled items, in words: ``1,500 copied, 2 failed``; "" of none."""
    called = CALLED.get(migration, {})
    return ", ".join(f"{counts[name]:,} {called.get(name, name)}" for name in OUTCOMES if counts[name])


def lasting(seconds: float) -> str:
    """A time as people say it: ``3 min 20 s``; ``0.6 s`` where it is that short."""
    if 0 < seconds < 0.95:
        return f"{max(seconds, 0.1):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def shown(text: str) -> str:
    """Text from outside on one line: what is not printable as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def disarmed(value: Any) -> Any:
    """A key that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection)."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def escape(text: str) -> str:
    """Text that every database and file takes; `unescape` gives the same text back.

    A file name that is not UTF-8 arrives with lone surrogates, which no driver sends and no Parquet file holds,
    and a key may hold a NUL, which PostgreSQL refuses. Such a character becomes DLE, the *data link escape*, and
    four hexadecimal digits.
    """
    return _UNSTORABLE.sub(lambda found: f"\x10{ord(found[0]):04x}", text)


def unescape(text: str) -> str:
    """The text that `escape` was given."""
    return _STORED.sub(lambda found: chr(int(found[1], 16)), text) if "\x10" in text else text


def storable(text: str) -> bool:
    """Whether `escape` would leave it as it is."""
    return _UNSTORABLE.search(text) is None
