"""One poller a run, whoever and however many look at it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from ..model import TERMINAL
from ..transcript import Piece
from .desk import Desk, Front

# A live run is read so often that a change is painted within half a second; one that ended, since it may be resumed.
LIVE_S, ENDED_S = 0.42, 3.0
# A frame of output is small, so that no page works on one for long; what is written fast comes in many.
FRAME_BYTES, FRAME_LINES, FRAMES = 64 << 10, 500, 16
TAIL_BYTES = 64 << 10
STILL_S = 4.0  # a run of which there is nothing new is said to be there: a page tells a quiet run from a dead line

Message = dict[str, Any]


@dataclass(eq=False)
class Seat:
    """A viewer of one run: where to send, and how far it has read.

    One that takes nothing in (``ready`` says no) is sent nothing: it keeps its place in events and log, and
    gets the newest picture when it reads again. So the server holds no more for it than one burst.
    """

    send: Callable[[Message], Any]
    seq: int = 0
    wants_log: bool = False
    cursor: int | None = None  # of the log; None until its first frame, which comes from the end
    ready: Callable[[], bool] = lambda: True
    missed: bool = False  # the newest picture


class Watch:
    """One run being read, for everybody who looks at it."""

    def __init__(self, desk: Desk, run_id: str, on_empty: Callable[[], Any]) -> None:
        self._desk, self._run_id, self._on_empty = desk, run_id, on_empty
        self._handle: Any = None  # it knows where the output is, once it was asked
        self._seats: list[Seat] = []
        self._last: Message | None = None
        self._told_at = 0.0
        self._soon = asyncio.Event()
        self._task = asyncio.ensure_future(self._loop())

    def sit(self, seat: Seat) -> None:
        self._seats.append(seat)
        if self._last is not None:
            seat.send(self._last)
        self._soon.set()

    def leave(self, seat: Seat) -> None:
        if seat in self._seats:
            self._seats.remove(seat)
        if not self._seats:
            self._task.cancel()
            self._on_empty()

    def look_soon(self) -> None:
        """Something was asked of the run: its answer is near."""
        self._soon.set()

    async def _loop(self) -> None:
        while True:
            self._soon.clear()
            try:
                status = await self._round()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  shown where the run is looked at
                self._tell({"run": self._run_id, "trouble": str(error)})
                status = "running"
            with suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), ENDED_S if status in TERMINAL else LIVE_S)

    async def _round(self) -> str:
        snapshot = await self._desk.call(lambda front: self._run(front).snapshot().to_dict())
        message = {"run": self._run_id, "snapshot": snapshot}
        self._catch_up()
        if _moved(self._last, message):
            self._last = message
            self._tell(message)
        elif time.monotonic() - self._told_at > STILL_S:
            self._tell({"run": self._run_id, "still": True})
        await self._tell_events(snapshot["seq"])
        await self._tell_log()
        return snapshot["status"]

    async def _tell_events(self, newest: int) -> None:
        behind = [seat for seat in self._seats if seat.seq < newest and seat.ready()]
        if not behind:
            return
        after = min(seat.seq for seat in behind)
        found = await self._desk.call(lambda front: self._run(front).events(after))
        events = [asdict(event) for event in found]
        for seat in behind:
            seat.send({"run": self._run_id, "events": [event for event in events if event["seq"] > seat.seq]})
            seat.seq = events[-1]["seq"] if events else seat.seq

    async def _tell_log(self) -> None:
        """Each place in the log is read once a round, for all who are there; usually all are at its end."""
        for cursor in {seat.cursor for seat in self._seats if seat.wants_log and seat.ready()}:
            at = -TAIL_BYTES if cursor is None else cursor
            pieces = await self._desk.call(partial(self._pieces, at))
            there = [seat for seat in self._seats if seat.wants_log and seat.cursor == cursor]
            for piece in pieces:
                there = [seat for seat in there if seat.ready()]  # one that is full goes on from here later
                for seat in there:
                    if piece.text or seat.cursor is None:
                        seat.send({"run": self._run_id, "log": piece.text, "start": piece.start,
                                   "from": seat.cursor, "cursor": piece.end})  # fmt: skip
                    seat.cursor = piece.end
            if there and len(pieces) == FRAMES:
                self._soon.set()  # there is more

    def _pieces(self, at: int, front: Front) -> list[Piece]:
        return self._run(front).log_pieces(at, FRAME_BYTES, FRAME_LINES, FRAMES)

    def _run(self, front: Front) -> Any:
        self._handle = self._handle or front.run(self._run_id)
        return self._handle

    def _tell(self, message: Message) -> None:
        self._told_at = time.monotonic()
        for seat in list(self._seats):
            if seat.ready():
                seat.send(message)
            else:
                seat.missed = True

    def _catch_up(self) -> None:
        """Who missed pictures gets the newest."""
        for seat in [seat for seat in self._seats if seat.missed and seat.ready()]:
            seat.missed = False
            if self._last is not None:
                seat.send(self._last)


class Hub:
    """The watches of this server."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._watches: dict[str, Watch] = {}
        self._tasks: set[asyncio.Future[None]] = set()

    def sit(self, run_id: str, seat: Seat) -> Callable[[], None]:
        """Look at a run from now on; call what this returns to leave."""
        watch = self._watches.get(run_id)
        if watch is None:
            watch = self._watches[run_id] = Watch(self._desk, run_id, lambda: self._watches.pop(run_id, None))
        watch.sit(seat)
        return lambda: watch.leave(seat)

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something on the side, and hold on to it until it is done."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def look_soon(self, run_id: str) -> None:
        if watch := self._watches.get(run_id):
            watch.look_soon()


def _moved(last: Message | None, message: Message) -> bool:
    """Whether anything but the clock has changed, or a second of silence is to be shown."""
    if last is None:
        return True
    before, after = ({**one["snapshot"], "silent_s": int(one["snapshot"]["silent_s"] or 0)} for one in (last, message))
    return before != after
