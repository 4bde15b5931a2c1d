"""The front door as the server uses it: in threads of its own, never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .. import api

T = TypeVar("T")


class Front:
    """What handlers may ask. Its imports are heavy, so it is made by the first thread that needs it."""

    def __init__(self, migrations: Sequence[str]) -> None:
        from .. import api

        self._api = api
        self._migrations = migrations

    def open_state(self) -> Any:
        return self._api.open_state()

    def run(self, run_id: str) -> api.Run:
        """A handle; UnknownRun when there is none."""
        return self._api.Run(run_id, self.open_state())

    def runs(self, limit: int, **wanted: Any) -> list[dict[str, Any]]:
        """Snapshots, newest first; see `feed.snapshots`."""
        from .. import feed

        found = feed.snapshots(self.open_state(), limit, **wanted)
        return [seen.to_dict() for seen in found]

    def alive(self) -> bool:
        """Whether any run has a process or waits for one."""
        from .. import feed

        return feed.any_alive(self.open_state())

    def migrations(self) -> list[dict[str, Any]]:
        """The forms of the migrations that may be started here; one that can't be loaded says why."""
        return [self._form(name) for name in self._migrations]

    def mode(self) -> str:
        """How a run is started where nothing else is said."""
        return self._api.default_mode()

    def _form(self, name: str) -> dict[str, Any]:
        from ..migrations import forms, registry

        try:
            [form] = forms.forms([registry.load(name)])
        except Exception as error:  # noqa: BLE001  a module of somebody else's may raise anything
            return {"migration": name, "title": name, "trouble": f"{name} can't be started here: {error}"}
        return {**form, "migration": name}

    def start(self, name: str, spec: dict[str, Any], **terms: Any) -> api.Run:
        """Start a migration of the allowed ones. Raises as `stakes` does."""
        return self._api.start(self._made(name, spec), **terms)

    def stakes(self, name: str, spec: dict[str, Any]) -> list[str]:
        """What a migration of the allowed ones would destroy, a sentence each.

        Raises
        ------
        BadInput
            If the server's configuration does not allow it, or a field does not fit.
        """
        return list(self._api.stakes_of(self._made(name, spec)))

    def _made(self, name: str, spec: dict[str, Any]) -> Any:
        from ..errors import BadInput
        from ..migrations import forms, registry

        if name not in self._migrations:
            raise BadInput(f"{name!r} may not be started here; c.Migrator.migrations lists what may.")
        return forms.filled(registry.load(name), spec)

    def start_worker(self, run_id: str) -> api.Run:
        """Start a worker for the queue that a run waits in."""
        run = self.run(run_id)
        self._api.queue(run.snapshot().queue).start_worker()
        return run

    def plan_again(self, run_id: str, mode: Any) -> api.Run:
        return self._api.plan_again(run_id, mode)

    def apply(self, run_id: str, **terms: Any) -> api.Run:
        return self._api.apply(run_id, **terms)


class Desk:
    """Where the event loop hands its questions in."""

    def __init__(self, pool: Executor, migrations: Sequence[str]) -> None:
        self._pool, self._migrations = pool, migrations
        self._front: Front | None = None
        self.calls = 0  # how many questions were handed in; told by the status, for tests and the curious

    async def call(self, work: Callable[[Front], T]) -> T:
        """Do ``work`` in a thread."""
        self.calls += 1
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, work)

    def begin(self, work: Callable[[Front], Any]) -> None:
        """Do ``work`` in a thread, also before there is an event loop; nobody waits for it."""
        self._pool.submit(self._do, work)

    def _do(self, work: Callable[[Front], T]) -> T:
        self._front = self._front or Front(self._migrations)
        return work(self._front)
