"""Whether the bytes that came are those that the source vouches for, as far as it tells a hash of them."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import StoreError
from ..model import Item
from ..stores.digests import Hasher, Word


class Witness:
    """Asks the source once more where its word and the bytes differ. Shared by threads.

    Not every tag that looks like a hash is one (SSE-KMS, parts of another size, odd servers). So a difference is no
    proof: the object is read again. The same bytes twice mean that this source's words of this kind tell nothing, which
    is found out once; others mean that some were damaged on the way.

    Parameters
    ----------
    again : callable
        Reads an item's source by an algorithm.
    """

    def __init__(self, again: Callable[[Item, str], Hasher]) -> None:
        self._again = again
        self._mute: set[str] = set()  # the algorithms of words that tell nothing

    @property
    def doubts(self) -> bool:
        """Whether some words of this source are known to tell nothing."""
        return bool(self._mute)

    def believed(self, word: Word | None) -> Word | None:
        """A word that may tell something."""
        return None if word is None or word.algorithm in self._mute else word

    def check(self, item: Item, word: Word | None, hasher: Hasher) -> None:
        """Raise StoreError where the bytes that went through ``hasher`` are not the source's."""
        if word is None or hasher.confirms(word.digest):
            return
        if self._again(item, hasher.algorithm).hexdigest() != hasher.hexdigest():
            raise StoreError(
                f"{item.key!r} did not come as it is at the source: read twice, it gave different bytes. Nothing was "
                "written; resume tries it again."
            )
        self._mute.add(word.algorithm)
