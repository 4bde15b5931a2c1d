"""An object of a bucket as it is read: one version of it from its first byte to its last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from ..errors import SourceChanged
from . import attributes as attribute_names
from .answers import Refusal, unreachable
from .base import Attributes
from .native import TRIES, Lane, pause, quoted, unquoted
from .tags import COUNT, read_tags
from .wire import Incoming, WireError

_NOTHING = Attributes()


class S3Body:
    """One open object, pinned to its etag. Where the connection is cut, another one goes on from there."""

    __slots__ = ("_at", "_etag", "_incoming", "_key", "_lane", "_what", "attributes", "size")

    def __init__(self, lane: Lane, key: str, what: str, pinned: str | None) -> None:
        self._lane, self._key, self._what, self._etag = lane, key, what, pinned
        self._incoming: Incoming | None = None
        self._at = self.size = 0
        self.attributes = _NOTHING

    def __enter__(self) -> S3Body:
        self._incoming = incoming = self._ask()
        etag = unquoted(incoming.headers.get("etag"))
        if self._etag and etag != self._etag:
            self._drop()
            raise changed(self._what)
        self._etag, self.size = etag, incoming.left
        self.attributes = attribute_names.received(incoming.headers)
        if incoming.headers.get(COUNT):
            tags = read_tags(self._lane, self._key, incoming.headers)
            self.attributes = replace(self.attributes, tags=tags)
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def read(self) -> bytes:
        return self._next(self.size)

    def chunks(self, size: int) -> Iterator[bytes]:
        while self._at < self.size:
            yield self._next(size)

    def _next(self, size: int) -> bytes:
        for attempt in range(1, TRIES + 1):
            try:
                incoming = self._incoming or self._resume()
                data = incoming.read(size)
            except OSError:
                self._drop()
                if attempt < TRIES:
                    time.sleep(pause(attempt))
            else:
                self._at += len(data)
                return data
        raise unreachable(self._lane.place, "the connection failed or was cut")

    def _resume(self) -> Incoming:
        if not self._etag:  # nothing says that it is still the same object
            raise WireError("the connection was cut")
        here = {"range": f"bytes={self._at}-"} if self._at else {}
        self._incoming = incoming = self._ask(**here)
        same = unquoted(incoming.headers.get("etag")) == self._etag and incoming.left == self.size - self._at
        if not same or incoming.status != (206 if here else 200):
            raise changed(self._what)
        return incoming

    def _ask(self, **headers: str) -> Incoming:
        if self._etag:
            headers["if-match"] = quoted(self._etag)
        try:
            return self._lane.open(self._key, headers)
        except Refusal as refusal:
            if refusal.status == 412:
                raise changed(self._what) from None
            raise self._lane.explain(refusal, self._key) from None

    def _drop(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming:
            incoming.close()  # the connection too, where it was not read to its end


def changed(what: str) -> SourceChanged:
    return SourceChanged(f"{what} has changed since the plan. Plan again.")
