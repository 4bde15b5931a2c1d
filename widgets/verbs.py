"""What can be asked of a panel's run: by code, and by the page's buttons."""

from __future__ import annotations

import threading
from typing import Any, get_args

import migrator as mg
from migrator import api
from migrator.api import read_limits
from migrator.errors import BadInput
from migrator.model import Mode

from . import workers
from .feed import Feed


class Verbs:
    """The asking half of a panel. Each verb returns at once; what comes of it is seen in the picture."""

    draft: Any
    _migration: Any
    _options: dict[str, Any]
    _draft: Any
    _feed: Feed
    _asking: threading.Lock  # a click may come on another thread than a call

    @property
    def run(self) -> Any:
        """The run that is shown; None before the start."""
        if self._feed.run is None and self._draft is not None and self._draft.status != "draft":
            self._began(self._draft.id)  # by the server, while this kernel could not
        return self._feed.run

    def start(self, dry_run: bool | None = None, mode: Mode | None = None) -> None:
        """Start the migration, as the Run button does; returns at once.

        Parameters
        ----------
        dry_run, mode : optional
            As for ``migrator.start``; by default what the panel was made with.

        Raises
        ------
        BadInput
            If this panel has been started, or the migration can't work.
        LeaseHeld
            If it is to run now, and a run that lives writes to the same place.
        """
        given = {"dry_run": dry_run, "mode": mode}
        self._start({name: value for name, value in given.items() if value is not None})

    def preflight(self) -> mg.Preflight:
        """Try what the migration needs of its two places, before it is started.

        Raises
        ------
        BadInput
            If it is not between two places.
        """
        if not between_places(self._migration):
            raise BadInput("This migration is not between two places; there is nothing to try.")
        return mg.preflight(getattr(self._migration, "sources", self._migration.source), self._migration.target)

    def cancel(self) -> None:
        """Ask the run to stop; it finishes what is in flight first. A queued one never starts."""
        self._ask("cancel")

    def pause(self) -> None:
        """Let the run write nothing until `unpause`; it keeps its process and its lease."""
        self._ask("pause")

    def unpause(self) -> None:
        """Let it go on."""
        self._ask("unpause")

    def limit(self, bytes_per_s: float | str | None = None, in_flight: int | None = None) -> None:
        """Set what the run may use, such as ``"20MiB"`` a second; what is not given has no limit."""
        self._ask("limit", bytes_per_s, in_flight)

    def resume(self, mode: Mode | None = None) -> None:
        """Carry the ended run on, as a new attempt; by default in the mode in which it ran."""
        self._ask("resume", known(mode))

    def run_now(self) -> None:
        """Take the queued run out of its queue and start it at once."""
        self._ask("run_now")

    def start_worker(self) -> None:
        """Start a worker for the queue that the run waits in, unless one serves it: detached, on this host.

        Raises
        ------
        BadInput
            If the run waits in no queue.
        """
        seen = self._started().snapshot()
        if seen.status != "queued":
            raise BadInput(f"Run {seen.id} is {seen.status}; it waits for no worker.")
        workers.start_one(mg.Queue(seen.queue, self.run.state))
        self._feed.look_closely()

    def apply(self, mode: Mode | None = None, where: str | None = None) -> None:
        """Execute the plan of a finished dry run, as a new run; the panel then shows that one.

        By default it runs in the mode in which it was planned; with ``where`` only the rows for which that is true.
        """
        with self._asking:
            plan = self._started()
            self._feed.show(mg.apply(plan, where, mode=known(mode) or plan.snapshot().mode))

    def plan_again(self, mode: Mode | None = None) -> None:
        """Plan what failed or was refused once more, as a dry run of it alone; the panel then shows that one."""
        with self._asking:
            self._feed.show(api.plan_again(self._started(), known(mode)))

    def _start(self, changes: dict[str, Any]) -> None:
        with self._asking:
            if self.run is not None:
                raise BadInput(f"This panel has been started: run {self.run.id}. Make another panel for another run.")
            if self._migration is None:
                raise BadInput("This panel lists runs and starts none; give MigrationPanel a migration to start.")
            run = self._start_draft(changes) if self._draft else mg.start(self._migration, **self._options | changes)
            self.draft = {**self.draft, "started": True}  # before the feed begins: it is the only writer from then on
            self._feed.show(run)

    def _start_draft(self, changes: dict[str, Any]) -> Any:
        """Start the very row that a page shows already."""
        mode, dry_run = changes.get("mode"), changes.get("dry_run")
        limits = {name: changes[name] for name in ("bytes_per_s", "in_flight") if name in changes}
        self._draft.ask_start(mode, dry_run, read_limits(**limits) if limits else None)
        if not self._draft.take_start() and (why := self._draft.snapshot().error):
            raise BadInput(why)
        return self._draft

    def _began(self, run_id: str) -> None:
        """Its draft was started from the page."""
        if self._feed.run is None and self._draft is not None and self._draft.id == run_id:
            self.draft = {**self.draft, "started": True}
            self._feed.show(self._draft)

    def _ask(self, verb: str, *arguments: Any) -> None:
        getattr(self._started(), verb)(*arguments)
        self._feed.look_closely()

    def _started(self) -> Any:
        if self.run is None:
            raise BadInput("This panel has not been started; press Run, or call panel.start().")
        return self.run


def between_places(migration: Any) -> bool:
    """Whether it goes from one place to another, so that what it needs can be tried."""
    return all(isinstance(getattr(migration, name, None), mg.Location) for name in ("source", "target"))


def known(mode: Any) -> Any:
    """The mode itself, if there is such a one.

    Raises
    ------
    BadInput
        If there is not.
    """
    if mode is not None and mode not in get_args(Mode):
        raise BadInput(f"There is no mode {str(mode)[:40]!r}; there are 'streaming' (now) and 'queue' (at its turn).")
    return mode
