"""What happens when a Jupyter Server starts with us in it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import traitlets
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.ioloop import PeriodicCallback
from traitlets.config import Configurable

from .. import __version__
from .desk import Desk, Front
from .handlers import routes
from .hub import Hub

ACTIVITY_MS = 10_000
READERS = 2


class Migrator(Configurable):
    """Settings, as ``c.Migrator.…`` in a Jupyter Server's configuration."""

    state = traitlets.Unicode(help="The state DB: a path or SQLAlchemy URL. Default: $MIGRATOR_STATE.").tag(config=True)
    migrations = traitlets.List(
        traitlets.Unicode(),
        default_value=["migrator.migrations.copy_objects:CopyObjects", "migrator.migrations.verify:Verify"],
        help="Migrations that may be started without a kernel, as module:Class.",
    ).tag(config=True)


def load(app: ServerApp) -> None:
    """Add the routes, tell kernels that we are here, and count live runs as activity."""
    settings = Migrator(parent=app)
    if settings.state:
        os.environ["MIGRATOR_STATE"] = settings.state  # the kernels' too: panel and server are to see the same runs
    pool = ThreadPoolExecutor(READERS, "migrator-db")
    desk = Desk(pool, settings.migrations)
    web = app.web_app
    web.settings["migrator_desk"], web.settings["migrator_hub"] = desk, Hub(desk)
    base = url_path_join(web.settings["base_url"], "migrator")
    web.add_handlers(".*$", [(url_path_join(base, route[0]), *route[1:]) for route in routes()])
    desk.begin(partial(_open, app.log))  # at once: a kernel that is started while Lab opens is to know of us
    PeriodicCallback(partial(_count_activity, web.settings, desk), ACTIVITY_MS).start()
    app.log.info("migrator %s at %s", __version__, base)


def _open(log: Any, front: Front) -> None:
    """Open the state DB while the server goes on starting, and announce it to kernels that come."""
    try:
        state_id = front.open_state().state_id
    except Exception as error:  # noqa: BLE001  a state DB that is away must not take the server with it
        log.warning("migrator: %s", error)
        return
    os.environ["MIGRATOR_SERVER"] = f"{__version__}:{state_id}"


async def _count_activity(settings: dict[str, Any], desk: Desk) -> None:
    """An idle culler sees no run: while one is alive it counts as activity of the server."""
    with suppress(Exception):  # a state DB that is away: the next look comes
        if await desk.call(lambda front: front.alive()):
            settings["migrator_last_activity"] = datetime.now(UTC)
