"""What can be started from a list of runs: the migrations that this kernel knows, each with its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import migrator as mg
from migrator.api import default_mode, forms
from migrator.errors import BadInput

from .verbs import known


def offers() -> dict[str, Any]:
    """The forms, and the mode that is usual."""
    return {"migrations": forms.forms(forms.offered()), "mode": default_mode()}


def made(asked: Mapping[str, Any]) -> Any:
    """The migration that was filled in.

    Raises
    ------
    BadInput
        If it is none of those that are offered, or a field does not fit.
    """
    reference = str(asked.get("migration"))
    kind = next((each for each in forms.offered() if forms.registry.reference(each) == reference), None)
    if kind is None:
        raise BadInput(f"This kernel knows no migration {reference[:80]!r}; import its module in a cell first.")
    return forms.filled(kind, asked.get("spec") or {})


def launch(asked: Mapping[str, Any]) -> Any:
    """Start what was filled in; a run. Raises as `made` does."""
    name = str(asked.get("name") or "").strip() or None
    return mg.start(made(asked), mode=known(asked.get("mode")), dry_run=bool(asked.get("dry_run")), name=name)
