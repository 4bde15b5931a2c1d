"""The most important operation here: one object from one store to another, checked.

Server-side where the server can and its word can be checked; whole in memory when small; in parts
when large; file to file by the kernel. Whatever stands at the target unforeseen is looked at: the
same bytes are *adopted* (an attempt that died wrote them), anything else is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from ..config import LARGE_BYTES
from ..errors import AlreadyExists, Overtaken, UploadGone
from ..model import Item, Receipt
from ..stores import Body, Store
from ..stores.digests import PART_BYTES, Hasher, Word, md5_told
from .batches import Batches
from .evidence import Asked
from .passage import Abandoned, Fitted, Passage, receipt_of
from .standing import before_of, conflict_at, name_of
from .torn import discard_torn

if TYPE_CHECKING:
    from ..migrations import Control
    from ..stores.abilities import ServerSide
    from ..stores.local import LocalStore

# Where a copy by the server is not conditional a smaller object is read and written, which is.
SERVER_COPY_BYTES = 1 << 20
# A file up to this is copied before anybody could look how far it is, or ask to stop.
WATCHED_BYTES = 1 << 20
_UNWATCHED = nullcontext()


class Copier:
    """Copies the items of one run. Used by many threads at once."""

    def __init__(self, source: Store, target: Store, control: Control, asked: Asked = Asked()) -> None:  # noqa: B008 - frozen
        self._passage = passage = Passage(source, target, control, asked)
        self._source, self._target, self._control, self._record = source, target, control, asked.record
        self._files = passage.to_folder and source.location.kind == "local"
        self.together = Batches(passage)

    def copy(self, item: Item) -> Receipt:
        """Copy one planned object.

        Raises
        ------
        StoreError
            If it could not be copied; nothing half done is at the target.
        Abandoned
            If the run was asked to stop meanwhile.
        """
        self._passage.clear(item)
        try:
            return self._copy(item)
        except AlreadyExists:
            if not self._discard_torn(item):
                raise
            return self._copy(item._replace(before=None))
        except (Overtaken, UploadGone):  # of an upload nothing is left, so all of the object is sent again
            return self._copy(item)

    def _copy(self, item: Item) -> Receipt:
        if self._files:
            self._control.spend(min(item.bytes, LARGE_BYTES))  # the rest as it moves
            return self._copy_file(item)
        server = self._passage.server
        if server and md5_told(item.etag):
            guarded = server.guards_copies(before_of(item))
            by_server = guarded or item.bytes >= SERVER_COPY_BYTES
            if by_server and (receipt := self._copy_on_server(server, item, guarded)):
                return receipt
        elif server and item.bytes > LARGE_BYTES and (receipt := self._copy_parts_on_server(server, item)):
            return receipt
        with self._source.open(item.key, item.etag, checksum=self._passage.wants_checksum(item)) as body:
            fitted = self._passage.fit(item, body)
            send = self._send_whole if item.bytes <= LARGE_BYTES else self._send_parts
            return send(item, body, fitted)

    def _send_whole(self, item: Item, body: Body, fitted: Fitted) -> Receipt:
        self._control.spend(item.bytes)
        data = body.read()
        hasher = self._passage.hashed(item, data, fitted)
        try:
            written = self._target.put(name_of(item), data, fitted.attributes, **self._passage.terms(item))
        except AlreadyExists as conflict:
            return self._passage.adopt(item, hasher, fitted.losses, conflict)
        return self._passage.copied(item, written, hasher, fitted)

    def _send_parts(self, item: Item, body: Body, fitted: Fitted) -> Receipt:
        hasher, terms = self._passage.hasher(item, fitted.word), self._passage.terms(item)
        chunks = self._watched(item, body.chunks(PART_BYTES), fitted.word, hasher)
        try:
            written = self._target.put_stream(name_of(item), chunks, item.bytes, fitted.attributes, **terms)
        except AlreadyExists as conflict:
            return self._passage.adopt(item, None, fitted.losses, conflict)
        return self._passage.copied(item, written, hasher, fitted)

    def _copy_file(self, item: Item) -> Receipt:
        source: LocalStore = self._source  # pyright: ignore[reportAssignmentType]
        target: LocalStore = self._target  # pyright: ignore[reportAssignmentType]
        algorithm, scratch = self._record or "xxh3", self._passage.scratch(item)
        try:
            with self._watch() if item.bytes > WATCHED_BYTES else _UNWATCHED as watch:
                written = target.clone(
                    source, item.key, name_of(item), pinned=item.etag, before=before_of(item), scratch=scratch,
                    watch=watch, algorithm=algorithm,
                )  # fmt: skip
        except AlreadyExists as conflict:
            return self._passage.adopt(item, None, None, conflict)
        return receipt_of(item, "copied", "re-read", f"{algorithm}:{written.digest}", written, None)

    def _copy_on_server(self, server: ServerSide, item: Item, guarded: bool) -> Receipt | None:
        """Have the server copy; None where it can't."""
        key, etag, before = name_of(item), item.etag or "", before_of(item)
        if not guarded:  # then a copy replaces in silence, so look first
            standing = server.head(key)
            if (standing.etag if standing else None) != before:
                return self._passage.adopt(item, None, None, conflict_at(item, standing))
        try:
            written = server.copy_from(self._source, item.key, key, etag, before=before, size=item.bytes)
        except AlreadyExists as conflict:
            return self._passage.adopt(item, None, None, conflict)
        return self._passage.copied_by_server(item, written) if written else None

    def _copy_parts_on_server(self, server: ServerSide, item: Item) -> Receipt | None:
        """Have the server copy an object in the parts it was written in; None where it can't, or they are not known."""
        key, etag, before = name_of(item), item.etag or "", before_of(item)
        try:
            with self._watch() as watch:
                written = server.copy_parts_from(self._source, item.key, key, etag, item.bytes, watch, before=before)
        except AlreadyExists as conflict:
            return self._passage.adopt(item, None, None, conflict)
        if written is None or written.etag != etag:
            return self._passage.copied_by_server(item, written) if written else None
        return receipt_of(item, "copied", "server-hash", f"md5-parts:{etag}", written, None)

    def _watched(self, item: Item, chunks: Iterator[bytes], word: Word | None, hasher: Hasher) -> Iterator[bytes]:
        """Hash chunks on their way, say that they moved, and give up when asked to."""
        with self._watch() as watch:
            for chunk in self._passage.unless_stopped(chunks):
                hasher.update(chunk)
                yield chunk
                watch(len(chunk))
        self._passage.check(item, word, hasher)  # before what was sent is shown

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

    def _discard_torn(self, item: Item) -> bool:
        """Whether what stands in the way was a copy of an earlier attempt's that a power cut tore; it is gone then."""
        if not self._passage.to_folder or self._control.attempt == 1:
            return False
        target: LocalStore = self._target  # pyright: ignore[reportAssignmentType]
        return discard_torn(self._source, target, item, self._passage.unless_stopped)
