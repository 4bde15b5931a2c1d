"""From a location to a store."""

from __future__ import annotations

import os

from .base import Store
from .locations import Location


def open_store(location: Location | str | os.PathLike[str]) -> Store:
    """Open the store at a location. Sends no request: see ``Store.probe``.

    Parameters
    ----------
    location : Location, str or path
        Resolved here when it is not yet.

    Raises
    ------
    BadInput
        If the location can't be a place.
    """
    place = Location.parse(location).resolve()
    if place.kind == "local":
        from .local import LocalStore

        return LocalStore(place)
    if place.kind == "memory":
        from .memory import MemoryStore

        return MemoryStore(place)
    if place.kind == "gs":
        from .gcs import GoogleStore

        return GoogleStore(place)
    if place.kind == "az":
        from .azure import AzureStore

        return AzureStore(place)
    from .s3 import S3Store

    return S3Store(place)
