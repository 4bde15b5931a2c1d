"""`MigrationPanel`: a migration's live picture and its buttons, in a notebook."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import anywidget
import traitlets

import migrator as mg
from migrator.errors import BadInput, MigratorError
from migrator.model import Snapshot

from . import record, view
from .feed import Feed, sentence
from .reading import sendable

EXCEPTIONS = 200


class MigrationPanel(anywidget.AnyWidget):
    """A panel that shows a migration run, live, and can start, cancel, resume and apply it.

    The run is a process of its own and needs neither panel nor kernel. After a restart,
    ``MigrationPanel("its-run-id")`` shows it again.

    Parameters
    ----------
    what : Migration, Run or str
        A migration to start from the panel, or a run (or its id) to show.
    dry_run : bool
        Whether the panel's dry-run box is ticked at first.
    key, name, tags
        As for ``migrator.start``; for a migration only.

    Raises
    ------
    TypeError
        If ``what`` is something else.
    UnknownRun
        If no run of that id is in the state DB.
    """

    _esm = view.module()
    _css = view.sheet()

    draft = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)
    events = traitlets.List().tag(sync=True)
    trouble = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        what: Any,
        *,
        dry_run: bool = False,
        key: str | None = None,
        name: str | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        options: dict[str, Any] = {"dry_run": dry_run, "key": key, "name": name, "tags": tuple(tags)}
        migration, run = _told_apart(what)
        if run is not None and (given := [option for option, value in options.items() if value]):
            raise TypeError(f"{' and '.join(given)} can't be given with a run: it has been started.")
        self._migration, self._options = migration, options
        self._title = sendable(str(migration.title if run is None else run.snapshot().title))
        draft = {"title": self._title, "dry_run": dry_run, "started": run is not None}
        self._asking = threading.Lock()
        super().__init__(draft=draft)
        self.on_msg(self._answer)
        self._feed = Feed(self)
        if run is not None:
            self._feed.show(run)

    @property
    def run(self) -> Any:
        """The run that is shown; None before the start."""
        return self._feed.run

    @property
    def status(self) -> str:
        """The run's status as the state DB has it now; ``draft`` before the start."""
        return self.run.status if self.run else "draft"

    def start(self, dry_run: bool | None = None) -> None:
        """Start the migration, as the Run button does; returns at once.

        Raises
        ------
        BadInput
            If this panel has been started, or the migration can't work.
        """
        with self._asking:  # a click may come on another thread than a call
            if self.run is not None:
                raise BadInput(f"This panel has been started: run {self.run.id}. Make another panel for another run.")
            wanted = self._options if dry_run is None else {**self._options, "dry_run": dry_run}
            run = mg.start(self._migration, **wanted)
            self.draft = {**self.draft, "started": True}  # before the feed begins: it is the only writer from then on
            self._feed.show(run)

    def cancel(self) -> None:
        """Ask the run to stop; it finishes what is in flight first."""
        self._started().cancel()
        self._feed.look_closely()

    def resume(self) -> None:
        """Carry the ended run on, as a new attempt."""
        self._started().resume()
        self._feed.look_closely()

    def apply(self) -> None:
        """Execute the plan of a finished dry run, as a new run; the panel then shows that one."""
        with self._asking:
            self._feed.show(mg.apply(self._started()))

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
        super().close()

    def _started(self) -> Any:
        if self.run is None:
            raise BadInput("This panel has not been started; press Run, or call panel.start().")
        return self.run

    # Messages from the page. They may come on another thread than the main one: short, and nothing printed.

    def _answer(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        try:
            data = self._verbs()[str(content["verb"])](content.get("args") or {})
            answer = {"ok": True, "data": sendable(data)}
        except Exception as error:  # noqa: BLE001  it is the page's to show; raised here it would land nowhere
            answer = {"ok": False, "error": sendable(sentence(error))}
        self.send({"type": "reply", "id": content.get("id"), **answer})

    def _verbs(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        return {
            "hello": lambda args: self._feed.greet(str(args["client"])),
            "start": lambda args: self.start(bool(args.get("dry_run"))),
            "cancel": lambda _: self.cancel(),
            "resume": lambda _: self.resume(),
            "apply": lambda _: self.apply(),
            "exceptions": lambda _: self._started().exceptions(EXCEPTIONS),
        }

    # Where no widget is shown.

    def __repr__(self) -> str:
        return f"MigrationPanel({self._title})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        seen = None
        with suppress(MigratorError):  # a table without figures beats a traceback in place of the panel
            seen = sendable(self.run.snapshot().to_dict()) if self.run else None
        return {**data, "text/plain": repr(self), "text/html": record.table(self._title, seen)}, metadata


def _told_apart(what: Any) -> tuple[Any, Any]:
    """What to start, or what to show: (migration, None) or (None, run)."""
    if isinstance(what, str):
        return None, mg.attach(what)
    if not isinstance(what, type):
        if hasattr(what, "snapshot") and hasattr(what, "events"):
            return None, what
        if hasattr(what, "plan") and hasattr(what, "title"):
            return what, None
    raise TypeError(f"MigrationPanel shows a migration, a run or a run's id, not {repr(what)[:200]}.")
