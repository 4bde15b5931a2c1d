"""Runs as they change: a WebSocket for pages, server-sent events for every other client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from jupyter_server.auth.decorator import authorized, ws_authenticated
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web, websocket
from tornado.iostream import StreamClosedError

from ..model import TERMINAL
from .hub import Seat

KEEP_ALIVE_S = 10.0
MOST_SUBSCRIPTIONS = 200
# What is held for a page that does not read, in characters, and for a client of events, in messages: a burst of
# output is sixteen frames, and then it waits.
MOST_UNSENT, MOST_WAITING = 1 << 20, 20


class SocketHandler(WebSocketMixin, websocket.WebSocketHandler, JupyterHandler):  # pyright: ignore[reportIncompatibleMethodOverride]
    """One socket a page, for any number of runs.

    It is told ``{"sub": RUN, "after": SEQ, "log": true}`` and ``{"unsub": RUN}``, and sends
    ``{"run", "snapshot"}``, ``{"run", "events"}``, ``{"run", "log", "from", "cursor"}`` and
    ``{"run", "trouble"}``.
    """

    auth_resource = "migrator"
    _track_activity = False

    @ws_authenticated
    @authorized
    async def get(self, *args: Any, **kwargs: Any) -> None:
        return await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        super().open(*args, **kwargs)
        self._leave: dict[str, Callable[[], None]] = {}
        self._unsent = 0  # characters that the page has not taken in yet

    def on_message(self, message: str | bytes) -> None:
        try:
            asked = json.loads(message)
            self._heed(asked)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._send({"trouble": f"Not understood: {type(error).__name__}"})

    def on_close(self) -> None:
        for leave in getattr(self, "_leave", {}).values():
            leave()
        super().on_close()

    def _heed(self, asked: dict[str, Any]) -> None:
        run_id = str(asked.get("sub") or asked.get("unsub") or "")
        if leave := self._leave.pop(run_id, None):
            leave()
        if asked.get("sub") and len(self._leave) < MOST_SUBSCRIPTIONS:
            cursor = asked.get("cursor")
            seat = Seat(self._send, int(asked.get("after") or 0), bool(asked.get("log")),
                        None if cursor is None else int(cursor), lambda: self._unsent < MOST_UNSENT)  # fmt: skip
            self._leave[run_id] = self.settings["migrator_hub"].sit(run_id, seat)

    def _send(self, message: dict[str, Any]) -> None:
        text = json.dumps(message, default=str)
        with suppress(websocket.WebSocketClosedError):  # on_close gives the seats up
            self.write_message(text).add_done_callback(partial(self._sent, len(text)))
            self._unsent += len(text)

    def _sent(self, count: int, done: asyncio.Future[None]) -> None:
        self._unsent -= count
        done.exception()  # a page that went away is no news


class EventsHandler(APIHandler):
    """``text/event-stream`` of one run: ``event: snapshot`` and facts with their number as ``id:``, ``end`` at last.

    ``Last-Event-ID`` (or ``?after=``) goes on where a connection broke.
    """

    auth_resource = "migrator"
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        seat = Seat(messages.put_nowait, self._after(), ready=lambda: messages.qsize() < MOST_WAITING)
        leave = self.settings["migrator_hub"].sit(run_id, seat)
        try:
            self.write("retry: 1000\n\n")
            await self.flush()
            await self._forward(messages)
        except StreamClosedError:
            pass
        finally:
            leave()

    async def _forward(self, messages: asyncio.Queue[dict[str, Any]]) -> None:
        status, seq, seen = "", 0, 0
        while not (status in TERMINAL and seen >= seq):
            try:
                message = await asyncio.wait_for(messages.get(), KEEP_ALIVE_S)
            except TimeoutError:
                self.write(": still here\n\n")
            else:
                if snapshot := message.get("snapshot"):
                    status, seq = snapshot["status"], snapshot["seq"]
                    self._event("snapshot", snapshot)
                for event in message.get("events", ()):
                    seen = event["seq"]
                    self._event(event["kind"], event, event["seq"])
                if trouble := message.get("trouble"):
                    self._event("trouble", {"message": trouble})
            await self.flush()
            if seen == 0 and status in TERMINAL:
                seen = max(seen, self._after())
        self._event("end", {"status": status})
        await self.flush()

    def _event(self, kind: str, data: dict[str, Any], number: int | None = None) -> None:
        head = f"id: {number}\n" if number is not None else ""
        self.write(f"{head}event: {kind}\ndata: {json.dumps(data, default=str)}\n\n")

    def _after(self) -> int:
        text = self.request.headers.get("Last-Event-ID") or self.get_query_argument("after", "0")
        return int(text) if text.isdigit() else 0

    def finish(self, *args: Any, **kwargs: Any) -> Any:
        return web.RequestHandler.finish(self, *args, **kwargs)  # APIHandler's would say application/json
