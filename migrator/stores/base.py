"""The store port: all that planning and copying ask of a place where objects lie.

A store is a folder of a bucket or of a disk. Keys are relative to it, ``/`` between segments,
and case, Unicode form and every other byte of them count. What a store lists but can't carry
has its ``problem`` said in the listing; nothing is left out of a listing in silence.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Protocol, runtime_checkable

from .locations import Location


class ObjectInfo(NamedTuple):
    """One listed object: size in bytes, mtime in milliseconds, etag as the store's version tag (see ``digests``)."""

    key: str
    size: int
    mtime: int
    etag: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an object carries beside its bytes: standard headers (lower case), user metadata, and tags."""

    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=64)  # most objects are of the same few
def of_type(content_type: str) -> Attributes:
    """What an object of this type carries, if that is all."""
    return Attributes({"content-type": content_type})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do.

    ``holds_attributes``: headers and metadata survive a write. ``remote``: worth many requests
    at once. ``threads``: how many are worth it here. ``conditional``: a write that meets what
    another program wrote there meanwhile is refused; None is unknown until it was tried.
    """

    holds_attributes: bool
    remote: bool
    threads: int
    conditional: bool | None = True


class Body(Protocol):
    """One open object, pinned to the version that was asked for. Close it by leaving ``with``."""

    @property
    def size(self) -> int: ...

    @property
    def attributes(self) -> Attributes: ...

    @property
    def checksum(self) -> str | None:
        """``algorithm:hexadecimal`` of all bytes where the store told it, beyond what the version tag tells."""
        ...

    @property
    def sealed(self) -> bool:
        """Whether the store says that it encrypts the object so that its version tag need be no hash of the bytes."""
        ...

    def read(self) -> bytes:
        """All of it. Raises SourceChanged when it is shorter, longer or another version."""
        ...

    def chunks(self, size: int) -> Iterator[bytes]:
        """The same in pieces of ``size`` bytes (the last one shorter), with the same checks."""
        ...


class Written(NamedTuple):
    """What a store says of an object that it took.

    ``digest`` where it hashed what it took, beyond what the etag tells; ``dropped`` names the attributes that it did
    not keep. ``checked``: it compared a hash that was sent along with what came, and would have refused it.
    """

    etag: str | None
    digest: str | None = None
    dropped: tuple[str, ...] = ()
    checked: bool = False


@runtime_checkable
class Store(Protocol):
    """See the module. Every method raises StoreError subclasses and nothing else.

    What only some can do beside this is told in ``abilities``.
    """

    @property
    @abstractmethod
    def location(self) -> Location: ...

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @abstractmethod
    def probe(self) -> None:
        """One cheap request that shows the place is there and may be listed. Sends no write."""
        ...

    @abstractmethod
    def remarks(self, *, to_write: bool) -> list[str]:
        """What people should know before they read from here, or write here. Sends no write."""
        ...

    @abstractmethod
    def keeps_versions(self) -> bool | None:
        """Whether older versions of objects are kept here; None where that can't be told."""
        ...

    @abstractmethod
    def try_out(self, scratch: str, debris: Iterable[str] = ()) -> list[str]:
        """Find out what differs by endpoint, by writes that leave nothing; what people should know of it.

        Done once, and by the first write at the latest. ``scratch`` is in the names of what is written for it;
        what earlier attempts left of theirs, under names that go on as ``debris``, is removed.
        """
        ...

    @abstractmethod
    def list(self) -> Iterator[list[ObjectInfo]]:
        """Every object below the location, page by page, in the store's own order."""
        ...

    @abstractmethod
    def refusal(self, key: str, size: int = 0) -> str | None:
        """Why this store can't hold an object of ``size`` bytes under exactly this key; None when it can."""
        ...

    @abstractmethod
    def head(self, key: str) -> ObjectInfo | None:
        """The object now, or None. A lookup that failed raises: it is not a missing object."""
        ...

    @abstractmethod
    def open(self, key: str, pinned: str | None, *, checksum: bool = False) -> AbstractContextManager[Body]:
        """Open an object, refusing with SourceChanged any version but ``pinned``; ask for its ``checksum`` too."""
        ...

    @abstractmethod
    def hash_of(self, size: int) -> str | None:
        """By which hash this store tells an object of ``size`` bytes that it took; None if by none.

        Where that differs by endpoint it is found out, once, by writes that leave nothing.
        """
        ...

    @abstractmethod
    def put(
        self, key: str, data: bytes, attributes: Attributes, *, before: str | None, mtime: int | None, scratch: str
    ) -> Written:
        """Write a small object in one step, visible only when whole.

        ``before`` is the etag that stands there and may be replaced; None means that nothing
        may stand there, and AlreadyExists is raised when something does. ``scratch`` names the
        temporary object, where one is needed; the same name finds the debris of a killed run.
        """
        ...

    @abstractmethod
    def put_stream(
        self, key: str, chunks: Iterable[bytes], size: int, attributes: Attributes, *,
        before: str | None, mtime: int | None, scratch: str,
    ) -> Written:  # fmt: skip
        """The same for a large object, holding a few chunks at a time. An error leaves nothing."""
        ...

    @abstractmethod
    def remove(self, key: str, pinned: str) -> bool:
        """Delete an object that is still the version ``pinned``; whether it was."""
        ...

    @abstractmethod
    def sync(self) -> None:
        """Make all that was put durable."""
        ...
