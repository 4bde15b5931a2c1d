"""What a run may use, read from what people write."""

from __future__ import annotations

import re
from typing import Any

from .errors import BadInput
from .options import option

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(k|m|g|ki|mi|gi)?b?(?:/s)?\s*", re.IGNORECASE)
MOST_IN_FLIGHT = 512


def read_limits(bytes_per_s: float | str | None = None, in_flight: int | None = None) -> dict[str, Any]:
    """The limits of a run as they are recorded; what is not given is not in them.

    Raises
    ------
    BadInput
        If a figure makes no sense.
    """
    limits: dict[str, Any] = {}
    if bytes_per_s is not None:
        limits["bytes_per_s"] = read_size(bytes_per_s)
    if in_flight is not None:
        if not 1 <= in_flight <= MOST_IN_FLIGHT:
            raise BadInput(f"{option('in_flight')} is a number of objects from 1 to {MOST_IN_FLIGHT}, not {in_flight}.")
        limits["in_flight"] = in_flight
    return limits


def read_size(text: float | str) -> int:
    """Bytes from ``20e6``, ``"20MB"`` (decimal) or ``"20MiB"`` (binary); at least one.

    Raises
    ------
    BadInput
        If it is no such thing.
    """
    if isinstance(text, str):
        found = _SIZE.fullmatch(text)
        size = float(found[1]) * _UNITS[(found[2] or "").lower()] if found else 0
    else:
        size = text
    if size < 1:
        raise BadInput(f"{text!r} is no number of bytes; write 20000000, '20MB' or '20MiB'.")
    return int(size)
