"""What a power cut leaves under a name whose bytes were not on the disk yet.

A file system writes names, times and sizes down before the bytes behind them. Such a file has the time that it was
given last of all, and is shorter than it was, or as long with zeros where bytes never came: ext4 may commit a
file's size while its extents are still marked unwritten (``dioread_nolock``, the default since Linux 5.6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

from ..stores.digests import PART_BYTES
from .standing import name_of

if TYPE_CHECKING:
    from ..model import Item
    from ..stores import Store
    from ..stores.local import LocalStore

SECTOR = 512  # no file system's block is smaller
Chunks = Callable[[Iterator[bytes]], Iterator[bytes]]


def discard_torn(source: Store, target: LocalStore, item: Item, watched: Chunks) -> bool:
    """Remove what stands where an item goes, if it is a torn copy of it; whether it was.

    Both are read and compared: each sector that differs must be all zeros. ``watched`` passes chunks on, or raises
    to stop it.
    """
    key = name_of(item)
    standing = target.head(key)
    if standing is None or standing.mtime != item.mtime or standing.size > item.bytes:
        return False
    with source.open(item.key, item.etag) as whole, target.open(key, standing.etag) as left:
        if not is_torn(watched(left.chunks(PART_BYTES)), whole.chunks(PART_BYTES)):
            return False
    return target.remove(key, standing.etag)


def is_torn(left: Iterable[bytes], whole: Iterable[bytes]) -> bool:
    """Whether ``left`` is ``whole`` without some of its sectors. Both come in pieces of one size."""
    lost = False
    for here, there in zip_longest(left, whole, fillvalue=b""):
        lost = lost or here != there
        if here != there[: len(here)] and not _only_zeros_differ(here, there):
            return False
    return lost


def _only_zeros_differ(here: bytes, there: bytes) -> bool:
    starts = range(0, len(here), SECTOR)
    return all(not any(part) or part == there[at : at + len(part)] for at in starts if (part := here[at : at + SECTOR]))
