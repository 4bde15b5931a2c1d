"""A migration as a form: what its fields ask for, and what was wrong with what was filled in.

Made from the class alone, its JSON schema and its docstring, so a user's own migration has a form without a line of
code more.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel

from ..errors import BadForm, BadInput, MigrationLoadError
from . import registry
from .base import Migration
from .choosing import CHOICE, Choosing
from .faults import needed, spoken
from .renaming import RENAMING, Renaming

# A name of numpy's docstring style, and what stands indented below it.
_PARAMETER = re.compile(r"^(\w+(?:, \w+)*) : .*\n((?: {4}.*\n?|\n)+)", re.MULTILINE)
_KINDS = {"boolean": "yes-no", "integer": "whole", "number": "number", "string": "text"}


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in.

    ``kind`` is ``place``, ``text``, ``whole``, ``number``, ``yes-no``, ``choice``, ``date``, ``date-time``, ``lines``
    (a list of texts) or ``json`` for whatever else there is. ``own`` is False for what every migration has.
    """

    name: str
    label: str
    kind: str
    help: str
    required: bool
    own: bool
    default: Any = None
    choices: tuple[Any, ...] = ()


def form_of(kind: type[Migration]) -> dict[str, Any]:
    """A migration's class as a form, in plain data.

    ``code`` is how it is written in Python: the line that imports it, its name there, and which fields go unnamed.
    """
    schema = kind.model_json_schema()
    text = _own_words(kind)
    helps = {name: said for each in reversed(kind.__mro__) for name, said in _helps(_own_words(each)).items()}
    asked = {name: each for name, each in schema["properties"].items() if name not in kind.unformed}
    fields = [_field(name, each, schema, helps.get(name, ""), kind) for name, each in asked.items()]
    reference = registry.reference(kind)
    return {
        "migration": reference,
        "title": spoken(kind.__name__),
        "summary": _plain(text.partition("\n\n")[0]),
        "fields": [asdict(each) for each in sorted(fields, key=lambda each: not each.own)],
        "code": _code(kind, reference),
    }


def offered() -> list[type[Migration]]:
    """The built-in migrations, and those that this process has an executor for and another one can find; none that
    deletes."""
    known = dict.fromkeys([*registry.BUILT_IN.values(), *registry.with_executors()])
    return [kind for kind in known if kind.formed and _can_be_found(kind)]


def filled(kind: type[Migration], given: Mapping[str, Any]) -> Migration:
    """The migration that was filled in.

    Raises
    ------
    BadForm
        If it does not fit; it says what is wrong with each field.
    """
    if unasked := kind.unformed & set(given):
        raise BadForm({name: f"{spoken(name)} is not asked for in a form; it is written in code." for name in unasked})
    try:
        return kind.model_validate(given)
    except BadForm:
        raise
    except BadInput as error:  # ours pass through pydantic, which then can't say where
        raise BadForm(_each_alone(kind, given) or {"": str(error)}) from None


def _each_alone(kind: type[Migration], given: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with each field, looked at without the others."""
    found = {name: needed(name) for name, info in kind.model_fields.items() if info.is_required()}
    for name, value in given.items():
        found.pop(name, None)
        try:
            kind.model_validate({name: value})
        except BadForm as error:
            found |= {at: said for at, said in error.fields.items() if at == name}
        except BadInput as error:
            found[name] = str(error)
    return found


def _field(name: str, each: Mapping[str, Any], schema: Mapping[str, Any], help_: str, kind: type[Migration]) -> Field:
    shape, choices = _shape(each, schema.get("$defs", {}))
    return Field(
        name=name,
        label=spoken(name),
        kind=shape,
        help=help_ or str(each.get("description", "")),
        required=name in schema.get("required", ()),
        own=name not in Migration.model_fields and not _is_shared(kind, name),
        default=each.get("default"),
        choices=choices,
    )


def _shape(each: Mapping[str, Any], defs: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """What a part of a JSON schema asks for, and the choices where there are some."""
    if "$ref" in each:
        each = defs[each["$ref"].rpartition("/")[2]]
    options = [option for option in each.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:  # a value or none: an empty field is none
        return _shape(options[0], defs)
    if "enum" in each or "const" in each:
        return "choice", tuple(each.get("enum", [each.get("const")]))
    if each.get("format") in ("date", "date-time", "place"):
        return each["format"], ()
    if each.get("type") == "array" and _shape(each.get("items", {}), defs)[0] in ("text", "place"):
        return "lines", ()
    return _KINDS.get(each.get("type", ""), "json"), ()


def _own_words(kind: type) -> str:
    """A class's docstring, unless it is another one's."""
    return inspect.cleandoc(kind.__doc__ or "") if issubclass(kind, BaseModel) and "__doc__" in vars(kind) else ""


def _helps(text: str) -> dict[str, str]:
    """What a docstring in numpy's style says of each parameter."""
    return {name: _plain(said) for names, said in _PARAMETER.findall(text) for name in names.split(", ")}


def _plain(text: str) -> str:
    """One line, without the marks of the docstring's language."""
    return " ".join(text.replace("``", "`").split())


def _code(kind: type[Migration], reference: str) -> dict[str, Any]:
    taken = inspect.signature(kind.__init__).parameters.values()
    unnamed = [each.name for each in taken if each.kind is each.POSITIONAL_ONLY and each.name in kind.model_fields]
    if reference in registry.BUILT_IN:
        return {"imports": "import migrator as mg", "name": f"mg.{kind.__name__}", "unnamed": unnamed}
    imports = f"import migrator as mg\nfrom {kind.__module__} import {kind.__qualname__.partition('.')[0]}"
    return {"imports": imports, "name": kind.__qualname__, "unnamed": unnamed}


def _can_be_found(kind: type[Migration]) -> bool:
    try:
        registry.reference(kind)
    except MigrationLoadError:
        return False
    return True


def forms(kinds: Iterable[type[Migration]]) -> list[dict[str, Any]]:
    """The forms of several, as they go to a page."""
    return json.loads(json.dumps([form_of(kind) for kind in kinds], default=str))


def _is_shared(kind: type[Migration], name: str) -> bool:
    """Whether a field is one of a choice's or of names', which a form shows when somebody asks for more."""
    return (issubclass(kind, Choosing) and name in CHOICE) or (issubclass(kind, Renaming) and name in RENAMING)
