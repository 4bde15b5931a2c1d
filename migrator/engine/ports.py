"""What the engine asks of the world: somewhere to write down what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ..model import Counts, Item, Receipt, Shard


class Journal(Protocol):
    """The engine's narrow pen. Every call is fenced: it raises TokenLost, having written
    nothing, once another attempt owns the run."""

    def enter(self, phase: str) -> None:
        """A phase begins; the one before it is done."""
        ...

    def planned(self, shards: Sequence[Shard], actions: Mapping[str, Mapping[str, int]], plan_hash: str) -> None:
        """The plan is durable. ``actions`` maps action to ``items`` and ``bytes``."""
        ...

    def plan_hash(self) -> str | None:
        """The hash of the durable plan; None while there is none."""
        ...

    def shards(self) -> list[Shard]:
        """The plan's shards, in order."""
        ...

    def commit(self, shard: Shard, receipts: str, counts: Counts, failures: Iterable[tuple[Item, Receipt]]) -> None:
        """A shard's receipt file is durable: name it, count it, and say so, in one transaction.

        ``counts`` are the shard's tallies over all of its receipts.
        """
        ...

    def counts(self) -> Counts:
        """The run's committed tallies."""
        ...

    def warn(self, text: str) -> None: ...

    def note(self, kind: str, data: Mapping[str, Any]) -> None:
        """A fact of another kind, as an event."""
        ...
