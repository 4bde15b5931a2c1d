"""What some stores can do and others can't: all that is asked of a store beside the port.

A store names its abilities as its bases, so that one which lacks a verb can't be made; who needs an ability asks for it
by ``isinstance``. Nothing else is looked for by name.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from .base import Attributes, Body, Store, Written

if TYPE_CHECKING:
    from .s3.multipart import Notes

W = TypeVar("W", covariant=True)


@runtime_checkable
class Served(Store, Protocol):
    """A store that a server keeps: it has a clock of its own, and what is tried there may outlive who tried it."""

    @abstractmethod
    def date(self) -> str:
        """The server's clock, as it writes it into every answer (RFC 9110, ``Date``); empty where it does not."""
        ...

    @abstractmethod
    def clear_debris(self, scratches: Iterable[str]) -> None:
        """Remove what trials left of which the scratch names begin so, as far as it can be removed.

        Raises
        ------
        StoreError
            After all was tried: what the first met that is still there, or could not be looked for.
        """
        ...


@runtime_checkable
class Resumable(Store, Protocol):
    """A store whose large writes are uploads with a name, which outlive their sender: carried on, or taken back.

    ``notes``: who writes down which were begun.
    """

    notes: Notes

    @abstractmethod
    def abort_upload(self, key: str, upload_id: str) -> None:
        """Take back what an upload of ``key``, whole as in the bucket, has sent; one that is gone is as good."""
        ...

    def abort_unanswered(self, key: str, ages: Sequence[float]) -> int:
        """Take back the uploads of ``key``, whole as in the bucket, that were begun so many seconds ago by who was
        killed before it was told their names; how many there were. None where uploads can't be listed.
        """
        return 0

    def upload_trials(self, key: str) -> Mapping[str, Callable[[], None]]:
        """What shows by name whether rights are there that only uploads need; each raises StoreError where not."""
        return {}


@runtime_checkable
class Checksummed(Store, Protocol):
    """A store that tells the checksum of an object without its being read."""

    @abstractmethod
    def checksum(self, key: str, pinned: str | None) -> str | None:
        """``algorithm:hexadecimal`` of all bytes of a version; None where it is not told of this one."""
        ...


@runtime_checkable
class HasFolders(Store, Protocol):
    """A store of folders, which may be empty; a bucket has none.

    ``empty_folders``: how many the last listing met that no key tells of.
    """

    empty_folders: int


@runtime_checkable
class ServerSide(Store, Protocol):
    """A store whose server makes copies itself."""

    @abstractmethod
    def can_copy_from(self, source: object) -> bool:
        """Whether the server can copy from there, seen with the same rights."""
        ...

    @abstractmethod
    def guards_copies(self, before: str | None) -> bool:
        """Whether such a copy is refused where something but ``before`` stands; perhaps found out by a trial, once."""
        ...

    @abstractmethod
    def copy_from(
        self, source: Any, key: str, target_key: str, etag: str, *, before: str | None = None, size: int = 0
    ) -> Written | None:
        """Have the server copy one object with all it carries; None where it can't, and bytes must be sent.

        Raises
        ------
        SourceChanged
            If the source is another version than ``etag``.
        AlreadyExists
            If something but ``before`` stands at the target.
        """
        ...

    def copy_parts_from(
        self, source: Any, key: str, target_key: str, etag: str, size: int, watch: Callable[[int], None], *,
        before: str | None = None,
    ) -> Written | None:  # fmt: skip
        """Copy an object that was written in parts, in those very parts, so that the ETags are to be equal.

        None where its parts are not known, or copied parts get other ETags here. ``watch`` is told the bytes of each
        part that is there, and may raise to give up. Raises as `copy_from` does.
        """
        return None


class Pending(Protocol[W]):
    """A small write that was sent; it counts for nothing until its answer was heard."""

    def hear(self) -> W:
        """What came of it. Raises AlreadyExists where a condition failed, another StoreError where it was refused or
        not answered: it is not sent again."""
        ...

    def close(self) -> None:
        """Do without the answer: whether it was written is not known then."""
        ...


class AskedBody(Body, Protocol):
    """A body of a store that sends ahead."""

    def ask(self) -> None:
        """Send for it before it is opened, where that is worth it now."""
        ...


@runtime_checkable
class SendsAhead(Store, Protocol):
    """A store to which a thread can send small requests before it has heard the answers to those before them.

    Its ``open`` gives an `AskedBody`. What gives None has sent nothing, and the plain verb does it.
    """

    @property
    @abstractmethod
    def near(self) -> bool:
        """Whether that is worth it now: answers come soon, and where they don't more threads do as much."""
        ...

    @abstractmethod
    def put_ahead(
        self, key: str, data: bytes, attributes: Attributes, *, before: str | None, mtime: int | None, scratch: str
    ) -> Pending[Written] | None:
        """Send what `put` sends, if that is one request."""
        ...

    @abstractmethod
    def copy_ahead(
        self, source: Any, key: str, target_key: str, etag: str, *, before: str | None = None, size: int = 0
    ) -> Pending[Written] | None:
        """Send what `ServerSide.copy_from` sends, from where the server can copy."""
        ...
