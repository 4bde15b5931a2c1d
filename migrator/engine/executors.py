"""The executor of a migration, the built-in ones included."""

from __future__ import annotations

from ..migrations import (
    CopyObjects,
    DeleteExtra,
    DeleteSource,
    Executor,
    Migration,
    PurgeQuarantine,
    Verify,
    registry,
)  # fmt: skip


def executor_of(migration: Migration) -> Executor:
    """A new executor for a migration.

    Raises
    ------
    MigrationLoadError
        If none is registered for its class.
    """
    if isinstance(migration, CopyObjects):
        from .copy_executor import CopyExecutor

        return CopyExecutor(migration)
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
