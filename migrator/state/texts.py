"""Text and JSON as every database takes them, and gives them back.

A file name that is not UTF-8 arrives with lone surrogates, which no driver sends, and an error may quote
a NUL, which PostgreSQL refuses. Such a character is stored as DLE, the *data link escape*, and four
hexadecimal digits. What is longer than its column is refused here: SQLite would keep it, a lax MySQL cut it.
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from ..errors import BadInput

_UNSTORABLE = re.compile("[\x00\x10\ud800-\udfff]")
_STORED = re.compile("\x10([0-9a-f]{4})")


def escape(text: str) -> str:
    """Text that every database takes; `unescape` gives the same text back."""
    return _UNSTORABLE.sub(lambda found: f"\x10{ord(found[0]):04x}", text)


def unescape(text: str) -> str:
    return _STORED.sub(lambda found: chr(int(found[1], 16)), text) if "\x10" in text else text


class Text(sa.types.TypeDecorator[str]):
    """Text of any length; MySQL's TEXT ends at 64 KiB."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        return dialect.type_descriptor(mysql.LONGTEXT() if dialect.name == "mysql" else sa.Text())

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
