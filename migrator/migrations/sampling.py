"""Which objects are read again where not all are, and what that says of the others."""

from __future__ import annotations

import hashlib
from typing import Any

from ..errors import BadInput
from ..words import counted


def share_of(name: str, given: Any) -> Any:
    """A share as people write it: ``"1%"`` is 0.01; anything else is left to the type.

    Raises
    ------
    BadInput
        If it ends as a percentage and is none.
    """
    if isinstance(given, str) and given.strip().endswith("%"):
        try:
            return float(given.strip()[:-1]) / 100
        except ValueError:
            raise BadInput(f"{name}={given!r} is no share; write one such as 0.01 or 1%.") from None
    return given


class Sampling:
    """Which objects are read again, and what that says of the others."""

    def __init__(self, share: float | None) -> None:
        self._share = share
        self._taken = self._asked = 0

    def takes(self, key: str) -> bool:
        """Whether this one is in the sample."""
        if self._share is None:
            return False
        taken = in_sample(key, self._share)
        self._asked, self._taken = self._asked + 1, self._taken + taken
        return taken

    def told(self) -> str | None:
        """The confidence, where a part was taken."""
        if not self._asked or self._taken == self._asked:
            return None
        if not self._taken:
            return f"The sample is empty: none of {counted(self._asked, 'object')} is read again. Take a larger share."
        return (
            f"A sample of {self._taken:,} of {counted(self._asked, 'object')} is read again. If none of them differs, "
            f"then with 95 % confidence fewer than {bound(self._taken):.2%} of the others do."
        )


def in_sample(key: str, share: float) -> bool:
    """Whether a sample of such a share has this key: told by its hash, so that the same sample is taken again."""
    if share in (0, 1):
        return bool(share)
    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8, person=b"sample").digest()
    return int.from_bytes(digest) < share * 2**64


def bound(taken: int) -> float:
    """The share of differing objects that a sample without any excludes with 95 % confidence.

    Exact for a sample of a large number, and about 3 / ``taken``: the *rule of three* (Hanley and Lippman-Hand, "If
    nothing goes wrong, is everything all right?", JAMA 249, 1983).
    """
    return 1 - 0.05 ** (1 / taken)
