"""The copies that an S3 server makes itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...errors import UploadGone
from .. import attributes as attribute_names
from ..abilities import ServerSide
from ..answers import Refusal
from ..base import Written
from ..bucket import Bucket
from ..native import SLOW_S, Answer, Lane, Pending, quoted
from ..signing import encode_path
from .multipart import Notes, etag_of, in_parts
from .part_copies import copy_parts, etag_of_parts, part_size, ranges_of
from .parts import Part, Sent, Standing
from .terms import Terms

COPY_BYTES = 5 << 30  # CopyObject takes no larger source
_CANT_COPY = frozenset({"NotImplemented", "EntityTooLarge", "InvalidRequest", "InvalidArgument", "MethodNotAllowed"})


class Unequal(Exception):
    """Parts that were copied have other ETags than those they were copied from."""


class ServerCopies(Bucket[Lane], ServerSide):
    """The part of `S3Store` that has its server copy."""

    _terms: Terms
    notes: Notes
    _parts_tell = True  # whether a copied part gets the ETag that it had

    def can_copy_from(self, source: object) -> bool:
        if not isinstance(source, ServerCopies):
            return False
        ours, theirs = self._location, source._location
        terms = ("endpoint", "region", "credentials", "requester_pays")
        return all(getattr(ours, term) == getattr(theirs, term) for term in terms)

    def guards_copies(self, before: str | None) -> bool:
        return self._terms.guards_copies(before)

    def copy_from(
        self, source: ServerCopies, key: str, target_key: str, etag: str, *, before: str | None = None, size: int = 0
    ) -> Written | None:
        if size > COPY_BYTES:
            return None
        self._check_key(target_key, size)
        try:
            answer = self._lane.send(
                "PUT", self.full(target_key), (), self._copy_headers(source, key, etag, before), read_s=SLOW_S
            )
        except Refusal as refusal:
            if refusal.code in _CANT_COPY or refusal.status == 501:
                return None
            if refusal.status == 404 and source.head(key) is not None:
                return None  # it reads the source's name otherwise than it was written: by its bytes, then
            raise self._explain_copy(refusal, source, key, target_key, before) from None
        return Written(etag_of(answer.data))

    def copy_ahead(
        self, source: ServerCopies, key: str, target_key: str, etag: str, *, before: str | None = None, size: int = 0
    ) -> Pending[Written] | None:
        self._check_key(target_key, size)
        headers = self._copy_headers(source, key, etag, before)
        return self._ahead(target_key, headers, lambda answer: Written(etag_of(answer.data)))

    def copy_parts_from(
        self, source: ServerCopies, key: str, target_key: str, etag: str, size: int, watch: Callable[[int], None], *,
        before: str | None = None,
    ) -> Written | None:  # fmt: skip
        tells = self._parts_tell and self._terms.found.md5
        part = part_size(source._lane, source.full(key), etag, size) if tells else None
        if part is None:
            return None
        self._check_key(target_key, size)
        with source.open(key, etag) as body:  # for what it carries; its bytes are left there
            attributes, dropped = self._terms.fit(body.attributes)
        headers = attribute_names.sent(attributes, self.what(target_key)) | self._terms.headers
        if not self._terms.enforces(before):
            self._check_before(target_key, before)
        full, named, ranges = self.full(target_key), source._named(key, etag), ranges_of(size, part)

        def send(standing: Standing) -> Sent:
            etags = copy_parts(self._lane, full, standing, named, ranges, watch)
            if etag_of_parts(etags) != etag:  # before it is completed: nothing would prove it, now or in a later run
                raise Unequal
            return Sent([Part(each) for each in etags])

        try:
            told = in_parts(self._lane, full, send, headers, self._terms.condition(before), self.notes)
        except Unequal:
            self._parts_tell = False
            return None
        except Refusal as refusal:
            if refusal.code in _CANT_COPY or refusal.status == 501:
                return None
            if refusal.code == "NoSuchUpload":
                raise self._explain_write(refusal, target_key, before) from None
            raise self._explain_copy(refusal, source, key, target_key, before) from None
        return Written(told, None, dropped)

    def _ahead(
        self, key: str, headers: Mapping[str, str], meaning: Callable[[Answer], Written], data: bytes = b""
    ) -> Pending[Written] | None:
        sent = self._lane.ahead("PUT", self.full(key), headers, data)
        return Pending(self._lane, self.full(key), sent, meaning) if sent else None

    def _copy_headers(self, source: ServerCopies, key: str, etag: str, before: str | None) -> dict[str, str]:
        return source._named(key, etag) | self._terms.condition(before) | self._terms.headers

    def _named(self, key: str, etag: str) -> dict[str, str]:
        """The headers that name an object of here, in this version, as the source of a copy."""
        path = encode_path(f"/{self._location.bucket}/{self.full(key)}")
        return {"x-amz-copy-source": path, "x-amz-copy-source-if-match": quoted(etag)}

    def _explain_write(self, refusal: Refusal, key: str, before: str | None) -> Exception:
        if refusal.code != "NoSuchUpload":
            return super()._explain_write(refusal, key, before)
        # It was completed and the answer got lost, or somebody took it away: the caller looks at what stands there.
        if self._stands_otherwise(key, before):
            return self._conflict(key)
        return UploadGone(f"The upload of {self.what(key)} is gone, by somebody or a rule; nothing was written.")
