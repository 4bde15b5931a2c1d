"""The checksums that servers keep of an object's bytes beside its ETag, and compare with what arrives.

Cyclic ones cost a fortieth of an MD5. AWS keeps a CRC64NVME, or another that the writer chose, of all that was written
since December 2024, of objects in parts too, where an ETag tells nothing of the whole (AWS S3 User Guide, "Checking
object integrity"); Google keeps a CRC32C. Here they are ``algorithm:hexadecimal``.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

# The bytes of each, big-endian. What is sent comes first: of it alone every server tells that of the whole for parts.
WIDTHS = {"crc64nvme": 8, "crc32c": 4, "crc32": 4}
SUMMED_BYTES = 1 << 20  # an MD5 of less costs no more than asking for a checksum does
SENT: Final = "crc64nvme"
HEADER = "x-amz-checksum-"
TYPE = "x-amz-checksum-type"
# Of all bytes, and not of the checksums of parts.
WHOLE = "FULL_OBJECT"
# What a read is asked with.
ASK = {"x-amz-checksum-mode": "ENABLED"}
# What an upload in parts is begun with.
IN_PARTS = {"x-amz-checksum-algorithm": SENT.upper(), TYPE: WHOLE}


class Cyclic:
    """A cyclic checksum, fed chunk by chunk like a hash."""

    __slots__ = ("_step", "_value", "_width")

    def __init__(self, algorithm: str) -> None:
        from awscrt import checksums  # 50 ms, which only large objects are worth

        self._step, self._width, self._value = getattr(checksums, algorithm), WIDTHS[algorithm], 0

    def update(self, chunk: bytes) -> None:
        self._value = self._step(chunk, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")

    def hexdigest(self) -> str:
        return self.digest().hex()


def sent_with(body: bytes) -> str:
    """The checksum of a body, as a header or an answer of S3's has it."""
    checksum = Cyclic(SENT)
    checksum.update(body)
    return in_base64(checksum.digest())


def in_base64(digest: bytes) -> str:
    """A hash of any kind, as services write it."""
    return base64.b64encode(digest).decode()


def told_in(headers: Mapping[str, str]) -> str | None:
    """The checksum of all bytes that the headers of an answer tell; None where they tell none, or one of parts."""
    if headers.get(TYPE, WHOLE) != WHOLE:
        return None
    for algorithm in WIDTHS:
        if (text := headers.get(HEADER + algorithm)) and (digest := from_base64(algorithm, text)):
            return f"{algorithm}:{digest}"
    return None


def from_base64(algorithm: str, text: str) -> str | None:
    """The hexadecimal of a checksum in base64; None where it is none, as with ``-N`` of N parts behind it."""
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == WIDTHS[algorithm] else None
