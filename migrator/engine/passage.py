"""What each object goes through on its way, however it is sent: attributes fitted, bytes hashed, evidence found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import SourceChanged, StoreError
from ..migrations.losses import lost, type_of
from ..model import Item, Receipt
from ..stores import Attributes, Body, Store, Written
from ..stores.abilities import ServerSide
from ..stores.base import of_type
from ..stores.checksums import SUMMED_BYTES, WIDTHS
from ..stores.digests import Hasher, Word, md5_told, word_of
from .evidence import Asked, Evidence
from .sidecar import write_sidecar
from .standing import before_of, checksum_of, conflict_at, corrupt, name_of
from .witness import Witness

if TYPE_CHECKING:
    from ..migrations import Control
    from ..stores.local import LocalStore


class Abandoned(Exception):
    """The run was asked to stop in the middle of an object; nothing of it is left."""


class Fitted(NamedTuple):
    """What the target gets of an object beside its bytes, the names of what it can't hold, and the source's word."""

    attributes: Attributes
    losses: str | None
    word: Word | None


class Passage:
    """Between the two stores of one run. Used by many threads at once."""

    def __init__(self, source: Store, target: Store, control: Control, asked: Asked) -> None:
        self.source, self.target, self.control, self.record = source, target, control, asked.record
        self.evidence = Evidence(target, asked, self.unless_stopped)
        self._sidecar = asked.sidecar
        self._witness = Witness(self.read_source)
        self.to_folder = target.location.kind == "local"
        # Asked once an object, and the same for all of them.
        self._source_holds = source.capabilities.holds_attributes
        self._target_holds = target.capabilities.holds_attributes
        # The target, where its server can copy; but for a strong hash the bytes must pass here.
        self.server = _server_of(target, source) if not asked.record else None

    def fit(self, item: Item, body: Body) -> Fitted:
        """What is to be known of an open object before its bytes are read. Raises SourceChanged for another size."""
        if body.size != item.bytes:
            raise SourceChanged(f"{item.key!r} has {body.size:,} bytes now, not {item.bytes:,}. Plan again.")
        attributes, losses = self._attributes(item.key, body.attributes)
        if losses and self._sidecar:
            write_sidecar(self.target, name_of(item), attributes, self.scratch(item))
        return Fitted(attributes, losses, self._witness.word(item, body))

    def hasher(self, item: Item, word: Word | None) -> Hasher:
        """For the hash that the target will tell, and for the source's word beside it."""
        theirs = word.algorithm if word else None
        ours = self.target.hash_of(item.bytes) or theirs or "xxh3"
        return self.evidence.hasher(ours, None if theirs == ours else theirs)

    def hashed(self, item: Item, data: bytes, fitted: Fitted) -> Hasher:
        """The hash of all its bytes. Raises StoreError where they are not the source's."""
        hasher = self.hasher(item, fitted.word)
        hasher.update(data)
        self.check(item, fitted.word, hasher)
        return hasher

    def check(self, item: Item, word: Word | None, hasher: Hasher) -> None:
        """Raise StoreError where the bytes that went through ``hasher`` are not the source's."""
        self._witness.check(item, word, hasher)

    def terms(self, item: Item) -> dict[str, Any]:
        """On which an object is written."""
        return {"before": before_of(item), "mtime": item.mtime, "scratch": self.scratch(item)}

    def copied(self, item: Item, written: Written, hasher: Hasher, fitted: Fitted) -> Receipt:
        """The receipt of what was read, hashed and written. Raises StoreError where the target holds something else."""
        evidence = self.evidence.find(item, written, hasher, fitted.word)
        if unkept := self.evidence.unkept(item, written, fitted.attributes):
            written = written._replace(dropped=written.dropped + unkept)
        return receipt_of(item, "copied", evidence, hasher.told(), written, fitted.losses)

    def copied_by_server(self, item: Item, written: Written) -> Receipt:
        """The receipt of what the target's server copied itself: by its tag, by checksums, or reading both."""
        digest = md5_told(item.etag)
        if digest and md5_told(written.etag, checked=True) == digest:
            return receipt_of(item, "copied", "server-hash", f"md5:{digest}", written, None)
        checksum = checksum_of(self.source, item.key, item.etag)
        if checksum and checksum == checksum_of(self.target, name_of(item), written.etag):
            return receipt_of(item, "copied", "server-hash", checksum, written, None)
        here = self.read_source(item, "xxh3")
        there = self.evidence.read_written(item, written, "xxh3")
        if here.hexdigest() != there.hexdigest():
            raise corrupt(item)
        return receipt_of(item, "copied", "re-read", here.told(), written, None)

    def adopt(self, item: Item, hasher: Hasher | None, losses: str | None, conflict: StoreError) -> Receipt:
        """What stands at the target unforeseen: ours, if it is the same bytes, by the hash that it is told to have or
        by reading it. A checksum of the bytes that were read would say too little.

        Raises
        ------
        StoreError
            What stands there, if it is something else.
        """
        standing = self.target.head(name_of(item))
        if standing is None or standing.size != item.bytes:
            raise conflict_at(item, standing) from conflict
        written = Written(standing.etag)
        word = word_of(standing.etag)
        if word and word.checked and word == word_of(item.etag):
            return receipt_of(item, "adopted", "server-hash", f"{word.algorithm}:{word.digest}", written, losses)
        try:
            if hasher is None or hasher.algorithm in WIDTHS:
                hasher = self.read_source(item, word.algorithm if word and word.algorithm not in WIDTHS else "xxh3")
            evidence = self.evidence.find(item, written, hasher, None, ours=False)
        except StoreError:
            raise conflict_at(item, standing) from conflict
        return receipt_of(item, "adopted", evidence, hasher.told(), written, losses)

    def wants_checksum(self, item: Item) -> bool:
        """Whether the source's version tag tells less than a checksum, or one that costs more."""
        return item.bytes >= SUMMED_BYTES or "-" in (item.etag or "-") or self._witness.doubts

    def read_source(self, item: Item, algorithm: str) -> Hasher:
        """The bytes of its source once more."""
        return self.evidence.read(self.source, item.key, item.etag, self.evidence.hasher(algorithm))

    def scratch(self, item: Item, attempt: int | None = None) -> str:
        """What its temporary name is made of, in this attempt or another."""
        # Named by attempt: one that was stopped for long and taken over must not publish its successor's bytes.
        return f"{self.control.run_id}-{item.item_no}-{attempt or self.control.attempt}"

    def clear(self, item: Item) -> None:
        """Remove what earlier attempts left under their temporary names where this item goes."""
        if self.to_folder:
            target: LocalStore = self.target  # pyright: ignore[reportAssignmentType]
            for attempt in range(1, self.control.attempt):
                target.discard(name_of(item), self.scratch(item, attempt))

    def unless_stopped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self.control.cancelled():
                raise Abandoned
            yield chunk

    def _attributes(self, key: str, attributes: Attributes) -> tuple[Attributes, str | None]:
        """The attributes that the target gets, and the names of those it can't hold."""
        if not self._target_holds:
            return attributes, lost(key, attributes)
        if not self._source_holds and (guess := type_of(key)):
            return of_type(guess), None
        return attributes, None


def _server_of(target: Store, source: Store) -> ServerSide | None:
    return target if isinstance(target, ServerSide) and target.can_copy_from(source) else None


def receipt_of(item: Item, status: str, evidence: str, digest: str, written: Written, losses: str | None) -> Receipt:
    now = time.time_ns() // 1_000_000
    if written.dropped:
        losses = ",".join(filter(None, (losses, *written.dropped)))
    return Receipt(item.item_no, status, evidence, digest, item.bytes, written.etag, losses, None, now)
