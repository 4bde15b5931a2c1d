"""One object copied as a batch copies it, and alone where the batch leaves it out: what an executor does with it."""

from __future__ import annotations

import pytest

from migrator.engine.copying import Copier
from migrator.model import Item, Receipt
from migrator.stores import native

WAYS = ["alone", "together"]


def be_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server be near that was asked once, however busy this machine is."""
    monkeypatch.setattr(native, "NEAR_THREADS", native.FAR_THREADS)


def copy(copier: Copier, row: Item, way: str = "together") -> Receipt:
    """Raises what it met, as `Copier.copy` does."""
    found = {item.item_no: outcome for item, outcome in (copier.together.copy([row]) if way == "together" else ())}
    outcome = found.get(row.item_no)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome or copier.copy(row)
