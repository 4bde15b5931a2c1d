"""What is known of one run in detail: its output, items, plan, and its record."""

from __future__ import annotations

import csv
import io
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ..transcript import Piece
from .asking import MOST_ROWS, Handler
from .desk import Front

LOG_BYTES, LOG_LINES = 1 << 20, 50_000
ITEM_COLUMNS = (
    "key", "target_key", "size", "action", "status", "evidence", "digest", "error", "reason", "losses", "etag",
    "written_etag", "before", "detail", "at", "item_no", "source",
)  # fmt: skip
# The report is a page of ours whose texts are escaped; a browser is told all the same that nothing in it may run.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"


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
            lines = self.number("lines", LOG_LINES, LOG_LINES)
            await self.answer(lambda front: _placed(front.run(run_id).log_before(before, limit, lines)))
            return
        await self.answer(lambda front: _placed(front.run(run_id).log_pieces(after, limit, LOG_LINES, 1)[0]))

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


def _placed(piece: Piece) -> dict[str, Any]:
    return {"text": piece.text, "from": piece.start, "cursor": piece.end}


class ItemsHandler(Handler):
    """A page of a run's items: ``status`` (several, in this order), ``q`` (in the key), ``offset``, ``limit``,
    ``reason``; ``format=csv`` for a file of all of them."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        status, text = self.get_query_arguments("status"), self.get_query_argument("q", "")
        reason = self.get_query_argument("reason", "")
        offset, limit = self.number("offset", 0), self.number("limit", 100, MOST_ROWS)
        if self.get_query_argument("format", "json") == "csv":
            await self._send_csv(run_id, status, text, reason)
            return
        wanted: Any = [each for each in status if each]
        await self.answer(lambda front: front.run(run_id).page(wanted, text, offset, limit, reason))

    async def _send_csv(self, run_id: str, status: list[str], text: str, reason: str) -> None:
        """A batch at a time, so that neither memory nor a database thread is held for long."""
        from ..words import disarmed

        wanted: Any = [each for each in status if each]
        batches = await self.ask(lambda front: front.run(run_id).item_batches(wanted, text, reason=reason))
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


class ReasonsHandler(Handler):
    """Why items failed or were refused: the most frequent reasons, with how many they are."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        await self.answer(lambda front: front.run(run_id).reasons())


class PlanHandler(Handler):
    """What a run's plan would do, added up."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        await self.answer(lambda front: front.run(run_id).plan_summary().to_dict())


class PreflightHandler(Handler):
    """What a run needs of its two places, tried with the rights of the server; its few writes leave nothing."""

    @web.authenticated
    @authorized
    async def post(self, run_id: str) -> None:
        await self.answer(lambda front: front.run(run_id).preflight().to_dict())


class RecordHandler(Handler):
    """A run as it stands in a notebook that nobody runs: ``text/html`` and ``text/plain``."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        def read(front: Front) -> Any:
            run = front.run(run_id)
            return {"text/html": run._repr_html_(), "text/plain": repr(run)}

        await self.answer(read)


class ReportHandler(Handler):
    """The run's report as a page of its own."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        page = await self.ask(lambda front: front.run(run_id).report().to_html())
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", REPORT_POLICY)
        web.RequestHandler.finish(self, page)
