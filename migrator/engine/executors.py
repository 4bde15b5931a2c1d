"""The executor of a migration, the built-in ones included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..migrations import Executor, Migration


def executor_of(migration: Migration) -> Executor:
    """A new executor for a migration.

    Raises
    ------
    MigrationLoadError
        If none is registered for its class.
    """
    from ..migrations import CopyObjects, DeleteExtra, DeleteSource, PurgeQuarantine, Verify, registry

    if isinstance(migration, CopyObjects):
        from .copy_executor import CopyExecutor, CopyTask

        return CopyExecutor(CopyTask.of(migration))
    if isinstance(migration, Verify):
        from .verify_executor import VerifyExecutor

        return VerifyExecutor(migration)
    if isinstance(migration, DeleteSource | DeleteExtra):
        from .delete_executor import DeleteExecutor

        return DeleteExecutor(migration)
    if isinstance(migration, PurgeQuarantine):
        from .purge_executor import PurgeExecutor

        return PurgeExecutor(migration)
    return registry.executor_of(migration)


def as_told(migration: Migration) -> dict[str, Any]:
    """What a hand is told of a migration, as JSON has it: all of it, or of a copy what there is to do."""
    from ..migrations import CopyObjects, registry

    if type(migration) is CopyObjects:
        from .copy_executor import CopyTask

        return {"copy": asdict(CopyTask.of(migration))}
    return {"migration": registry.reference(type(migration)), "spec": migration.model_dump(mode="json")}


def executor_told(told: Mapping[str, Any]) -> Executor:
    """A new executor in a hand, by what `as_told` gave. A migration of somebody's own is loaded, a copy needs none."""
    if "copy" in told:
        from .copy_executor import CopyExecutor, CopyTask

        return CopyExecutor(CopyTask.told(told["copy"]))
    from ..migrations import registry

    return executor_of(registry.load(told["migration"]).model_validate(told["spec"]))
