"""What our handlers have in common: questions go to the desk, and mistakes are one sentence of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web

from ..errors import BadForm, LeaseHeld, MigratorError, UnknownRun
from .desk import Desk, Front
from .hub import Hub

MOST_ROWS = 1000
Work = Callable[[Front], Any]


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
