"""What a bucket is as a store, whoever serves it: a prefix, and what its server's refusals mean."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from typing import Generic, TypeVar

from ..errors import AlreadyExists, NotFound, SourceChanged, StoreError
from . import keys
from .abilities import Served
from .answers import Refusal
from .base import Attributes, Written
from .locations import Location
from .native import Lane
from .s3.body import changed
from .s3.trials import NAME

L = TypeVar("L", bound=Lane)


class Bucket(Served, Generic[L]):
    """A prefix of a bucket. The stores of S3, Google and Azure are made of it, each with a lane of its own.

    See ``Store`` and ``abilities`` for what each public method promises.
    """

    _lane: L

    def __init__(self, location: Location) -> None:
        self._location = location.resolve()
        self._below = f"{location.prefix}/" if location.prefix else ""

    @property
    def location(self) -> Location:
        return self._location

    def full(self, key: str) -> str:
        """The key as it stands in the bucket."""
        return self._below + key

    def what(self, key: str) -> str:
        """The object as people know it."""
        return f"{self._location.url}{key}"

    def refusal(self, key: str, size: int = 0) -> str | None:
        return keys.refusal(self._below, key)

    def try_out(self, scratch: str, debris: Iterable[str] = ()) -> list[str]:
        with suppress(StoreError):  # in nobody's way; at the run's end it is looked for again, and said
            self.clear_debris(debris)
        return self._try_out(scratch)

    def clear_debris(self, scratches: Iterable[str]) -> None:
        met: list[StoreError] = []
        # What is odd about a trial's key may stand before its name.
        for beginning in (self.full(f"{odd}{NAME}{scratch}") for scratch in scratches for odd in ("", "/")):
            try:
                for key in self._keys_from(beginning):
                    self._drop(key)
            except StoreError as error:
                met.append(error)
        if met:
            raise met[0]

    def _told_of_versions(self) -> list[str]:
        """What people should know before they read from here."""
        told = f"The bucket of {self._location.url} keeps versions; older versions are not copied."
        return [told] if self.keeps_versions() else []

    def put_stream(
        self, key: str, chunks: Iterable[bytes], size: int, attributes: Attributes, *,
        before: str | None, mtime: int | None, scratch: str,
    ) -> Written:  # fmt: skip
        if not size:
            empty = _nothing(chunks, self.what(key))
            return self.put(key, empty, attributes, before=before, mtime=mtime, scratch=scratch)
        try:
            return self._put_large(key, chunks, size, attributes, before)
        except Refusal as refusal:
            raise self._explain_write(refusal, key, before) from None

    def sync(self) -> None:
        """Nothing to do: a server answers when it has the object."""

    @abstractmethod
    def _put_large(
        self, key: str, chunks: Iterable[bytes], size: int, attributes: Attributes, before: str | None
    ) -> Written:
        """`Store.put_stream` of at least one byte; may raise Refusal."""

    @abstractmethod
    def _try_out(self, scratch: str) -> list[str]:
        """`Store.try_out`, once the debris is gone."""

    @abstractmethod
    def _keys_from(self, beginning: str) -> Iterable[str]:
        """The keys, whole as in the bucket, that begin so; the first page of them at least."""

    def _address(self, key: str) -> str:
        """A whole key as the lane is told it."""
        return key

    def _drop(self, key: str) -> None:
        """Delete an object by its whole key; one that is gone is as good."""
        try:
            self._lane.send("DELETE", self._address(key))
        except Refusal as refusal:
            if refusal.status != 404:
                raise self._lane.explain(refusal, key) from None

    def _check_key(self, key: str, size: int = 0) -> None:
        if reason := self.refusal(key, size):
            raise StoreError(f"{self._location.url} {key!r}: {reason}.")

    def _check_before(self, key: str, before: str | None) -> None:
        """Say no before the bytes are sent, not after."""
        if self._stands_otherwise(key, before):
            raise self._conflict(key)

    def _stands_otherwise(self, key: str, before: str | None) -> bool:
        now = self.head(key)
        return (now.etag if now else None) != before

    def _conflict(self, key: str) -> AlreadyExists:
        return AlreadyExists(f"{self.what(key)} exists already or has changed since the plan; it was left as it is.")

    def _met_another(self, refusal: Refusal) -> bool:
        """Whether a request was refused for what stands at its key."""
        return self._lane.met(refusal) == "another"

    def _explain_write(self, refusal: Refusal, key: str, before: str | None) -> Exception:
        met = self._lane.met(refusal)
        # Some tell of a lock before they look at the condition, and a 409 that nobody knows may be either.
        unsure = met == "protected" or (met is None and refusal.status == 409)
        if met == "another" or (unsure and self._stands_otherwise(key, before)):
            return self._conflict(key)
        return self._lane.explain(refusal, self.full(key))

    def _explain_copy(
        self, refusal: Refusal, source: Bucket[L], key: str, target_key: str, before: str | None
    ) -> Exception:
        if self._met_another(refusal):  # two conditions were sent, and the answer does not say which one failed
            met = self._stands_otherwise(target_key, before)
            return self._conflict(target_key) if met else changed(source.what(key))
        if refusal.status == 404 and source.head(key) is None:
            return NotFound(f"{source.what(key)} is not there (any more).")
        return self._lane.explain(refusal, self.full(target_key))

    def _check_arrived(self, key: str, sent: int, standing: int | None) -> None:
        if standing != sent:
            raise StoreError(f"{self.what(key)} was sent in {sent} bytes and is not there so; look at the store.")


def _nothing(chunks: Iterable[bytes], what: str) -> bytes:
    """The bytes of an empty object. Raises SourceChanged when there are any."""
    data = b"".join(chunks)
    if data:
        raise SourceChanged(f"{what} was announced as empty and gave {len(data)} bytes; it was not written.")
    return data
