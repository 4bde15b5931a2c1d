"""Hashes of objects that pass by in chunks.

``md5`` is what S3 gives as the ETag of an object written in one request; ``md5-parts`` what it
gives for parts: the MD5 of the parts' MD5s, a dash and their number (AWS S3 User Guide, "Checking
object integrity"). ``xxh3`` is XXH3-128: fast, and no server's word is compared with it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import xxhash

PART_BYTES = 8 << 20
# What an ETag looks like when it may be the MD5 of the bytes.
PLAIN_MD5 = re.compile(r"[0-9a-f]{32}\Z")


def parts_of(size: int) -> int:
    """How many parts of `PART_BYTES` an object of ``size`` bytes has."""
    return max(1, -(-size // PART_BYTES))


def digest_of(chunks: Iterable[bytes], algorithm: str) -> str:
    """The hash of the chunks, in hexadecimal. ``md5-parts`` wants them to end where a part ends, too."""
    hasher = Hasher(algorithm)
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.hexdigest()


class Hasher:
    """One of the three hashes, fed chunk by chunk."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash = xxhash.xxh3_128() if algorithm == "xxh3" else hashlib.md5(usedforsecurity=False)
        self._parts: list[bytes] = []
        self._of_part = 0

    def update(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        if self.algorithm == "md5-parts":
            self._of_part += len(chunk)
            if self._of_part >= PART_BYTES:
                self._end_part()

    def hexdigest(self) -> str:
        if self.algorithm != "md5-parts":
            return self._hash.hexdigest()
        if self._of_part:
            self._end_part()
        return hashlib.md5(b"".join(self._parts), usedforsecurity=False).hexdigest() + f"-{len(self._parts)}"

    def _end_part(self) -> None:
        self._parts.append(self._hash.digest())
        self._hash, self._of_part = hashlib.md5(usedforsecurity=False), 0
