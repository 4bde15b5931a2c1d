"""Azure Blob Storage."""

from __future__ import annotations

from .store import AzureStore

__all__ = ["AzureStore"]
