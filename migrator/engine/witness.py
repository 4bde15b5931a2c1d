"""Whether the bytes that came are those that the source vouches for, as far as it tells a hash of them."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import StoreError
from ..model import Item
from ..stores import Body
from ..stores.digests import Hasher, Word, comparable, word_of


class Witness:
    """Asks the source once more where its word and the bytes differ. Shared by threads.

    Not every tag that looks like a hash is one (SSE-KMS, parts of another size, odd servers). So a difference is no
    proof: the object is read again. Other bytes then mean that some were damaged on the way. The same bytes twice mean
    that this source's words of this kind tell nothing, which is found out once; but where the MD5 of another object
    was right, it is this one that is damaged.

    Parameters
    ----------
    again : callable
        Reads an item's source by an algorithm.
    """

    def __init__(self, again: Callable[[Item, str], Hasher]) -> None:
        self._again = again
        self._mute: set[tuple[str, bool]] = set()  # the kinds of words that tell nothing
        self._right = False  # whether an MD5 was right

    @property
    def doubts(self) -> bool:
        """Whether some words of this source are known to tell nothing."""
        return bool(self._mute)

    def word(self, item: Item, body: Body) -> Word | None:
        """The source's word for an object that is open, where it may tell something."""
        word = comparable(word_of(item.etag, body.checksum), item.bytes)
        if word and body.sealed and not body.checksum:
            word = word._replace(sealed=True)
        return None if word is None or (word.algorithm, word.sealed) in self._mute else word

    def check(self, item: Item, word: Word | None, hasher: Hasher) -> None:
        """Raise StoreError where the bytes that went through ``hasher`` are not the source's."""
        if word is None:
            return
        telling = word.algorithm == "md5" and word.checked and not word.sealed
        if hasher.confirms(word.digest):
            self._right = self._right or (telling and item.bytes > 0)
            return
        if self._again(item, hasher.algorithm).hexdigest() != hasher.hexdigest():
            raise StoreError(
                f"{item.key!r} did not come as it is at the source: read twice, it gave different bytes. Nothing was "
                "written; resume tries it again."
            )
        if telling and self._right:
            raise StoreError(
                f"{item.key!r} came twice with other bytes than its ETag tells, and other ETags of this source do tell "
                "theirs: it is damaged there, or on its way. Nothing was written; resume tries it again."
            )
        self._mute.add((word.algorithm, word.sealed))
