"""Google Cloud Storage."""

from __future__ import annotations

from .store import GoogleStore

__all__ = ["GoogleStore"]
