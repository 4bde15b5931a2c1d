"""What does not fit in a migration's fields, a sentence for each. Never the value: it may be a secret."""

from __future__ import annotations

import difflib
import re

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

# What is said where a run is started, and of no migration: `api.start` takes it.
OF_A_START = frozenset(
    {"mode", "dry_run", "key", "name", "tags", "queue", "priority", "not_before", "max_attempts", "bytes_per_s"}
)
_SIZES = {"byte_size", "byte_size_unit"}


def faults_of(kind: type[BaseModel], error: ValidationError) -> dict[str, str]:
    """What is wrong with each field; under ``""`` what concerns no single one."""
    found = error.errors(include_url=False, include_input=False)
    return {str(one["loc"][0]) if one["loc"] else "": _sentence(kind, one) for one in found}


def needed(name: str) -> str:
    return f"{spoken(name)} is needed."


def spoken(name: str) -> str:
    """``in_flight`` and ``CopyObjects`` as people write them."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").strip()
    return apart[:1].upper() + apart[1:].lower()


def _sentence(kind: type[BaseModel], error: ErrorDetails) -> str:
    """Pydantic's words as one sentence."""
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "missing" and len(error["loc"]) == 1:
        return needed(name)
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        return _no_such_field(kind, name)
    if error["type"] in _SIZES:
        return "This is no number of bytes; write 20000000, 20MB or 20MiB."
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "This should be")
    said = said.partition(", unable to parse")[0]
    where = ".".join(str(part) for part in error["loc"][1:])
    return f"{where}: {said}." if where else f"{said.removesuffix('.')}."


def _no_such_field(kind: type[BaseModel], name: str) -> str:
    none = f"{kind.__name__} has no such field"
    if name in OF_A_START:
        return f"{none}; it is said where the run is started: mg.start(…, {name}=…)."
    near = difflib.get_close_matches(name, kind.model_fields, 1)
    return f"{none}; did you mean {near[0]}?" if near else f"{none}; help({kind.__name__}) has all."
