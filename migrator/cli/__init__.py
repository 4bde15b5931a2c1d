"""``migrator``: a thin face over the API."""

from .main import main

__all__ = ["main"]
