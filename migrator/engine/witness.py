"""Whether the bytes that came are those that the source vouches for, as far as its version tag tells their hash."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..errors import StoreError
from ..model import Item
from ..stores.digests import Hasher, md5_told, told

_MD5 = re.compile(r"[0-9a-f]{32}(-[0-9]{1,5})?")


class Witness:
    """Asks the source once more where its word and the bytes differ. Shared by threads.

    Not every tag that looks like a hash is one (SSE-KMS, parts of another size, odd servers). So a difference is no
    proof: the object is read again. The same bytes twice mean that this source's tags of this kind tell nothing, which
    is found out once; others mean that some were damaged on the way.

    Parameters
    ----------
    again : callable
        Reads an item's source by an algorithm.
    """

    def __init__(self, again: Callable[[Item, str], Hasher]) -> None:
        self._again = again
        self._mute: set[tuple[str, bool]] = set()  # tags of whole objects, or of parts, that tell this hash nothing

    def wants_whole(self, item: Item, algorithm: str) -> bool:
        """Whether the source's word is of all bytes and ``algorithm`` goes by parts: to read it again costs more."""
        return algorithm == "md5-parts" and bool(md5_told(item.etag)) and (algorithm, False) not in self._mute

    def check(self, item: Item, hasher: Hasher) -> None:
        """Raise StoreError where the bytes that went through ``hasher`` are not the source's."""
        word = told(item.etag) or ""
        if hasher.confirms(word) or not _MD5.fullmatch(word):
            return
        kind = (hasher.algorithm, "-" in word)
        if kind in self._mute:
            return
        if self._again(item, hasher.algorithm).hexdigest() != hasher.hexdigest():
            raise StoreError(
                f"{item.key!r} did not come as it is at the source: read twice, it gave different bytes. Nothing was "
                "written; resume tries it again."
            )
        self._mute.add(kind)
