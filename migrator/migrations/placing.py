"""Whether places suit a copy: apart from each other, told apart, and writable."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from ..config import QUARANTINE
from ..errors import BadInput, Denied, Unreachable
from ..stores import Location, open_store, overlap


def check_apart(source: Location, target: Location) -> None:
    """A source and the target must not hold each other. Raises BadInput."""
    where = overlap(source, target)
    if where == "a inside b" and _is_kept(source, target):
        where = None  # no listing of the target has what is in quarantine there
    if where == "same":
        raise BadInput(f"Source and target are the same place: {target}. Choose another target.")
    if where:
        inner, outer = (source, target) if where == "a inside b" else (target, source)
        raise BadInput(
            f"{inner} lies inside {outer}, so the copy would meet itself. Choose a target that neither holds "
            "the source nor lies in it."
        )


def check_distinct(sources: Sequence[Location]) -> None:
    """Several sources must be told apart, by what they are and by what they are called. Raises BadInput."""
    for one, other in combinations(sources, 2):
        if overlap(one, other):
            raise BadInput(f"Two of the sources, {one} and {other}, hold the same objects. Name each place once.")
        if str(one) == str(other):
            raise BadInput(f"Two sources at two endpoints are called {one}. Use a named connection for one.")


def check_reached(place: Location, side: str) -> None:
    """A place must be there and may be listed. Raises StoreError, which says of whose keys it speaks."""
    try:
        open_store(place).probe()
    except (Denied, Unreachable) as error:
        raise type(error)(f"The {side}: {error}") from None


def check_folder(target: Location) -> None:
    """The nearest folder that exists must take new entries. Raises BadInput."""
    path = Path(str(target.path))
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        path = path.resolve()
        if not path.is_dir():
            raise BadInput(f"The target {target} is not a folder. Name a folder.")
    while not path.exists():
        path = path.parent
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        raise BadInput(f"Nothing can be written to {target}: {path} does not allow it. Choose another, or mend that.")


def _is_kept(source: Location, target: Location) -> bool:
    """Whether a source is what earlier runs replaced at the target."""
    (_, here), (_, there) = source.identity(), target.identity()
    return here[len(there) :][:1] == (QUARANTINE.rstrip("/"),)
