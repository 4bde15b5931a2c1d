"""Uploads in parts that a run has begun, noted on disk: a killed attempt's is carried on, and none is left dangling."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MigratorError, Unreachable
from ..stores import Location, open_store
from ..stores.abilities import Resumable

if TYPE_CHECKING:
    from ..migrations import Migration

log = logging.getLogger("migrator")
FOLDER = "uploads"


class UploadNotes:
    """Notes of one process of an attempt; threads write them at once. Satisfies ``stores.multipart.Notes``.

    A note is a line of JSON, on the disk before the first part is sent: an id that nobody knows is storage that
    somebody pays for and no listing of objects shows.
    """

    def __init__(self, workspace: Path, attempt: int) -> None:
        self._folder, self._attempt = workspace / FOLDER, attempt
        self._file = self._folder / f"{attempt}-{os.getpid()}.jsonl"
        self._left: dict[str, list[str]] | None = None
        self._turn, self._numbers = threading.Lock(), count()

    def take(self, key: str) -> list[str]:
        """The uploads of a key that earlier attempts left; whoever takes them sees to their end."""
        with self._turn:
            if self._left is None:
                self._left = {}
                for name, upload_id in left(self._folder, before=self._attempt).items():
                    self._left.setdefault(upload_id, []).append(name)
            return self._left.pop(key, [])

    @contextmanager
    def begins(self, key: str) -> Iterator[None]:
        """Note that an upload of a key is about to be begun, until that was answered or refused."""
        token = f"begins {next(self._numbers)} {self._file.name}"
        # Not synced: whoever is killed leaves it all the same, and an upload without parts costs nobody a thing.
        self._write({"begins": token, "key": key, "at": time.time()}, durable=False)
        try:
            yield
        except Unreachable:  # it may have been begun
            raise
        except Exception:
            self.closed(token)
            raise
        self.closed(token)

    def opened(self, key: str, upload_id: str) -> None:
        """Note an upload, durably."""
        self._write({"key": key, "upload": upload_id}, durable=True)

    def closed(self, upload_id: str) -> None:
        """Note that it is complete, or gone."""
        self._write({"closed": upload_id}, durable=False)

    def _write(self, note: dict[str, Any], *, durable: bool) -> None:
        with self._turn:
            self._folder.mkdir(exist_ok=True)
            with self._file.open("a", encoding="ascii") as file:
                file.write(json.dumps(note) + "\n")
                if durable:
                    file.flush()
                    os.fsync(file.fileno())


def left(folder: Path, before: int | None = None) -> dict[str, str]:
    """Uploads that were begun, by attempts ``before`` this one, and are not known to have ended: id to key."""
    begun: dict[str, str] = {}
    closed: set[str] = set()
    for file in sorted(folder.glob("*-*.jsonl")) if folder.is_dir() else ():
        for note in _notes(file):
            if "closed" in note:
                closed.add(note["closed"])
            elif "upload" in note and (before is None or int(file.name.partition("-")[0]) < before):
                begun[note["upload"]] = note["key"]
    return {upload_id: key for upload_id, key in begun.items() if upload_id not in closed}


def unanswered(folder: Path) -> dict[str, list[float]]:
    """When uploads of a key were about to be begun, of which it is not known what became."""
    notes = [note for file in folder.glob("*-*.jsonl") for note in _notes(file)] if folder.is_dir() else []
    closed = {note["closed"] for note in notes if "closed" in note}
    found: dict[str, list[float]] = {}
    for note in notes:
        if "begins" in note and note["begins"] not in closed:
            found.setdefault(note["key"], []).append(note["at"])
    return found


def abort_left(migration: Migration, workspace: Path) -> int:
    """At a run's end, abort what is still open; how many. One that can't be aborted is named in the output."""
    from ..migrations import CopyObjects  # a hand, which takes notes, loads none of them

    found, begun = left(workspace / FOLDER), unanswered(workspace / FOLDER)
    if not (found or begun) or not isinstance(migration, CopyObjects):
        return 0
    gone = 0
    for upload_id, key in found.items():
        try:
            target = open_store(migration.target)
            if isinstance(target, Resumable):
                target.abort_upload(key, upload_id)
                gone += 1
        except MigratorError as error:
            log.warning("the unfinished upload %s of %r can't be aborted: %s", upload_id, key, error)
    return gone + _abort_unanswered(migration.target, begun)


def _abort_unanswered(place: Location, begun: Mapping[str, Sequence[float]]) -> int:
    """Those of which this run was never told the names."""
    gone = 0
    for key, moments in begun.items():
        try:
            target = open_store(place)
            if isinstance(target, Resumable):
                gone += target.abort_unanswered(key, [time.time() - moment for moment in moments])
        except MigratorError as error:
            log.warning("whether an upload of %r was begun and left open can't be told: %s", key, error)
    return gone


def _notes(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text(encoding="ascii").splitlines():
        with suppress(ValueError):  # the last one of a killed process may be cut off; its upload was not begun then
            yield json.loads(line)
