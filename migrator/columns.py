"""Values as Arrow columns, and back.

Built of their buffers, not by ``pa.array``: that imports pandas to ask whether a list is one of its series, which costs
each process of a run 0.4 s and 70 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

from .words import escape, storable, unescape


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values as Parquet takes them: texts, integers, times as integers, or booleans, with None among them.

    Raises
    ------
    TypeError, OverflowError
        If one is of another type, or does not fit.
    """
    if not (missing := values.count(None)):
        holes = None
    elif missing == len(values):
        return pa.nulls(missing, kind)
    else:
        holes = _bits([value is not None for value in values])
    buffers = _texts(values) if pa.types.is_string(kind) else [_fixed(values, kind)]
    return pa.Array.from_buffers(kind, len(values), [holes, *buffers])


def scalar(value: str | int | bool) -> pa.Scalar:
    """One value to compare a column with, or to fill it; given as it is, pandas would be asked too."""
    kind = pa.string() if isinstance(value, str) else pa.bool_() if isinstance(value, bool) else pa.int64()
    return column([value], kind)[0]


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """The same values again."""
    values = column.to_pylist()
    if pa.types.is_string(column.type) and "\x10" in "".join(filter(None, values)):
        return [value and unescape(value) for value in values]
    return values


def _texts(values: Sequence[str | None]) -> list[pa.Buffer]:
    """Where each ends, and all of them one after the other."""
    texts = [value or "" for value in values]
    whole = "".join(texts)
    if not storable(whole):
        texts = list(map(escape, texts))
        whole = "".join(texts)
    said = texts if whole.isascii() else [text.encode() for text in texts]  # as long in bytes as in characters, or not
    return [pa.py_buffer(array("i", accumulate(map(len, said), initial=0))), pa.py_buffer(whole.encode())]


def _fixed(values: Sequence[Any], kind: pa.DataType) -> pa.Buffer:
    if pa.types.is_boolean(kind):
        return _bits(values)
    return pa.py_buffer(array("q", [0 if value is None else value for value in values]))


def _bits(values: Sequence[Any]) -> pa.Buffer:
    """A bit a value, the first one lowest."""
    number = int("".join(["1" if value else "0" for value in reversed(values)]) or "0", 2)
    return pa.py_buffer(number.to_bytes((len(values) + 7) // 8, "little"))
