"""`MigrationPanel`: a migration's live picture and its buttons, in a notebook."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import anywidget
import traitlets

import migrator as mg
from migrator.api import default_mode, draft, reprs, stakes_of
from migrator.errors import BadInput, MigratorError
from migrator.model import Mode, Snapshot

from . import messages, view
from .bundle import TYPE, Bundle, choose
from .bundle import known as known_bundle
from .feed import Feed
from .outputs import Outputs
from .reading import sendable
from .starts import starts
from .verbs import Verbs, between_places, known


class MigrationPanel(Verbs, anywidget.AnyWidget):
    """A panel that shows a migration run, live, and has the verbs that steer it.

    The run is a process of its own and needs neither panel nor kernel. After a restart,
    ``MigrationPanel("its-run-id")`` shows it again.

    Parameters
    ----------
    what : Migration, Run or str, optional
        A migration to start from the panel, or a run (or its id) to show. Without it the panel
        lists all runs, each to be opened there.
    dry_run : bool
        Whether the panel's dry-run box is ticked at first.
    mode : {"streaming", "queue"}, optional
        Where the panel's toggle stands at first; by default as for ``migrator.start``.
    key, name, tags, queue, priority, bytes_per_s, in_flight
        As for ``migrator.start``. All of these are for a migration only.
    bundle : {"auto", "mime", "widget"}
        Who feeds the panel. ``mime``: the Jupyter server, so that it is live with the kernel busy,
        restarted or gone; ``widget``: this kernel. By default the server where it has our extension.

    Raises
    ------
    TypeError
        If ``what`` is something else.
    BadInput
        If there is no such mode.
    UnknownRun
        If no run of that id is in the state DB.
    """

    _esm = view.module()
    _css = view.sheet()

    panel_id = traitlets.Unicode().tag(sync=True)  # the page's views of one panel know each other by it
    dashboard = traitlets.Bool(False).tag(sync=True)
    draft = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)
    events = traitlets.List().tag(sync=True)
    trouble = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        what: Any = None,
        *,
        dry_run: bool = False,
        mode: Mode | None = None,
        key: str | None = None,
        name: str | None = None,
        tags: Iterable[str] = (),
        queue: str | None = None,
        priority: int | None = None,
        bytes_per_s: float | str | None = None,
        in_flight: int | None = None,
        bundle: Bundle = "auto",
    ) -> None:
        given: dict[str, Any] = {
            "dry_run": dry_run, "mode": known(mode), "key": key, "name": name, "tags": tuple(tags), "queue": queue,
            "priority": priority, "bytes_per_s": bytes_per_s, "in_flight": in_flight,
        }  # fmt: skip
        options = {option: value for option, value in given.items() if value not in (None, ()) and value is not False}
        migration, run = _told_apart(what)
        if migration is None and options:
            why = "a run: it has been started" if run is not None else "nothing to start"
            raise TypeError(f"{' and '.join(options)} can't be given with {why}.")
        self._migration, self._options = migration, {} if migration is None else {"mode": default_mode(), **options}
        self._title = sendable(str(_title_of(migration, run)))
        self._asking = threading.Lock()
        self._bundle = known_bundle(bundle)
        self._draft: Any = None  # the row that the page may start, when the server feeds it
        self._outputs = Outputs(self._ended, self._stands)
        super().__init__(panel_id=uuid4().hex, dashboard=what is None, draft=self._drafted(started=run is not None))
        self.on_msg(self._answer)
        self._feed = Feed(self)
        if run is not None:
            self._feed.show(run)

    def _drafted(self, started: bool) -> dict[str, Any]:
        """What the page shows before the start."""
        terms = {name: self._options.get(name) for name in ("mode", "bytes_per_s", "in_flight")}
        dry_run = bool(self._options.get("dry_run"))
        made = self._migration
        at_stake = stakes_of(made) if made is not None and not started else ()
        told = {"stakes": list(at_stake), "checks": between_places(made)}
        return {"title": self._title, "dry_run": dry_run, "started": started, **told, **terms}

    @property
    def status(self) -> str:
        """The run's status as the state DB has it now; ``draft`` before the start."""
        return self.run.status if self.run else "draft"

    async def wait(self, timeout: float | None = None, check: bool = True) -> Snapshot:
        """Wait for the run's end. Needs no click and no message; interrupting it leaves the run alone.

        Raises
        ------
        BadInput
            At once, if the panel has not been started.
        RunNotCompleted
            If ``check`` and the run ended otherwise.
        TimeoutError
            If it has not ended after ``timeout`` seconds; the run goes on.
        """
        return await self._started().finished(timeout, check)

    def close(self) -> None:
        """Close the widget; the run goes on."""
        if hasattr(self, "_feed"):  # not in a panel whose making failed
            self._feed.stop()
            self._outputs.close()
        super().close()

    def _answer(self, _widget: Any, content: Any, _buffers: Any) -> None:
        self.send(messages.reply(self, content))

    def _open(self, run_id: str) -> None:
        """Show a run of the list."""
        if not self.dashboard:
            raise BadInput("This panel shows one run. MigrationPanel() lists them all.")
        self._feed.show(mg.attach(run_id))

    # Where no widget is shown.

    def __repr__(self) -> str:
        return f"MigrationPanel({self._title})"

    def _ipython_display_(self, **_: Any) -> None:
        self._outputs.show()

    def _settle(self) -> None:
        self._outputs.settle()

    def _ended(self) -> Any:
        """The end of the run that is to be written down, if it has come; a list that the kernel feeds has come to it.

        Not of one that is opened in the list: to update the output would draw it anew, and close that run.
        """
        if self.dashboard:
            return None if self.run or choose(self._bundle)[0] else ("all runs",)
        seen = self.run.snapshot() if self.run else None
        return (seen.id, seen.status, seen.attempt) if seen and seen.terminal else None

    def _stands(self) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self._repr_mimebundle_() or ({}, {})
        return dict(data), dict(metadata)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        plain = self._record()
        by_server, why_not = choose(self._bundle)
        if by_server and self.dashboard:
            return {TYPE: {"run_id": ""}, **plain}, {}
        if by_server and (run := self._shown()):
            starts.add(run.id, self)
            return {TYPE: {"run_id": run.id}, **plain}, {}
        self.trouble = why_not
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, **plain}, metadata

    def _record(self) -> dict[str, str]:
        """What stands where nothing of ours is drawn; of a run that has ended, the very words that a page writes."""
        if self.dashboard:
            return {"text/plain": repr(self), "text/html": sendable(reprs.listing(_newest()))}
        with suppress(MigratorError):  # a table without figures beats a traceback in place of the panel
            if seen := self.run.snapshot() if self.run else None:
                plain = repr(self.run) if seen.terminal else repr(self)
                return sendable({"text/plain": plain, "text/html": reprs.as_table(seen)})
        return sendable({"text/plain": repr(self), "text/html": reprs.unstarted(self._title)})

    def _shown(self) -> Any:
        """What the server is to show: the run, or a draft of it; None where a key may stand for another run."""
        with self._asking:
            if self.run is None and self._draft is None and "key" not in self._options:
                self._draft = draft(self._migration, **self._options)
            return self.run or self._draft


def _title_of(migration: Any, run: Any) -> str:
    return migration.title if migration is not None else run.snapshot().title if run is not None else ""


def _newest() -> list[Snapshot]:
    """The runs that a saved notebook lists."""
    with suppress(MigratorError):
        return [run.snapshot() for run in mg.runs(limit=10)]
    return []


def _told_apart(what: Any) -> tuple[Any, Any]:
    """What to start, or what to show: (migration, None), (None, run), or neither for the list of all."""
    if what is None:
        return None, None
    if isinstance(what, str):
        return None, mg.attach(what)
    if not isinstance(what, type):
        if hasattr(what, "snapshot") and hasattr(what, "events"):
            return None, what
        if hasattr(what, "plan") and hasattr(what, "title"):
            return what, None
    raise TypeError(f"MigrationPanel shows a migration, a run or a run's id, not {repr(what)[:200]}.")
