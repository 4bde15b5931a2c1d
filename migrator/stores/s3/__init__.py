"""Buckets of S3, and of all that speaks it.

The store is loaded when it is first used: what only wants to know a place needs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazily import names_of

if TYPE_CHECKING:
    from .store import S3Store

__all__ = ["S3Store"]

__getattr__ = names_of(__name__, {"store": ("S3Store",)})
