"""The routes below ``<base_url>migrator``: each authenticated, authorized, and with XSRF on what changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from .. import __version__
from ..errors import MigratorError
from ..limits import read_limits
from .asking import MOST_ROWS, Handler
from .desk import Desk, Front
from .hub import Hub
from .page import PageHandler
from .records import (
    ItemsHandler,
    LogHandler,
    PlanHandler,
    PreflightHandler,
    ReasonsHandler,
    RecordHandler,
    ReportHandler,
)
from .stream import EventsHandler, SocketHandler

RUN_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
RUN = f"(?P<run_id>{RUN_ID})"
# So long a kernel has to take a start that was asked for, before the server does it.
KERNEL_S = 2.0


class ViewHandler(APIHandler, web.StaticFileHandler):
    """The view's modules and style sheets, looked at anew each time: what is installed is what is seen."""

    auth_resource = "migrator"
    _track_activity = False

    def check_xsrf_cookie(self) -> None:
        """A hub asks for it on a page's GET as well, and an import of a module can carry no header.

        What is served here says nothing of anybody, and changes nothing.
        """

    @web.authenticated
    @authorized
    async def get(self, path: str, include_body: bool = True) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        await web.StaticFileHandler.get(self, path, include_body)

    def compute_etag(self) -> str | None:
        """Of what the file holds now: Tornado's own remembers what it once held, until the server ends."""
        return f'"{self.get_content_version(self.absolute_path)}"' if self.absolute_path else None

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
        ("api/stakes", StakesHandler),
        ("api/runs", RunsHandler),
        (f"api/runs/{RUN}", RunHandler),
        (f"api/runs/{RUN}/log", LogHandler),
        (f"api/runs/{RUN}/items", ItemsHandler),
        (f"api/runs/{RUN}/reasons", ReasonsHandler),
        (f"api/runs/{RUN}/plan", PlanHandler),
        (f"api/runs/{RUN}/record", RecordHandler),
        (f"api/runs/{RUN}/report", ReportHandler),
        (f"api/runs/{RUN}/preflight", PreflightHandler),
        (f"api/runs/{RUN}/events", EventsHandler),
        (f"api/runs/{RUN}/(?P<verb>{'|'.join(VERBS)})", VerbHandler),
    ]


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


class StakesHandler(Handler):
    """What a migration that was filled in would destroy: said before it is started. Nothing is written."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.get_json_body() or {}
        name, spec = str(body.get("migration", "")), body.get("spec") or {}
        await self.answer(lambda front: {"stakes": front.stakes(name, spec)})


class RunsHandler(Handler):
    """Runs, newest first: ``limit``, ``status`` (several), ``q`` (in id, name, title), ``title``; ``before`` (ms) and
    ``before_id``, what the page before ended with."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        limit = self.number("limit", 50, MOST_ROWS)
        wanted = {
            "before": self.number("before", 0) or None,
            "before_id": self.get_query_argument("before_id", ""),
            "status": self.get_query_arguments("status"),
            "text": self.get_query_argument("q", ""),
            "title": self.get_query_argument("title", "") or None,
        }
        await self.answer(lambda front: front.runs(limit, **wanted))

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
    "retry": lambda front, run_id, body: front.plan_again(run_id, body.get("mode")),
    "start-worker": lambda front, run_id, _: front.start_worker(run_id),
    "apply": lambda front, run_id, body: front.apply(run_id, where=body.get("where"), mode=body.get("mode")),
}
