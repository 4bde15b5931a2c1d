"""The most important operation here: one object from one store to another, checked.

Server-side where the server can and its word can be checked; whole in memory when small; in parts
when large; file to file by the kernel. Whatever stands at the target unforeseen is looked at: the
same bytes are *adopted* (an attempt that died wrote them), anything else is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeAlias

from ..config import LARGE_BYTES
from ..errors import AlreadyExists, SourceChanged, StoreError
from ..migrations.losses import lost, type_of
from ..model import Item, Receipt
from ..stores import Attributes, Body, Store, Written
from ..stores.base import of_type
from ..stores.checksums import SUMMED_BYTES, WIDTHS
from ..stores.digests import PART_BYTES, Hasher, Word, md5_told, word_of
from .evidence import Asked, Evidence
from .sidecar import write_sidecar
from .standing import before_of, checksum_of, conflict_at, corrupt, name_of
from .torn import discard_torn
from .witness import Witness

if TYPE_CHECKING:
    from ..migrations import Control
    from ..stores.base import ServerSide
    from ..stores.local import LocalStore

# Where a copy by the server is not conditional a smaller object is read and written, which is.
SERVER_COPY_BYTES = 1 << 20
# A file up to this is copied before anybody could look how far it is, or ask to stop.
WATCHED_BYTES = 1 << 20
_UNWATCHED = nullcontext()
Opened: TypeAlias = AbstractContextManager[Body]


class Abandoned(Exception):
    """The run was asked to stop in the middle of an object; nothing of it is left."""


class Copier:
    """Copies the items of one run. Used by many threads at once."""

    def __init__(self, source: Store, target: Store, control: Control, asked: Asked = Asked()) -> None:  # noqa: B008 - frozen
        self._source, self._target, self._control, self._record = source, target, control, asked.record
        self._sidecar = asked.sidecar
        self._evidence = Evidence(target, asked, self._unless_stopped)
        self._witness = Witness(self._read_source)
        self._to_folder = target.location.kind == "local"
        self._files = self._to_folder and source.location.kind == "local"
        # Asked once an object, and the same for all of them.
        self._source_holds = source.capabilities.holds_attributes
        self._target_holds = target.capabilities.holds_attributes
        can_copy = getattr(target, "can_copy_from", None)
        # For a strong hash the bytes must pass here.
        self._server_side = bool(can_copy and can_copy(source)) and not asked.record
        self.asks_ahead = source.location.kind == "s3" and not self._server_side

    def ahead(self, item: Item) -> Opened | None:
        """Send for a small object that is copied next; None where its bytes don't pass here."""
        if not self.asks_ahead or self._wants_checksum(item):
            return None
        body: Any = self._source.open(item.key, item.etag)
        body.ask()
        return body

    def copy(self, item: Item, sent: Opened | None = None) -> Receipt:
        """Copy one planned object; ``sent`` is what `ahead` gave for it.

        Raises
        ------
        StoreError
            If it could not be copied; nothing half done is at the target.
        Abandoned
            If the run was asked to stop meanwhile.
        """
        self._clear(item)
        try:
            return self._copy(item, sent)
        except AlreadyExists:
            if not self._discard_torn(item):
                raise
            return self._copy(item._replace(before=None))

    def _copy(self, item: Item, sent: Opened | None = None) -> Receipt:
        if self._files:
            self._control.spend(min(item.bytes, LARGE_BYTES))  # the rest as it moves
            return self._copy_file(item)
        if self._server_side and md5_told(item.etag):
            target: ServerSide = self._target  # pyright: ignore[reportAssignmentType]
            guarded = target.guards_copies(before_of(item))
            if (guarded or item.bytes >= SERVER_COPY_BYTES) and (receipt := self._copy_on_server(item, guarded)):
                return receipt
        elif self._server_side and item.bytes > LARGE_BYTES and (receipt := self._copy_parts_on_server(item)):
            return receipt
        with sent or self._source.open(item.key, item.etag, checksum=self._wants_checksum(item)) as body:
            if body.size != item.bytes:
                raise SourceChanged(f"{item.key!r} has {body.size:,} bytes now, not {item.bytes:,}. Plan again.")
            attributes, losses = self._fit(item.key, body.attributes)
            if losses and self._sidecar:
                write_sidecar(self._target, name_of(item), attributes, self._scratch(item, self._control.attempt))
            send = self._send_whole if item.bytes <= LARGE_BYTES else self._send_parts
            return send(item, body, attributes, losses)

    def _send_whole(self, item: Item, body: Body, attributes: Attributes, losses: str | None) -> Receipt:
        self._control.spend(item.bytes)
        data, word = body.read(), self._witness.believed(word_of(item.etag, body.checksum))
        hasher = self._hasher(item, word)
        hasher.update(data)
        self._witness.check(item, word, hasher)
        try:
            written = self._target.put(name_of(item), data, attributes, **self._terms(item))
        except AlreadyExists as conflict:
            return self._adopt(item, hasher, losses, conflict)
        return self._copied(item, written, hasher, word, attributes, losses)

    def _send_parts(self, item: Item, body: Body, attributes: Attributes, losses: str | None) -> Receipt:
        word = self._witness.believed(word_of(item.etag, body.checksum))
        hasher = self._hasher(item, word)
        chunks = self._watched(item, body.chunks(PART_BYTES), word, hasher)
        try:
            written = self._target.put_stream(name_of(item), chunks, item.bytes, attributes, **self._terms(item))
        except AlreadyExists as conflict:
            return self._adopt(item, None, losses, conflict)
        return self._copied(item, written, hasher, word, attributes, losses)

    def _copied(
        self, item: Item, written: Written, hasher: Hasher, word: Word | None, attributes: Attributes,
        losses: str | None,
    ) -> Receipt:  # fmt: skip
        evidence = self._evidence.find(item, written, hasher, word)
        if unkept := self._evidence.unkept(item, written, attributes):
            written = written._replace(dropped=written.dropped + unkept)
        return _receipt(item, "copied", evidence, hasher.told(), written, losses)

    def _copy_file(self, item: Item) -> Receipt:
        source: LocalStore = self._source  # pyright: ignore[reportAssignmentType]
        target: LocalStore = self._target  # pyright: ignore[reportAssignmentType]
        algorithm, scratch = self._record or "xxh3", self._scratch(item, self._control.attempt)
        try:
            with self._watch() if item.bytes > WATCHED_BYTES else _UNWATCHED as watch:
                written = target.clone(
                    source, item.key, name_of(item), pinned=item.etag, before=before_of(item), scratch=scratch,
                    watch=watch, algorithm=algorithm,
                )  # fmt: skip
        except AlreadyExists as conflict:
            return self._adopt(item, None, None, conflict)
        return _receipt(item, "copied", "re-read", f"{algorithm}:{written.digest}", written, None)

    def _copy_on_server(self, item: Item, guarded: bool) -> Receipt | None:
        """Have the server copy; None where it can't, or where its word can't be compared."""
        target: ServerSide = self._target  # pyright: ignore[reportAssignmentType]
        key, etag, before = name_of(item), item.etag or "", before_of(item)
        digest = md5_told(etag)
        if not guarded:  # then a copy replaces in silence, so look first
            standing = target.head(key)
            if (standing.etag if standing else None) != before:
                return self._adopt(item, None, None, conflict_at(item, standing))
        try:
            written = target.copy_from(self._source, item.key, key, etag, before=before, size=item.bytes)
        except AlreadyExists as conflict:
            return self._adopt(item, None, None, conflict)
        if written is None or md5_told(written.etag, checked=True) != digest:
            return None if written is None else self._doubt(item, written)
        return _receipt(item, "copied", "server-hash", f"md5:{digest}", written, None)

    def _copy_parts_on_server(self, item: Item) -> Receipt | None:
        """Have the server copy an object in the parts it was written in; None where it can't, or they are not known."""
        target, etag = self._target, item.etag or ""
        copy = getattr(target, "copy_parts_from", None)
        if copy is None:
            return None
        try:
            with self._watch() as watch:
                written: Written | None = copy(
                    self._source, item.key, name_of(item), etag, item.bytes, watch, before=before_of(item)
                )
        except AlreadyExists as conflict:
            return self._adopt(item, None, None, conflict)
        if written is None or written.etag != etag:
            return None if written is None else self._doubt(item, written)
        return _receipt(item, "copied", "server-hash", f"md5-parts:{etag}", written, None)

    def _doubt(self, item: Item, written: Written) -> Receipt:
        """The server copied, and its tag does not tell the hash of what it wrote: by checksums, or reading both."""
        checksum = checksum_of(self._source, item.key, item.etag)
        if checksum and checksum == checksum_of(self._target, name_of(item), written.etag):
            return _receipt(item, "copied", "server-hash", checksum, written, None)
        here = self._read_source(item, "xxh3")
        there = self._evidence.read(self._target, name_of(item), written.etag, Hasher("xxh3"))
        if here.hexdigest() != there.hexdigest():
            raise corrupt(item)
        return _receipt(item, "copied", "re-read", here.told(), written, None)

    def _adopt(self, item: Item, hasher: Hasher | None, losses: str | None, conflict: StoreError) -> Receipt:
        """What stands at the target unforeseen: ours, if it is the same bytes, by the hash that it is told to have or
        by reading it. A checksum of the bytes that were read would say too little."""
        standing = self._target.head(name_of(item))
        if standing is None or standing.size != item.bytes:
            raise conflict_at(item, standing) from conflict
        written = Written(standing.etag)
        word = word_of(standing.etag)
        if word and word.checked and word == word_of(item.etag):
            return _receipt(item, "adopted", "server-hash", f"{word.algorithm}:{word.digest}", written, losses)
        try:
            if hasher is None or hasher.algorithm in WIDTHS:
                hasher = self._read_source(item, word.algorithm if word and word.algorithm not in WIDTHS else "xxh3")
            evidence = self._evidence.find(item, written, hasher, None, ours=False)
        except StoreError:
            raise conflict_at(item, standing) from conflict
        return _receipt(item, "adopted", evidence, hasher.told(), written, losses)

    def _hasher(self, item: Item, word: Word | None) -> Hasher:
        """For the hash that the target will tell, and for the source's word beside it."""
        theirs = word.algorithm if word else None
        ours = self._target.hash_of(item.bytes) or theirs or "xxh3"
        return self._evidence.hasher(ours, None if theirs == ours else theirs)

    def _wants_checksum(self, item: Item) -> bool:
        """Whether the source's version tag tells less than a checksum, or one that costs more."""
        return item.bytes >= SUMMED_BYTES or "-" in (item.etag or "-") or self._witness.doubts

    def _read_source(self, item: Item, algorithm: str) -> Hasher:
        return self._evidence.read(self._source, item.key, item.etag, self._evidence.hasher(algorithm))

    def _watched(self, item: Item, chunks: Iterator[bytes], word: Word | None, hasher: Hasher) -> Iterator[bytes]:
        """Hash chunks on their way, say that they moved, and give up when asked to."""
        with self._watch() as watch:
            for chunk in self._unless_stopped(chunks):
                hasher.update(chunk)
                yield chunk
                watch(len(chunk))
        self._witness.check(item, word, hasher)  # before what was sent is shown

    @contextmanager
    def _watch(self) -> Iterator[Callable[[int], None]]:
        """Progress inside an object, taken back at its end: the receipt counts it from there on."""
        total = 0

        def watch(moved: int) -> None:
            nonlocal total
            total += moved
            self._control.progress(moved)
            if self._control.cancelled():
                raise Abandoned

        try:
            yield watch
        finally:
            if total:
                self._control.progress(-total)

    def _unless_stopped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._control.cancelled():
                raise Abandoned
            yield chunk

    def _terms(self, item: Item) -> dict[str, Any]:
        scratch = self._scratch(item, self._control.attempt)
        return {"before": before_of(item), "mtime": item.mtime, "scratch": scratch}

    def _scratch(self, item: Item, attempt: int) -> str:
        # Named by attempt: one that was stopped for long and taken over must not publish its successor's bytes.
        return f"{self._control.run_id}-{item.item_no}-{attempt}"

    def _clear(self, item: Item) -> None:
        """Remove what earlier attempts left under their temporary names where this item goes."""
        if self._to_folder:
            target: LocalStore = self._target  # pyright: ignore[reportAssignmentType]
            for attempt in range(1, self._control.attempt):
                target.discard(name_of(item), self._scratch(item, attempt))

    def _discard_torn(self, item: Item) -> bool:
        """Whether what stands in the way was a copy of an earlier attempt's that a power cut tore; it is gone then."""
        if not self._to_folder or self._control.attempt == 1:
            return False
        target: LocalStore = self._target  # pyright: ignore[reportAssignmentType]
        return discard_torn(self._source, target, item, self._unless_stopped)

    def _fit(self, key: str, attributes: Attributes) -> tuple[Attributes, str | None]:
        """The attributes that the target gets, and the names of those it can't hold."""
        if not self._target_holds:
            return attributes, lost(key, attributes)
        if not self._source_holds and (guess := type_of(key)):
            return of_type(guess), None
        return attributes, None


def _receipt(item: Item, status: str, evidence: str, digest: str, written: Written, losses: str | None) -> Receipt:
    now = time.time_ns() // 1_000_000
    if written.dropped:
        losses = ",".join(filter(None, (losses, *written.dropped)))
    return Receipt(item.item_no, status, evidence, digest, item.bytes, written.etag, losses, None, now)
