"""Shards executed by several processes at once: one interpreter keeps one core busy, whatever its threads do.

Only the runner commits. It gives each hand a shard and the next one, and takes what comes back; a hand that died has
its shards handed out again.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import errors
from ..errors import MigratorError
from ..migrations import Migration
from ..model import Receipt
from ..options import option
from .control import Control
from .link import Inbox, Link, Open
from .work import Work

log = logging.getLogger("migrator")

Handed = tuple[Work, Iterable[Receipt]]

AHEAD = 2  # shards a hand has: one that it works on, and one more
BELL_S = 0.05
DEATHS = 3


class Hands:
    """The hands of one attempt. Leave it by ``with``, and none is left."""

    def __init__(self, migration: Migration, number: int, control: Control) -> None:
        self._migration, self._number, self._control = migration, number, control
        self._inbox: Inbox = queue.SimpleQueue()
        self._links: list[Link] = []
        self._again: deque[Open] = deque()
        self._spent = False  # whether all shards were handed out
        self._deaths = 0
        self._warned: set[str] = set()
        self._failure: tuple[Open, Exception] | None = None
        self._over = threading.Event()
        self._changing = threading.Lock()

    def __enter__(self) -> Hands:
        self._control.gate.others = lambda: not all(link.quiet for link in tuple(self._links))
        threading.Thread(target=self._ring, name="bell", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for link in list(self._links):
            self._let_go(link)
        self._control.gate.others = lambda: False

    def get_ready(self) -> None:
        """Start them, before there is anything to do."""
        self._recruit()

    def work_off(self, works: Iterator[Work]) -> Iterator[Handed]:
        """Each shard with its receipts when all of them are there; when asked to stop, with those that are."""
        self._spent = False
        while True:
            self._recruit()
            yield from self._hand_out(works)
            if not any(link.open for link in self._links) and not self._again:
                break
            yield from self._hear()
            if self._ending:
                works = iter(())
                yield from (self._handed(self._again.popleft()) for _ in range(len(self._again)))
        if self._failure:
            yield self._failing(*self._failure)

    @property
    def _ending(self) -> bool:
        return self._control.stopped or self._failure is not None

    @property
    def _wanted(self) -> int:
        # Not by what stores take at the moment: a process costs more to start again than to leave with one thread.
        return min(self._number, self._control.throttle.asked or self._number)

    def _recruit(self) -> None:
        """As many as the limit of objects in flight allows; a hand more than that gives back what it has."""
        working = [link for link in self._links if not link.stopping]
        for link in working[self._wanted :]:
            link.stopping = True
        for link in [link for link in self._links if link.stopping and not link.open]:
            self._let_go(link)
        for _ in range(0 if self._ending else self._wanted - len(working)):
            link = Link(self._migration, self._control, self._number, self._inbox)
            with self._changing:
                self._links.append(link)
        self._tell_terms()

    def _hand_out(self, works: Iterator[Work]) -> Iterator[Handed]:
        while not self._ending and (link := self._idlest()) is not None:
            one = self._again.popleft() if self._again else _opened(works)
            self._spent = one is None
            if one is None:
                return
            if one.rows:
                link.give(one)
            else:
                yield self._handed(one)

    def _idlest(self) -> Link | None:
        ready = [link for link in self._links if not link.stopping and len(link.open) < AHEAD]
        return min(ready, key=lambda link: len(link.open), default=None)

    def _hear(self) -> Iterator[Handed]:
        """What the hands said within a moment."""
        try:
            with self._control.aside():
                link, said = self._inbox.get(timeout=BELL_S)
        except queue.Empty:
            return
        if said is None:
            self._bury(link)
            return
        if "begun" in said:
            self._control.begin_engine()
        for text in said["warnings"]:  # what one finds out, the others do too
            if text not in self._warned:
                self._warned.add(text)
                self._control.warn(text)
        self._control.move(said["moved"] - link.moved)
        link.moved = said["moved"]
        link.at_work = said["at_work"]
        self._control.at_work = sum(one.at_work for one in self._links)
        self._control.weather.heard(*said["weather"])
        self._hold(link, said["held"])
        for row in said["receipts"]:
            receipt = Receipt(*row)
            link.open[0].receipts.append(receipt)
            self._control.ahead.add(receipt)
        if "done" in said:
            yield from self._close(link, said["error"])

    def _close(self, link: Link, error: Mapping[str, str] | None) -> Iterator[Handed]:
        """A hand is through with a shard, or gives it back."""
        one = link.open.popleft()
        one.durable = len(one.receipts)
        if error and self._failure is None:
            self._failure = one, _error_of(error)
        elif one.rows and link.stopping and not self._ending:
            self._again.append(one)
        else:
            yield self._handed(one)
        if link.stopping and not link.open:
            self._let_go(link)

    def _bury(self, link: Link) -> None:
        """A hand died: what it had not made durable is done again. Whatever it wrote is found there, and adopted."""
        if link not in self._links:
            return
        lost = list(link.open)
        self._let_go(link)
        for one in lost:
            for receipt in one.receipts[one.durable :]:
                self._control.ahead.add(receipt, -1)
            del one.receipts[one.durable :]
            self._again.append(one)
        self._deaths += 1
        if not self._ending:
            self._control.warn(f"A process of this run (pid {link.pid}) died; what it was at is done again.")
        if self._deaths > DEATHS:
            raise MigratorError(
                f"The processes of this run died {self._deaths} times. Its output may say why (memory?); "
                f"{option('processes', 0)} does all of it in the runner."
            )

    def _let_go(self, link: Link) -> None:
        link.end()
        with self._changing:
            self._links.remove(link)
        self._control.move(-link.moved)
        self._hold(link, None)

    def _hold(self, link: Link, why: str | None) -> None:
        who = f"hand {link.pid}"
        if why is None:
            self._control.gate.free(who)
        else:
            self._control.gate.hold(who, why)

    def _handed(self, one: Open) -> Handed:
        return one.work, self._settled(one)

    def _failing(self, one: Open, error: Exception) -> Handed:
        def receipts() -> Iterator[Receipt]:
            yield from self._settled(one)
            raise error

        return one.work, receipts()

    def _settled(self, one: Open) -> Iterator[Receipt]:
        """Each receipt as it passes from what is counted ahead to what is counted."""
        for receipt in one.receipts:
            self._control.ahead.add(receipt, -1)
            yield receipt

    def _ring(self) -> None:
        """Tell the hands what changed, whatever the main thread is at."""
        while not self._over.wait(BELL_S):
            self._tell_terms()

    def _tell_terms(self) -> None:
        with self._changing:
            for link in self._links:
                link.tell_terms(self._terms(link))

    def _terms(self, link: Link) -> dict[str, Any]:
        control = self._control
        stop = (control.why or "stopped") if control.stopped else "ended" if self._failure or link.stopping else None
        until = control.gate.until
        return {
            "until": None if until == float("inf") else until,
            "why": control.gate.why,
            "limits": self._share(link),
            "stop": stop,
        }

    def _share(self, link: Link) -> dict[str, Any]:
        """Of the limits; at the end, when some have nothing more to do, those who work on have theirs as well."""
        sharing = [one for one in self._links if one.open] if self._spent and not self._again else self._links
        sharing = sharing if link in sharing else self._links
        return self._control.throttle.share(sharing.index(link), len(sharing))


def _opened(works: Iterator[Work]) -> Open | None:
    work = next(works, None)
    return None if work is None else Open(work)


def _error_of(told: Mapping[str, str]) -> Exception:
    """An error of a hand as one of here, under its own name."""
    kind = getattr(errors, told["type"], None)
    if isinstance(kind, type) and issubclass(kind, MigratorError):
        error = kind.__new__(kind)
        error.args = (told["text"],)
        return error
    return type(told["type"], (RuntimeError,), {})(told["text"])
