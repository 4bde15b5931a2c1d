"""What an endpoint really does, found by trying: a few small writes under a name of our own, taken back at once.

Servers differ in what they say and what they do: one ignores a condition that it accepts, another keeps a key
under a tidier name. So nothing is written on trust that could land elsewhere, or on something else.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from ..errors import StoreError
from .keys import CLOSING_SLASH, SAMPLES
from .listing import list_exactly
from .native import Answer, Lane

NAME = ".migrator-trial-"


class Trial:
    """Objects that are written to be looked at; ``name`` is in the key of each of them."""

    def __init__(self, lane: Lane, below: str) -> None:
        self.lane, self.below = lane, below
        self.name = NAME + secrets.token_hex(4)
        self._written: dict[str, str | None] = {}

    def put(self, key: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Raises Refusal where the server takes none of it."""
        self._written.setdefault(key, None)  # also when no answer comes
        answer = self.lane.send("PUT", key, (), headers, body)
        self._written[key] = answer.headers.get("x-amz-version-id")
        return answer

    def clear(self) -> None:
        """Take all of it back, whatever it is called there now, with the versions that a bucket keeps."""
        for key, version in self._written.items():
            self.lane.send("DELETE", key, [("versionId", version)] if version else ())
        for key in list_exactly(self.lane, self.below + self.name):
            self.lane.send("DELETE", key)


@contextmanager
def trial(lane: Lane, below: str) -> Iterator[Trial]:
    """A trial of which nothing is left, unless the server does not let go of it."""
    one = Trial(lane, below)
    try:
        yield one
    finally:
        with suppress(StoreError):
            one.clear()


def keeps(lane: Lane, below: str, oddity: str) -> bool:
    """Whether a key with this oddity is listed as it was written, with its bytes."""
    with trial(lane, below) as one:
        sample = below + SAMPLES[oddity].format(one.name)
        body = b"" if oddity == CLOSING_SLASH else b"x"
        try:
            one.put(sample, body)
            return list_exactly(lane, sample) == {sample: len(body)}
        except StoreError:
            return False
