"""A bucket as a store: plain writes of some size by obstore, all else by the native lane."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from ...config import LARGE_BYTES, list_at_once
from ...errors import BadInput
from .. import attributes as attribute_names
from .. import keys
from ..abilities import Checksummed, Resumable, SendsAhead
from ..answers import Refusal, byte_lane
from ..base import Attributes, Capabilities, ObjectInfo, Written
from ..checksums import ASK, SENT, told_in
from ..digests import PART_BYTES, word_of
from ..locations import Location
from ..native import Answer, Lane, Pending, quoted
from ..wire import unquoted
from .body import S3Body
from .copies import ServerCopies
from .listing import list_exactly, list_pages, probe
from .multipart import NoNotes, Notes, upload
from .terms import Terms, is_versioned
from .trials import NAME, hash_header
from .uploads import abort, abort_unanswered, begun

__all__ = ["PART_BYTES", "S3Store"]

# A write this small costs a third less by a request of ours, as a read does; a body this large is sent from where it
# lies, since the byte lane makes a copy of it first.
LEAN_BYTES, NATIVE_BYTES = 64 << 10, 1 << 20
LIST_AT_ONCE = 16


class S3Store(ServerCopies, Resumable, Checksummed, SendsAhead):
    """A prefix of a bucket of S3, or of what serves as one."""

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        location = self._location
        if reason := self.refusal("x"):
            raise BadInput(f"{location.url} can't be used as a place: {reason}.")
        self._lane = Lane(location)
        self._seen = False  # whether the bucket is known to be there
        self._terms = Terms(self._lane)
        self._bytes: Any = None
        self._bytes_version = 0
        self._bytes_turn = threading.Lock()
        self.notes: Notes = NoNotes()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(True, True, self._lane.threads, self._terms.conditional)

    @property
    def near(self) -> bool:
        return self._lane.near

    def probe(self) -> None:
        probe(self._lane)
        self._seen = True

    def date(self) -> str:
        return self._lane.ask("GET", None, [("list-type", "2"), ("max-keys", "1")]).headers.get("date", "")

    def remarks(self, *, to_write: bool) -> list[str]:
        if not to_write:
            return self._told_of_versions()
        known = self._terms.conditional
        if known:
            return []
        if known is None:
            return [f"Unknown until apply: whether writes to {self._location.endpoint} are conditional."]
        title = self._terms.preset.title
        return [f"Writes to {title} are not conditional: each key is looked at just before it is written."]

    def keeps_versions(self) -> bool | None:
        return is_versioned(self._lane)

    def clear_debris(self, scratches: Iterable[str]) -> None:
        """Uploads, too: whoever began one may have been killed before it could be noted."""
        scratches = [*scratches]
        super().clear_debris(scratches)
        for scratch in scratches:
            for one in begun(self._lane, self.full(NAME + scratch)):
                self.abort_upload(one.key, one.upload_id)

    def list(self) -> Iterator[list[ObjectInfo]]:
        return list_pages(self._lane, list_at_once() or self._usual_at_once())

    def _usual_at_once(self) -> int:
        """In parts only where a service says that it lists in the order of bytes: AWS's directory buckets don't."""
        directory = (self._location.bucket or "").endswith("--x-s3")
        return LIST_AT_ONCE if self._terms.preset.ordered and not directory else 1

    def head(self, key: str) -> ObjectInfo | None:
        answer = self._look(key)
        if answer is None:
            return None
        stamp = answer.headers.get("last-modified")
        mtime = round(parsedate_to_datetime(stamp).timestamp() * 1000) if stamp else 0
        return ObjectInfo(key, int(answer.headers.get("content-length", 0)), mtime, answer.etag)

    def _look(self, key: str, headers: Mapping[str, str] | None = None) -> Answer | None:
        try:
            answer = self._lane.send("HEAD", self.full(key), (), headers)
        except Refusal as refusal:
            if refusal.status != 404:
                raise self._lane.explain(refusal, self.full(key)) from None
            if not self._seen:
                self.probe()  # HEAD tells a missing object and a missing bucket by one status
            return None
        self._seen = True
        return answer

    def open(self, key: str, pinned: str | None, *, checksum: bool = False) -> S3Body:
        return S3Body(self._lane, self.full(key), self.what(key), pinned, ASK if checksum else {})

    def hash_of(self, size: int) -> str:
        if size > LARGE_BYTES:
            return SENT if self._terms.in_parts(self.notes) else "md5-parts"
        return SENT if self._terms.compared(size) == SENT else "md5"

    def checksum(self, key: str, pinned: str | None) -> str | None:
        answer = self._look(key, ASK)
        return told_in(answer.headers) if answer and answer.etag == pinned else None

    def put(
        self, key: str, data: bytes, attributes: Attributes, *, before: str | None, mtime: int | None, scratch: str
    ) -> Written:
        attributes, dropped = self._fit(key, len(data), attributes)
        if not self._terms.enforces(before):
            self._check_before(key, before)
        by_bytes = LEAN_BYTES < len(data) < NATIVE_BYTES and not self._terms.by_hand
        if not by_bytes or not keys.tidy(self.full(key)) or attribute_names.ambiguous(attributes):
            headers, checked = self._put_headers(key, data, attributes, before)
            try:
                answer = self._lane.send("PUT", self.full(key), (), headers, data)
            except Refusal as refusal:
                raise self._explain_write(refusal, key, before) from None
            return _taken(answer, dropped, checked=checked)
        given = attribute_names.joined(attributes, self.what(key))
        etag = self._lane.retries.persist(lambda: self._put_by_bytes(key, data, given, before))
        return Written(unquoted(etag), None, dropped)

    def put_ahead(
        self, key: str, data: bytes, attributes: Attributes, *, before: str | None, mtime: int | None, scratch: str
    ) -> Pending[Written] | None:
        if len(data) > LEAN_BYTES or not self._terms.enforces(before):
            return None
        attributes, dropped = self._fit(key, len(data), attributes)
        headers, checked = self._put_headers(key, data, attributes, before)
        return self._ahead(key, headers, lambda answer: _taken(answer, dropped, checked=checked), data)

    def _put_large(
        self, key: str, chunks: Iterable[bytes], size: int, attributes: Attributes, before: str | None
    ) -> Written:
        attributes, dropped = self._fit(key, size, attributes)
        summed = self._terms.in_parts(self.notes)
        headers = attribute_names.sent(attributes, self.what(key)) | self._terms.headers | dict(summed)
        self._check_before(key, before)
        etag = upload(self._lane, self.full(key), chunks, size, headers, self._terms.condition(before), self.notes)
        now = self._look(key, ASK if summed else None)
        self._check_arrived(key, size, int(now.headers.get("content-length", 0)) if now else None)
        word = word_of(None, told_in(now.headers)) if now else None
        return Written((now.etag if now else None) or etag, word and word.digest, dropped)

    def abort_upload(self, key: str, upload_id: str) -> None:
        abort(self._lane, key, upload_id)

    def abort_unanswered(self, key: str, ages: Sequence[float]) -> int:
        return abort_unanswered(self._lane, key, ages)

    def upload_trials(self, key: str) -> dict[str, Callable[[], None]]:
        return self._terms.upload_trials(self.full(key))

    def remove(self, key: str, pinned: str) -> bool:
        standing = self.head(key)
        if standing is None or standing.etag != pinned:
            return False
        try:  # the condition closes the gap since the look, where a server heeds it
            self._lane.send("DELETE", self.full(key), (), {"if-match": quoted(pinned)})
        except Refusal as refusal:
            if refusal.status == 404 or self._met_another(refusal):
                return False
            if refusal.status != 501:
                raise self._lane.explain(refusal, self.full(key)) from None
            self._lane.send("DELETE", self.full(key))
        return True

    @property
    def bytes(self) -> Any:
        """The byte lane; a new one where the keys were renewed, since it keeps those that it has.

        It is loaded and made when it is first used, which takes 15 ms: many a process sends nothing by it.
        """
        from . import byte_store

        with self._bytes_turn:
            version = self._lane.keyring.version
            if self._bytes is None or self._bytes_version != version:
                self._bytes, self._bytes_version = byte_store.open_lane(self._location, self._lane.keyring), version
            return self._bytes

    def _put_by_bytes(self, key: str, data: bytes, attributes: Any, before: str | None) -> str | None:
        from . import byte_store

        mode = "create" if before is None else {"e_tag": quoted(before)}
        try:
            with byte_lane(self._location, key):
                return byte_store.put(self.bytes, self.full(key), data, attributes, mode)
        except Refusal as refusal:
            raise self._explain_write(refusal, key, before) from None

    def _fit(self, key: str, size: int, attributes: Attributes) -> tuple[Attributes, tuple[str, ...]]:
        """The attributes that are sent, and the names of those that will not be kept; raises for a key that is not."""
        self._check_key(key, size)
        return self._terms.fit(attributes)

    def _put_headers(
        self, key: str, data: bytes, attributes: Attributes, before: str | None
    ) -> tuple[dict[str, str], bool]:
        """What goes with a write of ours, and whether the server compares a hash in it with what comes."""
        headers = attribute_names.sent(attributes, self.what(key))
        headers |= self._terms.condition(before) | self._terms.headers
        compared = self._terms.compared(len(data))
        return headers | hash_header(compared, data) if compared else headers, compared is not None

    def _try_out(self, scratch: str) -> list[str]:
        self._terms.trials.scratch = scratch
        return self._terms.found.remarks(self._location.endpoint or "")

    def _keys_from(self, beginning: str) -> Iterable[str]:
        return list_exactly(self._lane, beginning)

    def _check_key(self, key: str, size: int = 0) -> None:
        full = self._below + key
        if not keys.is_plain(full):
            super()._check_key(key, size)
            self._terms.check_key(full, size)


def _taken(answer: Answer, dropped: tuple[str, ...], *, checked: bool) -> Written:
    """What an answer to a write says. One without an ETag was perhaps not the server's, and vouches for nothing."""
    return Written(answer.etag, None, dropped, checked and answer.etag is not None)
