"""What can be run: the seam for users' own migrations, and the built-in ones.

Each name is loaded when it is first used: they are pydantic's, and a hand that only copies needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazily import names_of

if TYPE_CHECKING:
    from .base import Batch, Control, Executor, Migration, PlanContext, Target
    from .copy_objects import CopyObjects
    from .delete_extra import DeleteExtra
    from .delete_source import DeleteSource
    from .purge_quarantine import PurgeQuarantine
    from .registry import executes
    from .verify import Verify

__all__ = [
    "Batch",
    "Control",
    "CopyObjects",
    "DeleteExtra",
    "DeleteSource",
    "Executor",
    "Migration",
    "PlanContext",
    "PurgeQuarantine",
    "Target",
    "Verify",
    "executes",
]

__getattr__ = names_of(__name__, {
    "base": ("Batch", "Control", "Executor", "Migration", "PlanContext", "Target"),
    "copy_objects": ("CopyObjects",),
    "delete_extra": ("DeleteExtra",),
    "delete_source": ("DeleteSource",),
    "purge_quarantine": ("PurgeQuarantine",),
    "registry": ("executes",),
    "verify": ("Verify",),
})  # fmt: skip
