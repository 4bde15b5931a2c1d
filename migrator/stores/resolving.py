"""What environment and configuration decide about a place, written into its location once."""

from __future__ import annotations

from .locations import Location
from .s3 import place as s3_place


def resolve(location: Location) -> Location:
    """The location with all that reaching it takes written in; see the place of each kind.

    An option given with the location wins over its named connection, and that over the environment.
    """
    if location.resolved:
        return location
    if location.kind == "gs":  # imported where it is meant: a package brings its store along
        from .gcs import place

        return place.resolve(location)
    if location.kind == "az":
        from .azure import place

        return place.resolve(location)
    return s3_place.resolve(location)
