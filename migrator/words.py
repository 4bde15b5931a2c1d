"""The words that every floor uses, and figures as people read them."""

from __future__ import annotations

from typing import Any, Literal

Mode = Literal["streaming", "queue"]


def sized(size: float) -> str:
    """Bytes with a decimal unit, as storage is sold: ``119.9 GB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} PB"


def disarmed(value: Any) -> Any:
    """A key that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection)."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
