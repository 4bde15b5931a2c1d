"""Places where objects lie: locations, the store port and its adapters.

Each name is loaded when it is first used, and adapters when a store is opened: importing this package is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazily import names_of

if TYPE_CHECKING:
    from .base import Attributes, Body, Capabilities, ObjectInfo, Store, Written
    from .locations import Credentials, Location, overlap, same_place
    from .opening import open_store
    from .preflights import Preflight, preflight

__all__ = [
    "Attributes",
    "Body",
    "Capabilities",
    "Credentials",
    "Location",
    "ObjectInfo",
    "Preflight",
    "Store",
    "Written",
    "open_store",
    "overlap",
    "preflight",
    "same_place",
]

__getattr__ = names_of(__name__, {
    "base": ("Attributes", "Body", "Capabilities", "ObjectInfo", "Store", "Written"),
    "locations": ("Credentials", "Location", "overlap", "same_place"),
    "opening": ("open_store",),
    "preflights": ("Preflight", "preflight"),
})  # fmt: skip
