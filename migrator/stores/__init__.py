"""Places where objects lie: locations, the store port and its adapters.

Adapters load their libraries when a store is opened: importing this package is cheap.
"""

from __future__ import annotations

from .base import Attributes, Body, Capabilities, ObjectInfo, Store, Written
from .locations import Credentials, Location, overlap, same_place
from .opening import open_store
from .preflight import Preflight, preflight

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
