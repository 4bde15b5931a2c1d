"""The routes below ``<base_url>migrator``: each authenticated, authorized, and with XSRF on what changes anything."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from .. import __version__
from ..errors import BadForm, LeaseHeld, MigratorError, UnknownRun
from ..limits import read_limits
from .desk import Desk, Front
from .hub import Hub
from .page import PageHandler
from .stream import EventsHandler, SocketHandler

RUN_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
RUN = f"(?P<run_id>{RUN_ID})"
MOST_ROWS = 1000
LOG_BYTES = 1 << 20
ITEM_COLUMNS = (
    "key", "target_key", "size", "action", "status", "evidence", "digest", "error", "reason", "losses", "etag",
    "written_etag", "before", "detail", "at", "item_no",
)  # fmt: skip
# So long a kernel has to take a start that was asked for, before the server does it.
KERNEL_S = 2.0
Work = Callable[[Front], Any]


class ViewHandler(APIHandler, web.StaticFileHandler):
    """The view's modules and style sheets, looked at anew each time: what is installed is what is seen."""

    auth_resource = "migrator"
    _track_activity = False

    # Not Jupyter's own file handler: a hub refuses its GET of a module, which can't carry an XSRF header.
    @web.authenticated
    @authorized
    async def get(self, path: str, include_body: bool = True) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        await web.StaticFileHandler.get(self, path, include_body)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Type", "text/javascript" if path.endswith(".js") else "text/css")

    def finish(self, *args: Any, **kwargs: Any) -> Any:
        return web.RequestHandler.finish(self, *args, **kwargs)  # APIHandler's would say application/json


def view_folder() -> str:
    """Where the view lies: beside us, in a package that needs ipywidgets and is not imported here."""
    return str(Path(__file__).parents[2] / "widgets" / "static")


def routes() -> list[tuple[Any, ...]]:
    """Paths below the base, with their handlers."""
    return [
        ("", PageHandler),
        ("new", PageHandler),
        (f"runs/{RUN_ID}", PageHandler),
        (r"static/(\w+\.(?:js|css))", ViewHandler, {"path": view_folder()}),
        ("api/status", StatusHandler),
        ("api/socket", SocketHandler),
        ("api/migrations", MigrationsHandler),
        ("api/runs", RunsHandler),
        (f"api/runs/{RUN}", RunHandler),
        (f"api/runs/{RUN}/log", LogHandler),
        (f"api/runs/{RUN}/items", ItemsHandler),
        (f"api/runs/{RUN}/exceptions", ExceptionsHandler),
        (f"api/runs/{RUN}/plan", PlanHandler),
        (f"api/runs/{RUN}/record", RecordHandler),
        (f"api/runs/{RUN}/events", EventsHandler),
        (f"api/runs/{RUN}/(?P<verb>{'|'.join(VERBS)})", VerbHandler),
    ]


class Handler(APIHandler):
    """A handler whose mistakes are one sentence of JSON."""

    auth_resource = "migrator"
    _track_activity = False  # a page left open must not keep a server alive; live runs do

    @property
    def desk(self) -> Desk:
        return self.settings["migrator_desk"]

    @property
    def hub(self) -> Hub:
        return self.settings["migrator_hub"]

    async def ask(self, work: Work) -> Any:
        """Do ``work`` at the desk; our errors become answers."""
        try:
            return await self.desk.call(work)
        except UnknownRun as error:
            raise web.HTTPError(404, reason=None, log_message=str(error)) from None

    async def answer(self, work: Work, status: int = 200) -> None:
        """Answer with what ``work`` gives, as JSON."""
        try:
            value = await self.desk.call(work)
        except MigratorError as error:
            self.set_status(404 if isinstance(error, UnknownRun) else 409 if isinstance(error, LeaseHeld) else 400)
            value = {"message": str(error), "error": type(error).__name__}
            value |= {"fields": error.fields} if isinstance(error, BadForm) else {}
        except ValueError as error:  # of a specification or a query that does not fit
            self.set_status(400)
            value = {"message": str(error), "error": "BadInput"}
        else:
            self.set_status(status)
        self.finish(json.dumps(value, ensure_ascii=False, default=str))

    def number(self, name: str, default: int, most: int | None = None) -> int:
        text = self.get_query_argument(name, str(default))
        try:
            return int(text) if most is None else max(0, min(int(text), most))
        except ValueError:
            raise web.HTTPError(400, f"{name} is a number, not {text!r}.") from None


class StatusHandler(Handler):
    """Which release this is, and on which state DB: a kernel's must be the same."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        reads = self.desk.calls
        await self.answer(
            lambda front: {"version": __version__, "state_id": front.open_state().state_id, "reads": reads}
        )


class MigrationsHandler(Handler):
    """The forms of what may be started here, and the mode that is usual."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        await self.answer(lambda front: {"migrations": front.migrations(), "mode": front.mode()})


class RunsHandler(Handler):
    """Runs, newest first: ``limit``, ``before`` (ms), ``status`` (several), ``q`` (in id, name, title)."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        limit, before = self.number("limit", 50, MOST_ROWS), self.number("before", 0)
        status, text = self.get_query_arguments("status"), self.get_query_argument("q", "")
        await self.answer(lambda front: front.runs(limit, before or None, status, text))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.get_json_body() or {}
        allowed = ("mode", "dry_run", "key", "name", "tags", "queue", "priority", "bytes_per_s", "in_flight")
        terms = {name: body[name] for name in allowed if name in body}
        name, spec = str(body.get("migration", "")), body.get("spec") or {}
        await self.answer(lambda front: front.start(name, spec, **terms).snapshot().to_dict(), 201)


class RunHandler(Handler):
    """A run's snapshot, and its events after ``after``."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        after = self.number("after", 0)

        def read(front: Front) -> Any:
            run = front.run(run_id)
            seen = run.snapshot().to_dict()
            return {"snapshot": seen, "events": [asdict(event) for event in run.events(after)]}

        await self.answer(read)


class LogHandler(Handler):
    """Output from byte ``after`` (negative: from the end) or before byte ``before``; ``download`` gives all of it."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        if self.get_query_argument("download", ""):
            await self._download(run_id)
            return
        before, after = self.number("before", 0), self.number("after", 0)
        limit = self.number("limit", 64 << 10, LOG_BYTES)
        if before:
            await self.answer(lambda front: _log_before(front, run_id, before, limit))
            return

        def read(front: Front) -> Any:
            text, cursor = front.run(run_id).log(after, limit)
            return {"text": text, "from": cursor - len(text.encode()), "cursor": cursor}

        await self.answer(read)

    async def _download(self, run_id: str) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{run_id}.log"')
        cursor = 0
        while True:
            text, cursor = await self.ask(lambda front, at=cursor: front.run(run_id).log(at, LOG_BYTES))
            if not text:
                break
            self.write(text)
            await self.flush()
        web.RequestHandler.finish(self)


def _log_before(front: Front, run_id: str, before: int, limit: int) -> dict[str, Any]:
    """The whole lines that end at byte ``before``, as many as fit into ``limit``."""
    start = max(0, before - limit)
    text, cursor = front.run(run_id).log(start, before - start)
    if start:  # it began in the middle of a line
        cut = text.find("\n") + 1
        start, text = start + len(text[:cut].encode()), text[cut:]
    return {"text": text, "from": start, "cursor": cursor}


class ItemsHandler(Handler):
    """A page of a run's items: ``status`` (several, in this order), ``q`` (in the key), ``offset``, ``limit``;
    ``format=csv`` for a file of all of them."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        status, text = self.get_query_arguments("status"), self.get_query_argument("q", "")
        offset, limit = self.number("offset", 0), self.number("limit", 100, MOST_ROWS)
        if self.get_query_argument("format", "json") == "csv":
            await self._send_csv(run_id, status, text)
            return
        wanted: Any = [each for each in status if each]
        await self.answer(lambda front: front.run(run_id).page(wanted, text, offset, limit))

    async def _send_csv(self, run_id: str, status: list[str], text: str) -> None:
        """A batch at a time, so that neither memory nor a database thread is held for long."""
        from ..words import disarmed

        wanted: Any = [each for each in status if each]
        batches = await self.ask(lambda front: front.run(run_id).item_batches(wanted, text))
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{run_id}.csv"')
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(ITEM_COLUMNS)
        while (rows := await self.ask(lambda _: next(batches, None))) is not None:
            writer.writerows([disarmed(row[name]) for name in ITEM_COLUMNS] for row in rows)
            self.write(out.getvalue())
            await self.flush()
            out.seek(out.truncate(0))
        web.RequestHandler.finish(self, out.getvalue())


class ExceptionsHandler(Handler):
    """The first items that failed or were refused."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        limit = self.number("limit", 200, MOST_ROWS)
        await self.answer(lambda front: front.run(run_id).exceptions(limit))


class PlanHandler(Handler):
    """What a run's plan would do, added up."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        await self.answer(lambda front: front.run(run_id).plan_summary().to_dict())


class RecordHandler(Handler):
    """A run as it stands in a notebook that nobody runs: ``text/html`` and ``text/plain``."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        def read(front: Front) -> Any:
            run = front.run(run_id)
            return {"text/html": run._repr_html_(), "text/plain": repr(run)}

        await self.answer(read)


class VerbHandler(Handler):
    """What is asked of a run; answered with its snapshot (of the new run, for ``apply``)."""

    @web.authenticated
    @authorized
    async def post(self, run_id: str, verb: str) -> None:
        body = self.get_json_body() or {}
        await self.answer(lambda front: VERBS[verb](front, run_id, body).snapshot().to_dict())
        self.hub.look_soon(run_id)
        if verb in ("start", "resume"):
            self.hub.keep(_start_unless_a_kernel_does(self.desk, self.hub, run_id))


async def _start_unless_a_kernel_does(desk: Desk, hub: Hub, run_id: str) -> None:
    """The kernel that shows a run has its credentials and modules; it goes first."""
    await asyncio.sleep(KERNEL_S)
    with suppress(MigratorError):  # written down on the run, where there is one
        await desk.call(lambda front: front.run(run_id).take_start(elsewhere=True))
    hub.look_soon(run_id)


def _ask_start(run: Any, body: dict[str, Any]) -> None:
    limits = read_limits(body.get("bytes_per_s") or None, int(body["in_flight"]) if body.get("in_flight") else None)
    run.ask_start(body.get("mode"), body.get("dry_run"), limits)


def _said(do: Callable[[Any, dict[str, Any]], Any]) -> Callable[[Front, str, dict[str, Any]], Any]:
    """A verb of a run's handle, after which the same run is shown."""

    def work(front: Front, run_id: str, body: dict[str, Any]) -> Any:
        run = front.run(run_id)
        do(run, body)
        return run

    return work


VERBS: dict[str, Callable[[Front, str, dict[str, Any]], Any]] = {
    "cancel": _said(lambda run, _: run.cancel()),
    "pause": _said(lambda run, _: run.pause()),
    "unpause": _said(lambda run, _: run.unpause()),
    "limit": _said(lambda run, body: run.limit(body.get("bytes_per_s"), body.get("in_flight"))),
    "start": _said(_ask_start),
    "resume": _said(lambda run, body: run.ask_start(body.get("mode"))),
    "run-now": _said(lambda run, _: run.run_now()),
    "start-worker": lambda front, run_id, _: front.start_worker(run_id),
    "apply": lambda front, run_id, body: front.apply(run_id, where=body.get("where"), mode=body.get("mode")),
}
