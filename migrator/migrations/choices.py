"""What may be chosen of a migration, by the words for it. It loads nothing: a command knows them at once."""

from __future__ import annotations

from typing import Literal

Overwrite = Literal["never", "if-different", "always"]
Compare = Literal["listed", "etag", "checksum"]
Before = Literal["keep", "none"]
Duplicates = Literal["copy", "report", "once"]
OnLoss = Literal["report", "refuse", "sidecar"]
SourceAfter = Literal["keep", "delete-verified", "quarantine-verified"]
Collisions = Literal["refuse", "rename", "keep-newest", "keep-identical-once"]
