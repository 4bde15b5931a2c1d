"""The words that every floor uses, and figures as people read them."""

from __future__ import annotations

from typing import Literal

Mode = Literal["streaming", "queue"]


def sized(size: float) -> str:
    """Bytes with a decimal unit, as storage is sold: ``119.9 GB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} PB"
