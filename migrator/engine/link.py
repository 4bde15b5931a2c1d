"""The runner's end of one hand: its process, what it was given, and what it said."""

from __future__ import annotations

import fcntl
import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from ..model import Item, Receipt
from .control import Control
from .executors import as_told
from .work import Work

if TYPE_CHECKING:
    from ..migrations import Migration

# A line has a shard's rows, or a tenth of a second's receipts: in small pieces each wakes one side, then the other.
PIPE_BYTES = 1 << 20
Inbox = queue.SimpleQueue["tuple[Link, dict[str, Any] | None]"]


@dataclass(slots=True)
class Open:
    """A shard that was handed out: the rows that wait for a receipt, and the receipts that are there.

    ``durable`` is how many of them the target has on its disk.
    """

    work: Work
    receipts: list[Receipt] = field(default_factory=list)
    durable: int = 0

    @property
    def rows(self) -> list[Item]:
        done = {receipt.item_no for receipt in self.receipts}
        return [row for row in self.work.todo if row.item_no not in done] if done else self.work.todo


class Link:
    """One hand. Threads may tell it things at once; what it says goes to ``inbox``, None at its end."""

    def __init__(self, migration: Migration, control: Control, shares: int, inbox: Inbox) -> None:
        self.open: deque[Open] = deque()
        self.stopping = False
        self.moved = self.at_work = 0
        self._busy, self._said = False, 0
        self._terms: Mapping[str, Any] | None = None
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "migrator.engine.hand"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=PIPE_BYTES,
        )  # fmt: skip
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        _widen(self._stdin)
        _widen(self._stdout)
        self._say({
            "runner": os.getpid(), "run_id": control.run_id, "attempt": control.attempt, "shares": shares,
            "workspace": control.workspace and str(control.workspace),
            "migration": as_told(migration),
        })  # fmt: skip
        self._ear = threading.Thread(target=self._listen, args=(inbox,), name="hand", daemon=True)
        self._ear.start()

    @property
    def quiet(self) -> bool:
        """Whether it can't be in the middle of writing."""
        return not self._busy

    @property
    def pid(self) -> int:
        return self._process.pid

    def give(self, one: Open) -> None:
        """Hand out a shard."""
        self.open.append(one)
        shard = one.work.shard
        told = {"no": shard.no, "items": shard.items, "bytes": shard.bytes, "plan_file": shard.plan_file}
        self._tell({"shard": told, "rows": one.rows}, wakes=True)

    def tell_terms(self, terms: Mapping[str, Any]) -> None:
        """Tell on what terms it works, where that is new to it."""
        if terms != self._terms:
            self._terms = terms
            self._tell({"terms": terms}, wakes=bool(self.open) and terms["why"] is None)

    def heed(self, said: Mapping[str, Any]) -> None:
        """Whether it is quiet; what it said of that before the last line it was told is no news."""
        with self._turn:
            if said["heard"] == self._said:
                self._busy = not said["quiet"]

    def end(self) -> None:
        """Let it go, and see it gone. It must not be in the middle of anything that counts."""
        self._process.kill()
        self._process.wait()
        self._ear.join()
        with suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
        self._busy = False

    def _tell(self, message: dict[str, Any], *, wakes: bool) -> None:
        with self._turn:
            self._said += 1
            self._busy = self._busy or wakes
            self._say(message | {"no": self._said})

    def _say(self, message: Mapping[str, Any]) -> None:
        try:
            self._stdin.write(json.dumps(message).encode() + b"\n")
            self._stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # it is gone; the end of what it says is on its way to the inbox

    def _listen(self, inbox: Inbox) -> None:
        for line in self._stdout:
            if line.endswith(b"\n"):
                said = json.loads(line)
                self.heed(said)
                inbox.put((self, said))
        inbox.put((self, None))


def _widen(pipe: IO[bytes]) -> None:
    with suppress(OSError, AttributeError):  # a user has so many pages for pipes, and macOS has no say in it
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
