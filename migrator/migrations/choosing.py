"""Which objects of a source are meant, and how many may be touched: what is not chosen is not in the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ByteSize, ConfigDict, Field, field_validator

from ..errors import BadInput
from ..options import option
from ..stores import Location
from ..words import sized
from .globs import regex_of

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TIME = "a time (2026-03-01, 2026-03-01T12:00) or an age (90m, 12h, 30d, 6w)"


class Choosing(BaseModel, defer_build=True):
    """The part of a migration that says which objects are meant.

    Parameters
    ----------
    include, exclude : list of str
        Globs over keys: ``*.csv`` anywhere, ``2026/**``, ``tmp/``. Chosen is what any of ``include`` matches (all,
        where there is none), unless one of ``exclude`` does.
    regex : str, optional
        A regular expression (RE2) that is found in the key.
    where : str, optional
        An expression of SQL (DuckDB) over ``key``, ``size`` in bytes, ``mtime`` (a timestamp, UTC) and ``etag``.
    min_size, max_size : int or str, optional
        Bytes, also ``"10MB"`` or ``"10MiB"``.
    newer_than, older_than : str, optional
        A time (``2026-03-01``, in UTC) or an age when it is planned (``12h``, ``30d``).
    manifest : str or path, optional
        A CSV or Parquet file with a column ``key``: only these. One that the source does not have is refused.
    max_objects, max_bytes, max_overwrites : int, optional
        More than that to be written, or to be replaced, and there is no plan.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    regex: str | None = None
    where: str | None = None
    min_size: ByteSize | None = None
    max_size: ByteSize | None = None
    newer_than: str | None = None
    older_than: str | None = None
    manifest: Location | None = None
    max_objects: int | None = Field(default=None, ge=0)
    max_bytes: ByteSize | None = None
    max_overwrites: int | None = Field(default=None, ge=0)

    @field_validator("include", "exclude", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @field_validator("include", "exclude")
    @classmethod
    def _are_globs(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for glob in given:
            regex_of(glob)
        return given

    @field_validator("newer_than", "older_than")
    @classmethod
    def _is_time(cls, given: str | None) -> str | None:
        if given is not None:
            read_time(given, datetime.now(UTC))
        return given

    def conditions(self, now: datetime) -> dict[str, list[Any]]:
        """What a listed object must fulfil: SQL over the listing's columns, with the values for its marks."""
        found: dict[str, list[Any]] = {}
        if self.include:
            found[_any_of(self.include)] = [regex_of(glob) for glob in self.include]
        if self.exclude:
            found[f"not {_any_of(self.exclude)}"] = [regex_of(glob) for glob in self.exclude]
        if self.regex is not None:
            found["regexp_matches(key, ?)"] = [self.regex]
        given = {"size >= ?": self.min_size, "size <= ?": self.max_size}
        found |= {text: [int(value)] for text, value in given.items() if value is not None}
        times = {"mtime >= ?": self.newer_than, "mtime < ?": self.older_than}
        found |= {text: [read_time(time, now)] for text, time in times.items() if time is not None}
        return found

    @property
    def chooses(self) -> bool:
        """Whether anything is left out."""
        return self.where is not None or self.manifest is not None or bool(self.conditions(datetime.now(UTC)))

    def check_amount(self, rows: Iterable[Mapping[str, Any]], sofar: dict[str, int], done: str = "written") -> None:
        """Count rows of a plan into ``sofar``; raise BadInput when more would be ``done`` than was allowed."""
        self.check_amounts(((row["action"], 1, row["bytes"]) for row in rows), sofar, done)

    def check_amounts(
        self, amounts: Iterable[tuple[str, int, int]], sofar: dict[str, int], done: str = "written"
    ) -> None:
        """The same of actions, each with a number of objects and their bytes."""
        for action, number, size in amounts:
            if action in ("create", "overwrite"):
                for what, amount in (("objects", number), ("bytes", size), (action, number)):
                    sofar[what] = sofar.get(what, 0) + amount
        limits = {
            "max_objects": (self.max_objects, sofar.get("objects", 0), f"objects would be {done}"),
            "max_bytes": (self.max_bytes, sofar.get("bytes", 0), f"would be {done}"),
            "max_overwrites": (self.max_overwrites, sofar.get("overwrite", 0), "objects would be replaced"),
        }
        for name, (most, found, what) in limits.items():
            if most is not None and found > most:
                shown = [sized(n) if name == "max_bytes" else f"{n:,}" for n in (found, most)]
                raise BadInput(
                    f"At least {shown[0]} {what}, and {option(name)} allows {shown[1]}. Nothing was {done}: choose "
                    "less, or raise it."
                )


def is_age(text: str) -> bool:
    """Whether a time is told by its distance: ``30d``."""
    return _AGE.fullmatch(text.strip()) is not None


def read_time(text: str, now: datetime) -> datetime:
    """A moment, in UTC and without its zone, from a time or an age.

    Raises
    ------
    BadInput
        If it is neither.
    """
    if age := _AGE.fullmatch(text.strip()):
        return (now - timedelta(**{_UNITS[age[2]]: float(age[1])})).astimezone(UTC).replace(tzinfo=None)
    try:
        given = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"{text!r} is no time. Write {_TIME}.") from None
    return given.astimezone(UTC).replace(tzinfo=None) if given.tzinfo else given


def _any_of(globs: tuple[str, ...]) -> str:
    return "(" + " or ".join(["regexp_full_match(key, ?, 's')"] * len(globs)) + ")"


CHOICE = tuple(Choosing.model_fields)
LIMITS = ("max_objects", "max_bytes", "max_overwrites")
