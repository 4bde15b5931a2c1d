"""Two objects compared: by a server's word where that proves something, else by reading both."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import StoreError
from ..migrations import Control
from ..migrations.losses import differing
from ..migrations.verify import DIFFERENT
from ..model import Item, Receipt
from ..stores import Attributes, Store
from ..stores.digests import MIB, PLAIN_MD5, digest_of, digests_of_parts, md5_told, sizes_of_parts, told
from .standing import before_of, checksum_of, name_of

Version = tuple[Store, str, str | None]  # where, key, and what it is pinned to


class Stopped(Exception):
    """The run was asked to stop in the middle of an object."""


class Verdict(NamedTuple):
    """``evidence`` that both are the same, or what the difference is."""

    evidence: str | None
    digest: str | None = None
    difference: str | None = None


class Comparer:
    """Compares the items of one run. Used by many threads at once; holds nothing that changes."""

    def __init__(self, source: Store, target: Store, control: Control, *, metadata: bool) -> None:
        self._source, self._target, self._control, self._metadata = source, target, control, metadata
        self._remote = (source.capabilities.remote, target.capabilities.remote)
        self._both_hold = source.capabilities.holds_attributes and target.capabilities.holds_attributes

    def compare(self, item: Item) -> Receipt:
        """What is true of one item.

        Raises
        ------
        Stopped
            If the run was asked to stop meanwhile.
        """
        if item.action in DIFFERENT:
            return _receipt(item, Verdict(None, difference=f"{item.action}: {item.reason}"))
        try:
            return _receipt(item, self._compare(item))
        except StoreError as error:
            return _receipt(item, Verdict(None, difference=f"unreadable: {error}"))

    def _compare(self, item: Item) -> Verdict:
        again = json.loads(item.detail or "{}").get("again", False)
        verdict = None if again else self._by_word(item)
        verdict = verdict or self._by_reading(item)
        if verdict.difference is None and self._both_hold and (self._metadata or again):
            difference = self._attributes_differ(item)
            return Verdict(None, difference=difference) if difference else verdict
        return verdict

    def _by_word(self, item: Item) -> Verdict | None:
        """What the ETags tell without reading a bucket; None where both have to be read."""
        here, there = item.etag, before_of(item)
        if self._remote == (True, True):
            if told(here) is not None and told(here) == told(there):
                return Verdict("listed")
            return None if md5_told(here) and md5_told(there) else self._by_checksums(item)
        return None if self._remote == (False, False) else self._file_by_word(item)

    def _file_by_word(self, item: Item) -> Verdict | None:
        """A file against what the bucket tells of the object."""
        file, object_ = (self._there(item), self._here(item))[:: 1 if self._remote[0] else -1]
        tag = object_[2]
        if md5_told(tag) is None and (checksum := checksum_of(*object_)):
            algorithm, _, digest = checksum.partition(":")
            return Verdict("server-hash", checksum) if self._hash(*file, algorithm) == digest else None
        verdict = self._against(*file, item.bytes, told(tag))
        if verdict and verdict.evidence == "server-hash" and not told(tag, checked=True):
            return verdict._replace(evidence="listed")  # what somebody said that it is, and nobody checked
        return verdict

    def _by_checksums(self, item: Item) -> Verdict | None:
        """What two stores tell of all bytes, where they tell the same kind; None where it differs."""
        here, there = checksum_of(*self._here(item)), checksum_of(*self._there(item))
        if not here or not there or here.partition(":")[0] != there.partition(":")[0]:
            return Verdict("size-only")
        return Verdict("server-hash", here) if here == there else None

    def _here(self, item: Item) -> Version:
        return self._source, item.key, item.etag

    def _there(self, item: Item) -> Version:
        return self._target, name_of(item), before_of(item)

    def _against(self, store: Store, key: str, pinned: str | None, size: int, told_there: str | None) -> Verdict | None:
        """A file against what an object's tag tells; what is not the file's hash may be no hash at all."""
        if PLAIN_MD5.match(told_there or ""):
            digest = self._hash(store, key, pinned, "md5")
            return Verdict("server-hash", f"md5:{digest}") if digest == told_there else None
        sizes = sizes_of_parts(size, told_there or "")
        with store.open(key, pinned) as body:
            digests = digests_of_parts(self._unless_stopped(body.chunks(MIB)), sizes) if sizes else ()
        return Verdict("server-hash", f"md5-parts:{told_there}") if told_there in digests else Verdict("size-only")

    def _by_reading(self, item: Item) -> Verdict:
        here = self._hash(*self._here(item), "xxh3")
        there = self._hash(*self._there(item), "xxh3")
        if here == there:
            return Verdict("re-read", f"xxh3:{here}")
        return Verdict(None, difference=f"changed: the bytes differ (XXH3 {here[:12]}… here, {there[:12]}… there)")

    def _attributes_differ(self, item: Item) -> str | None:
        here, there = (_attributes(*version) for version in (self._here(item), self._there(item)))
        told = [
            f"{name.replace(':', ' ', 1)} {ours!r} here, {theirs!r} there"
            for name, ours, theirs in differing(here, there)
        ]
        return "metadata: " + ", ".join(told) if told else None

    def _hash(self, store: Store, key: str, pinned: str | None, algorithm: str) -> str:
        with store.open(key, pinned) as body:
            return digest_of(self._unless_stopped(body.chunks(MIB)), algorithm)

    def _unless_stopped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._control.cancelled():
                raise Stopped
            self._control.spend(len(chunk))
            yield chunk


def _attributes(store: Store, key: str, pinned: str | None) -> Attributes:
    with store.open(key, pinned) as body:
        return body.attributes


def _receipt(item: Item, verdict: Verdict) -> Receipt:
    status = "failed" if verdict.difference else "skipped"
    now = time.time_ns() // 1_000_000
    return Receipt(
        item.item_no, status, verdict.evidence, verdict.digest, item.bytes, None, None, verdict.difference, now
    )
