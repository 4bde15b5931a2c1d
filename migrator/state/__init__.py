"""The state DB: where runs live and the truth about them is kept."""

from .db import StateDB
from .dialects import now_ms
from .journal import Journal

__all__ = ["Journal", "StateDB", "now_ms"]
