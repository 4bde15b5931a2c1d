"""What objects are called at the target: prefixes, a regular expression, a template, and who yields where two would
get one name."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from string import Formatter
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from ..errors import BadInput
from ..options import option
from ..stores import ObjectInfo
from .choices import Collisions

# Names with the regular expression replaced in each; the engine has one that can't run away.
Substitute = Callable[[Sequence[str], str, str], Sequence[str]]


class Renaming(BaseModel, defer_build=True):
    """The part of a migration that says what objects are called at the target.

    The steps are done in the order of the parameters; what none of them changes keeps its name.

    Parameters
    ----------
    strip_prefix : str, optional
        Taken from the beginning of the keys that have it.
    rename, rename_to : str, optional
        A regular expression (RE2), and what each of its matches becomes: ``\\1`` is its first group.
    untangle : bool
        Folders that lie in themselves become one: ``a/a/x`` and ``a/b/a/b/x`` are ``a/x`` and ``a/b/x``.
    flatten : bool
        Only the last segment of a key.
    template : str, optional
        The whole name, with fields in braces: ``{date:%Y/%m}/{stem}-{hash8}{ext}``. There are ``key folder name stem
        ext`` of the key so far, ``date`` (last change, UTC) with a strftime format, ``size``, ``etag``, ``type``
        (``image``, ``text``, ``other`` …, by suffix) and ``hash8`` (of the source key: eight digits of its SHA-256).
    add_prefix : str, optional
        Put before every name.
    collisions : {"refuse", "rename", "keep-newest", "keep-identical-once"}
        Where several would get one name: refuse them all; add ``-hash8`` to all but the first; omit all but the newest;
        copy those with the same bytes once and refuse the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    strip_prefix: str | None = None
    rename: str | None = None
    rename_to: str = ""
    untangle: bool = False
    flatten: bool = False
    template: str | None = None
    add_prefix: str | None = None
    collisions: Collisions = "refuse"

    @field_validator("template")
    @classmethod
    def _is_template(cls, given: str | None) -> str | None:
        if given is not None:
            _parse(given)
        return given

    @model_validator(mode="after")
    def _has_both(self) -> Renaming:
        if self.rename_to and self.rename is None:
            raise BadInput(
                f"{option('rename_to')} says what a match becomes; {option('rename')} with the regular expression is "
                "missing."
            )
        return self

    @property
    def renames(self) -> bool:
        """Whether any name can change."""
        return bool(
            self.strip_prefix or self.rename or self.untangle or self.flatten or self.template or self.add_prefix
        )

    def names(self, objects: Sequence[ObjectInfo], substitute: Substitute) -> Sequence[str]:
        """What these objects are called at the target."""
        names: Sequence[str] = [one.key.removeprefix(self.strip_prefix or "") for one in objects]
        if self.rename is not None:
            names = substitute(names, self.rename, self.rename_to)
        if self.untangle:
            names = [untangled(name) for name in names]
        if self.flatten:
            names = [name[name.rfind("/", 0, -1) + 1 :] for name in names]
        if self.template is not None:
            parts = _parse(self.template)
            names = ["".join(_fill(parts, one, name)) for one, name in zip(objects, names, strict=True)]
        return [self.add_prefix + name for name in names] if self.add_prefix else names


RENAMING = tuple(Renaming.model_fields)
_FIELDS: dict[str, Callable[[ObjectInfo, str], str]] = {
    "key": lambda _, key: key,
    "folder": lambda _, key: key.rpartition("/")[0],
    "name": lambda _, key: key.rpartition("/")[2],
    "stem": lambda _, key: split_name(key)[0],
    "ext": lambda _, key: split_name(key)[1],
    "size": lambda one, _: str(one.size),
    "etag": lambda one, _: one.etag or "none",
    "type": lambda _, key: _kind(split_name(key)[1].lower()),
    "hash8": lambda one, _: hash8(one.key),
}  # fmt: skip


def untangled(key: str) -> str:
    """A key without folders that repeat those just before them."""
    *folders, name = key.split("/")
    kept: list[str] = []
    for folder in folders:
        kept.append(folder)
        for size in range(1, len(kept) // 2 + 1):
            if kept[-size:] == kept[-2 * size : -size]:
                del kept[-size:]
                break
    return "/".join([*kept, name])


def split_name(key: str) -> tuple[str, str]:
    """The last segment of a key as stem and suffix; the suffix has its dot."""
    name = key.rpartition("/")[2]
    dot = name.rfind(".")
    return (name[:dot], name[dot:]) if dot > 0 else (name, "")


def hash8(key: str) -> str:
    """Eight hexadecimal digits that tell a key from others: the beginning of its SHA-256."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:8]


@lru_cache(maxsize=64)
def _parse(template: str) -> tuple[tuple[str, str | None, str], ...]:
    """A template as literals, each followed by a field with its format, or by none."""
    known = ", ".join(["date", *_FIELDS])
    try:
        parts = [(literal, field, form or "") for literal, field, form, _ in Formatter().parse(template)]
    except ValueError as error:
        raise BadInput(f"The template {template!r} can't be read: {error}. Write {{{{ for a brace itself.") from None
    for _, field, form in parts:
        if field is not None and field != "date" and (field not in _FIELDS or form):
            what = f"no format after {field}:" if field in _FIELDS else f"no field {{{field}}}"
            raise BadInput(f"The template {template!r} can have {what}; there are {known}. Only date takes a format.")
    if not any(field for _, field, _ in parts):
        raise BadInput(f"The template {template!r} gives every object one name; put a field into it: {known}.")
    return tuple(parts)


def _fill(parts: Sequence[tuple[str, str | None, str]], one: ObjectInfo, key: str) -> Iterator[str]:
    bare = False
    for literal, field, form in parts:
        yield literal.removeprefix("/") if bare else literal
        value = "" if field is None else _date(one, form) if field == "date" else _FIELDS[field](one, key)
        bare = field == "folder" and not value  # what lies in no folder gets no slash before its name
        yield value


def _date(one: ObjectInfo, form: str) -> str:
    return datetime.fromtimestamp(one.mtime / 1000, UTC).strftime(form or "%Y-%m-%d")


@lru_cache(maxsize=1024)
def _kind(suffix: str) -> str:
    guess: Any = mimetypes.guess_type("x" + suffix, strict=False)[0]
    return guess.partition("/")[0] if guess else "other"
