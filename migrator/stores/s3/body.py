"""An object of a bucket as it is read: one version of it from its first byte to its last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ...errors import SourceChanged, StoreError
from .. import attributes as attribute_names
from ..answers import Refusal, unreachable
from ..base import Attributes
from ..checksums import told_in
from ..native import Lane, quoted
from ..retries import TRIES
from ..wire import Incoming, Sent, unquoted
from .tags import COUNT, read_tags

SEALED = "x-amz-server-side-encryption"
_NOTHING: Mapping[str, str] = {}


class S3Body:
    """One open object, pinned to its etag. Where the connection is cut, another one goes on from there."""

    __slots__ = (
        "_asked", "_at", "_attributes", "_early", "_etag", "_headers", "_incoming", "_key", "_lane", "_what", "size",
    )  # fmt: skip

    def __init__(
        self, lane: Lane, key: str, what: str, pinned: str | None, asked: Mapping[str, str] = _NOTHING
    ) -> None:
        self._lane, self._key, self._what, self._etag, self._asked = lane, key, what, pinned, asked
        self._incoming: Incoming | None = None
        self._early: Sent | None = None
        self._at = self.size = 0
        self._headers: Mapping[str, str] = {}
        self._attributes: Attributes | None = None

    def ask(self) -> None:
        """Send for it, before it is opened: its answer comes while something else is done."""
        self._early = self._lane.ahead("GET", self._key, self._with_pin(self._asked))

    def __enter__(self) -> S3Body:
        try:
            self._begin()
        except BaseException:
            self._drop()
            raise
        return self

    def _begin(self) -> None:
        self._incoming = incoming = self._lane.retries.persist(lambda: self._hear(**self._asked))
        etag = self._version(incoming.headers)
        if (self._etag and etag != self._etag) or incoming.status != 200:  # a part was not asked for
            raise changed(self._what)
        self._etag, self._headers = etag, incoming.headers
        if incoming.left < 0:  # a proxy, or Google's own servers, may send it in chunks
            incoming.expect(self._look_up_size())
        self.size = incoming.left

    def __exit__(self, *_: object) -> None:
        self._drop()

    @property
    def attributes(self) -> Attributes:
        if self._attributes is None:
            self._attributes = self._read_attributes(self._headers)
        return self._attributes

    @property
    def checksum(self) -> str | None:
        return told_in(self._headers) if self._asked else None

    @property
    def sealed(self) -> bool:
        return self._headers.get(SEALED, "").startswith("aws:kms") or SEALED + "-customer-algorithm" in self._headers

    def read(self) -> bytes:
        return self._next(self.size)

    def chunks(self, size: int) -> Iterator[bytes]:
        while self._at < self.size:
            yield self._next(size)

    def _next(self, size: int) -> bytes:
        # Nothing says of an object without a version that it is still the same.
        data = self._lane.retries.persist(lambda: self._read_on(size), TRIES if self._etag else 1)
        self._at += len(data)
        return data

    def _read_on(self, size: int) -> bytes:
        try:
            return (self._incoming or self._resume()).read(size)
        except OSError as error:
            self._drop()
            silent = isinstance(error, TimeoutError)
            raise unreachable(self._lane.place, "the connection failed or was cut", silent=silent) from None

    def _resume(self) -> Incoming:
        here = {"range": f"bytes={self._at}-"} if self._at else {}
        self._incoming = incoming = self._hear(**here)
        incoming.expect(self.size - self._at)
        same = self._version(incoming.headers) == self._etag and incoming.left == self.size - self._at
        if not same or not self._begins_here(incoming):
            raise changed(self._what)
        return incoming

    def _begins_here(self, incoming: Incoming) -> bool:
        if not self._at:
            return incoming.status == 200
        told = incoming.headers.get("content-range", "")
        return incoming.status == 206 and told.startswith(f"bytes {self._at}-{self.size - 1}/")

    def _hear(self, **headers: str) -> Incoming:
        incoming = self._ask(**headers)
        if self._etag and self._version(incoming.headers) is None:  # whoever answered, it was hardly the store
            incoming.close()
            raise unreachable(self._lane.place, "an answer names no version of what it gives")
        return incoming

    def _ask(self, **headers: str) -> Incoming:
        asked, self._early = self._early, None
        try:
            return self._lane.open(self._key, self._with_pin(headers), 1, asked=asked)
        except Refusal as refusal:
            if refusal.status == 412:
                raise changed(self._what) from None
            raise self._lane.explain(refusal, self._key) from None

    def _with_pin(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {**headers, "if-match": quoted(self._etag)} if self._etag else headers

    def _version(self, headers: Mapping[str, str]) -> str | None:
        return unquoted(headers.get("etag"))

    def _look_up_size(self) -> int:
        """The object's size, where its answer does not tell it."""
        told = self._lane.ask("HEAD", self._key).headers.get("content-length", "")
        if not told.isdecimal():
            raise StoreError(
                f"{self._lane.place.endpoint} does not tell how long {self._what} is: what stands between here and "
                "it takes Content-Length out of its answers. Have it leave that in."
            )
        return int(told)

    def _read_attributes(self, headers: Mapping[str, str]) -> Attributes:
        found = attribute_names.received(headers)
        return replace(found, tags=read_tags(self._lane, self._key, headers)) if headers.get(COUNT) else found

    def _drop(self) -> None:
        early, self._early = self._early, None
        if early:
            early.close()
        incoming, self._incoming = self._incoming, None
        if incoming:
            incoming.close()  # the connection too, where it was not read to its end


def changed(what: str) -> SourceChanged:
    return SourceChanged(f"{what} has changed since the plan. Plan again.")
