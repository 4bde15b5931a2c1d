"""Text and JSON as every database takes them, and gives them back.

Characters that no driver sends, or PostgreSQL refuses, are escaped. What is longer than its column is refused
here: SQLite would keep it, a lax MySQL cut it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ..errors import BadInput
from ..words import escape, unescape

__all__ = ["Json", "Name", "Text", "escape", "unescape"]


class Text(sa.types.TypeDecorator[str]):
    """Text of any length; MySQL's TEXT ends at 64 KiB."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name != "mysql":
            return dialect.type_descriptor(sa.Text())
        from sqlalchemy.dialects.mysql import LONGTEXT

        return dialect.type_descriptor(LONGTEXT())

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else escape(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else unescape(value)


class Name(sa.types.TypeDecorator[str]):
    """A short text that can be indexed. One that is too long is refused, never cut."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        stored = escape(value)
        if len(stored) > self.length:
            begin = repr(f"{value[:40]}…")
            raise BadInput(f"{begin} is too long for the state DB: {len(stored)} characters, of {self.length}.")
        return stored

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else unescape(value)


class Json(sa.types.TypeDecorator[Any]):
    """JSON whose strings are escaped as `Text` is: MySQL refuses a lone surrogate in any spelling."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return _each_string(value, escape)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return _each_string(value, unescape)


def _each_string(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(name): _each_string(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_each_string(inner, change) for inner in value]
    return value
