"""What can be run: the seam for users' own migrations, and the built-in ones."""

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
