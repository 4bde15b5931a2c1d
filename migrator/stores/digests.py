"""Hashes of objects that pass by in chunks.

``md5`` is what S3 gives as the ETag of an object written in one request; ``md5-parts`` what it
gives for parts: the MD5 of the parts' MD5s, a dash and their number (AWS S3 User Guide, "Checking
object integrity"). ``crc64nvme`` and ``crc32c`` are kept beside (`checksums`). ``xxh3`` is XXH3-128: fast, and no
server's word is compared with it.

A version tag is S3's ETag, or ``HASH@VERSION`` where a store's versions have names of their own: the hash that the
store tells of the bytes, if any, and the version. ``~HASH`` is one that the store keeps and never checked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import xxhash

from ..errors import BadInput
from ..options import option
from .checksums import WIDTHS, Cyclic, from_base64

MIB = 1 << 20
PART_BYTES = 8 * MIB
# Part sizes that tools write by default, in MiB; others are guessed from the number of parts.
USUAL_PARTS = (5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512)
# Strong hashes that a record may want beside the one that a server's word is compared with.
Strong = Literal["blake3", "sha256"]
# What an ETag looks like when it may be the MD5 of the bytes, or of parts.
PLAIN_MD5 = re.compile(r"[0-9a-f]{32}\Z")
_OF_PARTS = re.compile(r"[0-9a-f]{32}-[1-9][0-9]{0,4}\Z")


class Word(NamedTuple):
    """What a store says of an object's bytes: the hash, in hexadecimal. ``checked``: it computed it itself.

    ``sealed``: it may be of the bytes as they are encrypted, or of none (see `Body.sealed`).
    """

    algorithm: str
    digest: str
    checked: bool = True
    sealed: bool = False


def tag_of(digest: str | None, version: str, *, checked: bool = True) -> str:
    """A version tag, of the hash that a store tells and the name of a version."""
    return f"{'' if checked or not digest else '~'}{digest or ''}@{version}"


def version_in(tag: str) -> str:
    """The name of the version in a tag."""
    return tag.rpartition("@")[2]


def told(tag: str | None, *, checked: bool = False) -> str | None:
    """The hash in a version tag, where it has one; with ``checked`` only one that the store itself computed."""
    digest = (tag or "").partition("@")[0]
    return None if checked and digest[:1] == "~" else digest.lstrip("~") or None


def md5_told(tag: str | None, *, checked: bool = False) -> str | None:
    """The MD5 of the bytes, where a version tag tells it."""
    digest = told(tag, checked=checked)
    return digest if digest and PLAIN_MD5.match(digest) else None


def word_of(tag: str | None, checksum: str | None = None) -> Word | None:
    """A store's word for the bytes of a version: its ``checksum`` if it told one, else what the tag tells."""
    if checksum:
        return Word(*checksum.split(":", 1), checked=True)
    digest = told(tag) or ""
    checked = not (tag or "").startswith("~")
    if PLAIN_MD5.match(digest):
        return Word("md5", digest, checked)
    if _OF_PARTS.match(digest):
        return Word("md5-parts", digest, checked)
    algorithm, _, text = digest.partition("=")
    found = from_base64(algorithm, text) if algorithm in WIDTHS else None
    return Word(algorithm, found, checked) if found else None


def parts_of(size: int) -> int:
    """How many parts of `PART_BYTES` an object of ``size`` bytes has."""
    return max(1, -(-size // PART_BYTES))


def comparable(word: Word | None, size: int) -> Word | None:
    """The word, where a hash of ours of ``size`` bytes can be that one: not where it is of parts of another size."""
    if word and word.algorithm == "md5-parts" and word.digest.rpartition("-")[2] != str(parts_of(size)):
        return None
    return word


def sizes_of_parts(size: int, etag: str) -> list[int]:
    """Part sizes in bytes, whole MiB, by which an object of ``size`` bytes may have got this ETag of parts."""
    number = etag.rpartition("-")[2]
    if not _OF_PARTS.match(etag):
        return []
    least = -(-size // int(number))
    usual = {part * MIB for part in USUAL_PARTS} | {-(-least // MIB) * MIB}
    return sorted(part for part in usual if part and max(1, -(-size // part)) == int(number))


def digests_of_parts(chunks: Iterable[bytes], sizes: Sequence[int]) -> list[str]:
    """The ``md5-parts`` of one object for several part sizes; ``chunks`` are of one MiB each, the last one shorter."""
    whole = [hashlib.md5(usedforsecurity=False) for _ in sizes]
    parts = [hashlib.md5(usedforsecurity=False) for _ in sizes]
    numbers, done = [0] * len(sizes), 0
    for chunk in chunks:
        done += len(chunk)
        for which, size in enumerate(sizes):
            parts[which].update(chunk)
            if done % size == 0:
                whole[which].update(parts[which].digest())
                parts[which], numbers[which] = hashlib.md5(usedforsecurity=False), numbers[which] + 1
    for which, size in enumerate(sizes):
        if done % size or not done:
            whole[which].update(parts[which].digest())
            numbers[which] += 1
    return [f"{each.hexdigest()}-{number}" for each, number in zip(whole, numbers, strict=True)]


def digest_of(chunks: Iterable[bytes], algorithm: str) -> str:
    """The hash of the chunks, in hexadecimal. ``md5-parts`` wants chunks of exactly PART_BYTES."""
    hasher = Hasher(algorithm)
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.hexdigest()


class Hasher:
    """A hash of an object, fed chunk by chunk: one that a store tells, or xxh3.

    ``record`` adds a strong one, ``beside`` another that a store tells, of the same chunks.
    """

    def __init__(self, algorithm: str, record: Strong | None = None, *, beside: str | None = None) -> None:
        self.algorithm = algorithm
        self._said = ""
        self._hash = _new(algorithm)
        self._beside = _new(beside) if beside else None
        self._record = record and (record, _new(record))

    def update(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        if self._beside:
            self._beside.update(chunk)
        if self._record:
            self._record[1].update(chunk)
        self._said = ""

    def hexdigest(self) -> str:
        if not self._said:  # it is asked for three times an object, and each costs as much as a kibibyte
            self._said = self._hash.hexdigest()
        return self._said

    def confirms(self, digest: str) -> bool:
        """Whether this is the hash of what it was fed."""
        return digest == self.hexdigest() or (self._beside is not None and digest == self._beside.hexdigest())

    def told(self) -> str:
        """As a receipt has it: ``algorithm:hexadecimal``, and the strong one after a space."""
        strong = f" {self._record[0]}:{self._record[1].hexdigest()}" if self._record else ""
        return f"{self.algorithm}:{self.hexdigest()}{strong}"


class _PartsMD5:
    """The ``md5-parts`` of an object, whose chunks are its parts."""

    def __init__(self) -> None:
        self._parts, self._hash = 0, hashlib.md5(usedforsecurity=False)

    def update(self, chunk: bytes) -> None:
        self._parts += 1
        self._hash.update(hashlib.md5(chunk, usedforsecurity=False).digest())

    def hexdigest(self) -> str:
        return f"{self._hash.hexdigest()}-{self._parts}"


def check_strong(algorithm: Strong) -> None:
    """Raise BadInput where a strong hash can't be made here."""
    try:
        _new(algorithm)
    except ImportError:
        raise BadInput(
            f"{option('record', algorithm)} needs the package {algorithm}: pip install "
            f"'jupyter-migrator[{algorithm}]', or use {option('record', 'sha256')}."
        ) from None


def _new(algorithm: str) -> Any:
    if algorithm == "md5":
        return hashlib.md5(usedforsecurity=False)
    if algorithm == "md5-parts":
        return _PartsMD5()
    if algorithm in WIDTHS:
        return Cyclic(algorithm)
    if algorithm == "blake3":
        from blake3 import blake3

        return blake3()
    return xxhash.xxh3_128() if algorithm == "xxh3" else hashlib.new(algorithm)
