"""What shows that the target holds what was read, and how much is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NotFound, PlaceGone, SourceChanged
from ..migrations.losses import differing
from ..migrations.sampling import in_sample
from ..model import Item
from ..stores import Attributes, Store, Written
from ..stores.digests import PART_BYTES, Hasher, Strong, Word, told
from .standing import corrupt, name_of

if TYPE_CHECKING:
    from ..migrations import CopyObjects

Chunks = Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """How much evidence a copy is asked for.

    ``reread``: the share of the objects that is read again where no server's hash compares. ``record``: a strong hash
    of the bytes for the record. ``metadata``: look at what the target kept of each object's. ``sidecar``: write what a
    folder does not keep beside it.
    """

    reread: float = 1.0
    record: Strong | None = None
    metadata: bool = False
    sidecar: bool = False

    @classmethod
    def by(cls, migration: CopyObjects) -> Asked:
        return cls(
            migration.reread, migration.record, migration.compare_metadata, sidecar=migration.on_loss == "sidecar"
        )


class Evidence:
    """Finds it for the items of one run. Used by many threads at once; holds nothing that changes."""

    def __init__(self, target: Store, asked: Asked, unless_stopped: Callable[[Chunks], Chunks]) -> None:
        self._target, self._asked, self._unless_stopped = target, asked, unless_stopped
        self._holds = target.capabilities.holds_attributes

    def hasher(self, algorithm: str, beside: str | None = None) -> Hasher:
        """For the bytes of one object as they pass by."""
        return Hasher(algorithm, self._asked.record, beside=beside)

    def find(self, item: Item, written: Written, hasher: Hasher, word: Word | None, *, ours: bool = True) -> str:
        """The evidence that the target holds the bytes that were read.

        A server's own hash of them where one compares: the target's, or for a file of ``ours``, that was just written
        of them, the source's ``word``. Else the target is read again, or where that is not asked for and it is ours
        its size is looked at.

        Raises
        ------
        StoreError
            If it holds something else.
        """
        digest = hasher.hexdigest()
        if written.checked or digest in (written.digest, told(written.etag, checked=True)):
            return "server-hash"
        if ours and not self._holds and word and word.checked and hasher.confirms(word.digest):
            return "server-hash"
        if ours and not in_sample(item.key, self._asked.reread):
            return self._by_size(item, written)
        if digest != self.read_written(item, written, hasher.algorithm).hexdigest():
            raise corrupt(item)
        return "re-read"

    def read_written(self, item: Item, written: Written, algorithm: str) -> Hasher:
        """The bytes that the target has now. Raises StoreError where it has them no more, or never had."""
        with _as_written(item):
            return self.read(self._target, name_of(item), written.etag, Hasher(algorithm))

    def _by_size(self, item: Item, written: Written) -> str:
        standing = self._target.head(name_of(item))
        if standing is None or standing.size != item.bytes or standing.etag != written.etag:
            raise corrupt(item)
        return "size-only"

    def read(self, store: Store, key: str, etag: str | None, hasher: Hasher) -> Hasher:
        """Feed an object to a hasher, which is given back."""
        with store.open(key, etag) as body:
            for chunk in self._unless_stopped(body.chunks(PART_BYTES)):
                hasher.update(chunk)
        return hasher

    def unkept(self, item: Item, written: Written, sent: Attributes) -> tuple[str, ...]:
        """The names of attributes that the target did not keep as they were sent, where that is asked for."""
        if not (self._asked.metadata and self._holds):
            return ()
        with _as_written(item), self._target.open(name_of(item), written.etag) as body:
            kept = body.attributes
        return tuple(name for name, ours, _ in differing(sent, kept) if ours is not None)


@contextmanager
def _as_written(item: Item) -> Iterator[None]:
    """What of an object is not at the target after it was taken there is no drift, but a copy that did not work."""
    try:
        yield
    except PlaceGone:
        raise
    except (NotFound, SourceChanged):
        raise corrupt(item) from None
