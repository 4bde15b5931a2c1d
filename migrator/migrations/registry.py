"""Which class is meant by a name, in this process and in the runner's; and who executes it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ..errors import MigrationLoadError
from .base import Executor, Migration
from .copy_objects import CopyObjects
from .delete_extra import DeleteExtra
from .delete_source import DeleteSource
from .purge_quarantine import PurgeQuarantine
from .verify import Verify

BUILT_IN: dict[str, type[Migration]] = {
    "copy-objects": CopyObjects, "verify": Verify, "delete-source": DeleteSource, "delete-extra": DeleteExtra,
    "purge-quarantine": PurgeQuarantine,
}  # fmt: skip
_executors: dict[type[Migration], type[Executor]] = {}

E = TypeVar("E", bound=type)


def executes(migration: type[Migration]) -> Callable[[E], E]:
    """Class decorator: this executor does what that migration says."""

    def register(executor: E) -> E:
        _executors[migration] = executor
        return executor

    return register


def with_executors() -> list[type[Migration]]:
    """The classes that something in this process executes."""
    return list(_executors)


def executor_of(migration: Migration) -> Executor:
    """A new executor for a migration.

    Raises
    ------
    MigrationLoadError
        If none is registered for its class.
    """
    for kind in type(migration).__mro__:
        if kind in _executors:
            return _executors[kind](migration)
    name = type(migration).__name__
    raise MigrationLoadError(f"Nothing executes {name}: register a class for it with @executes({name}), in its file.")


def reference(kind: type[Migration]) -> str:
    """The name by which another process finds this class: a built-in name, ``package.module:Class``
    or ``/path/file.py:Class``.

    Raises
    ------
    MigrationLoadError
        If the class lives in a notebook cell or a function, where no other process can find it.
    """
    for name, known in BUILT_IN.items():
        if kind is known:
            return name
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise MigrationLoadError(
            f"{kind.__qualname__} lives in a notebook cell, a script or a function, where the detached runner can't "
            "find it. Put it into a file (%%writefile my_migration.py), import it from there and start again."
        )
    file = getattr(sys.modules[kind.__module__], "__file__", None)
    if "." in kind.__module__ or not file:
        return f"{kind.__module__}:{kind.__qualname__}"
    return f"{Path(file).resolve()}:{kind.__qualname__}"


def source_hash(kind: type[Migration]) -> str | None:
    """SHA-256 of the file that defines a user's class; None for a built-in one."""
    file = getattr(sys.modules[kind.__module__], "__file__", None)
    if kind in BUILT_IN.values() or not file:
        return None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def load(name: str) -> type[Migration]:
    """The class that `reference` named.

    Raises
    ------
    MigrationLoadError
        If the file, module or class is missing, or it is no migration.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    where, _, qualname = name.rpartition(":")
    try:
        found: Any = _load_file(where) if where.endswith(".py") else importlib.import_module(where)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, OSError) as error:
        raise MigrationLoadError(f"The migration {name} can't be loaded here: {error}.") from error
    if not (isinstance(found, type) and issubclass(found, Migration)):
        raise MigrationLoadError(f"{name} is not a Migration.")
    return found


def _load_file(path: str) -> ModuleType:
    name = Path(path).stem
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == path:
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not Path(path).exists():
        raise ImportError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
