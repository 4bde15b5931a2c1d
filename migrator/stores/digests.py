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
    """The hash of the chunks, in hexadecimal. ``md5-parts`` wants chunks of exactly PART_BYTES."""
    hasher = Hasher(algorithm)
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.hexdigest()


class Hasher:
    """One of the three hashes, fed chunk by chunk."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._parts = 0
        self._hash = xxhash.xxh3_128() if algorithm == "xxh3" else hashlib.md5(usedforsecurity=False)

    def update(self, chunk: bytes) -> None:
        if self.algorithm == "md5-parts":
            self._parts += 1
            chunk = hashlib.md5(chunk, usedforsecurity=False).digest()
        self._hash.update(chunk)

    def hexdigest(self) -> str:
        suffix = f"-{self._parts}" if self.algorithm == "md5-parts" else ""
        return self._hash.hexdigest() + suffix
