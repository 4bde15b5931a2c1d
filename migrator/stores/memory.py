"""A store in the memory of this process, for tests and examples: it keeps every key, and is gone with the process."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..errors import AlreadyExists, NotFound, SourceChanged, StoreError
from . import keys
from .base import Attributes, Capabilities, ObjectInfo, Written
from .digests import tag_of
from .locations import Location

PAGE = 1000
_versions = itertools.count(1)


class _Object(NamedTuple):
    data: bytes
    attributes: Attributes
    mtime: int
    etag: str


class _Shelf:
    """What lies under one name. Threads share it."""

    def __init__(self) -> None:
        self.objects: dict[str, _Object] = {}
        self.turn = threading.Lock()


_shelves: dict[str, _Shelf] = {}


class MemoryStore:
    """A prefix of a name. See the ``Store`` protocol for what each method promises."""

    capabilities = Capabilities(holds_attributes=True, remote=True, threads=2)

    def __init__(self, location: Location) -> None:
        self._location = location
        self._below = f"{location.prefix}/" if location.prefix else ""
        self._shelf = _shelves.setdefault(location.bucket or "", _Shelf())

    @property
    def location(self) -> Location:
        return self._location

    def probe(self) -> None:
        """Nothing to do: it is there as soon as it is named."""

    def remarks(self, *, to_write: bool) -> list[str]:
        return []

    def keeps_versions(self) -> bool | None:
        return False

    def try_out(self, scratch: str, debris: Iterable[str] = ()) -> list[str]:
        return []

    def list(self) -> Iterator[list[ObjectInfo]]:
        with self._shelf.turn:
            standing = sorted((key, one) for key, one in self._shelf.objects.items() if key.startswith(self._below))
        for start in range(0, len(standing), PAGE):
            page = standing[start : start + PAGE]
            yield [_described(key[len(self._below) :], one) for key, one in page]

    def refusal(self, key: str, size: int = 0) -> str | None:
        return None if self._below + key else keys.NO_NAME

    def head(self, key: str) -> ObjectInfo | None:
        one = self._shelf.objects.get(self._below + key)
        return _described(key, one) if one else None

    def hash_of(self, size: int) -> str:
        return "md5"

    def open(self, key: str, pinned: str | None, *, checksum: bool = False) -> MemoryBody:
        one = self._shelf.objects.get(self._below + key)
        if one is None:
            raise NotFound(f"{self._location.url}{key} is not there (any more).")
        if pinned and one.etag != pinned:
            raise SourceChanged(f"{self._location.url}{key} has changed since the plan. Plan again.")
        return MemoryBody(one)

    def put(
        self, key: str, data: bytes, attributes: Attributes, *, before: str | None, mtime: int | None, scratch: str
    ) -> Written:
        if reason := self.refusal(key):
            raise StoreError(f"{self._location.url} {key!r}: {reason}.")
        etag = tag_of(hashlib.md5(data, usedforsecurity=False).hexdigest(), str(next(_versions)))
        own = Attributes(*(_frozen(each) for each in (attributes.headers, attributes.metadata, attributes.tags)))
        with self._shelf.turn:
            standing = self._shelf.objects.get(self._below + key)
            if (standing.etag if standing else None) != before:
                raise AlreadyExists(
                    f"{self._location.url}{key} exists already or has changed since the plan; it was left as it is."
                )
            self._shelf.objects[self._below + key] = _Object(data, own, time.time_ns() // 1_000_000, etag)
        return Written(etag)

    def put_stream(
        self, key: str, chunks: Iterable[bytes], size: int, attributes: Attributes, *,
        before: str | None, mtime: int | None, scratch: str,
    ) -> Written:  # fmt: skip
        data = b"".join(chunks)
        if len(data) != size:
            raise SourceChanged(f"{self._location.url}{key} was to get {size} bytes and was given {len(data)}.")
        return self.put(key, data, attributes, before=before, mtime=mtime, scratch=scratch)

    def remove(self, key: str, pinned: str) -> bool:
        with self._shelf.turn:
            standing = self._shelf.objects.get(self._below + key)
            if standing is None or standing.etag != pinned:
                return False
            del self._shelf.objects[self._below + key]
            return True

    def sync(self) -> None:
        """Nothing to do: nothing here is durable."""


class MemoryBody:
    """One object, as it was when it was opened."""

    checksum, sealed = None, False

    def __init__(self, one: _Object) -> None:
        self._data, self.attributes, self.size = one.data, one.attributes, len(one.data)

    def __enter__(self) -> MemoryBody:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def read(self) -> bytes:
        return self._data

    def chunks(self, size: int) -> Iterator[bytes]:
        return (self._data[start : start + size] for start in range(0, self.size, size))


def _described(key: str, one: _Object) -> ObjectInfo:
    return ObjectInfo(key, len(one.data), one.mtime, one.etag)


def _frozen(given: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(given))
