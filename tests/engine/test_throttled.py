"""A store that asks for fewer requests gets half as many at once, and more again when it takes them: counted there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from exact_s3 import ExactS3, Reply, at, refused

from migrator.engine import ceiling
from migrator.engine.control import Control
from migrator.engine.copy_executor import CopyExecutor, CopyTask
from migrator.engine.crew import SMALL_BYTES
from migrator.engine.evidence import Asked
from migrator.model import Item, Shard
from migrator.stores import Location, open_store
from migrator.stores.weather import under

NUMBER, ALL = 60, 8


class Gatekeeper:
    """Holds every object at the server until it is let through or sent away."""

    def __init__(self) -> None:
        self.held = self.most = 0
        self._answers: list[Reply | None] = []
        self._open = False
        self._turn = threading.Condition()

    def before(self, method: str, key: str, _headers: dict[str, str]) -> Reply | None:
        if method != "PUT" or not key.isdigit():
            return None
        with self._turn:
            self.held += 1
            self.most = max(self.most, self.held)
            self._turn.wait_for(lambda: self._answers or self._open, 60)
            self.held -= 1
            return self._answers.pop() if self._answers else None

    def answer(self, number: int, reply: Reply | None = None) -> None:
        with self._turn:
            self._answers += [reply] * number
            self._turn.notify_all()

    def open(self) -> None:
        with self._turn:
            self._open = True
            self._turn.notify_all()


class Scene:
    """A copy from a folder to a bucket, eight objects at once, whose pulse is the test."""

    def __init__(self, exact: ExactS3, folder: Path) -> None:
        self.exact, self.gatekeeper, self.control = exact, Gatekeeper(), Control("r1")
        for n in range(NUMBER):
            (folder / f"{n:02}").write_bytes(bytes([n]) * (SMALL_BYTES + 1))  # each has a thread of its own
        source = Location.parse(folder)
        self._rows = [
            Item(n, one.key, action="create", bytes=one.size, mtime=one.mtime, etag=one.etag)
            for n, one in enumerate(one for page in open_store(source).list() for one in page)
        ]
        self._executor = CopyExecutor(
            CopyTask(((None, source),), at(exact, "s3://there").location, False, None, Asked(record=None))
        )
        self.control.throttle.set({"in_flight": ALL})
        exact.before = self.gatekeeper.before
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        shard = Shard(0, NUMBER, sum(row.bytes for row in self._rows), "")
        with under(self.control.weather):
            for receipt in self._executor.execute(shard, self._rows, self.control):
                self.control.settle(receipt)

    def end(self) -> int:
        """Let all through; how many objects have arrived."""
        self.gatekeeper.open()
        self._thread.join(60)
        assert not self._thread.is_alive()
        return sum(1 for name in self.exact.objects if name.removeprefix("there/").isdigit())

    def held(self, number: int) -> bool:
        """Wait until so many are at the server, and let one through after the other: there is never one more."""
        until(lambda: self.gatekeeper.held == number)
        self.gatekeeper.most = 0
        for _ in range(3):
            self.gatekeeper.answer(1)
            until(lambda: self.gatekeeper.held == number and not self.gatekeeper._answers)
        return self.gatekeeper.most <= number


def until(look: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)


@pytest.fixture
def scene(exact: ExactS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name in ("CALM_S", "STEP_S", "IDLE_S"):
        monkeypatch.setattr(ceiling, name, 0.0)
    made = Scene(exact, tmp_path)
    yield made
    made.control.stop("the test is over")
    made.end()


# Mutations: let Control.adapt set no ceiling; let Ceiling._lower take a quarter off; let Ceiling._raise do nothing; let
# Control.at_once give what was asked for.
def test_a_store_that_throttles_has_half_as_many_objects_at_once_and_all_again_when_it_is_calm(scene: Scene) -> None:
    gatekeeper, control = scene.gatekeeper, scene.control
    assert scene.held(ALL)
    control.adapt()
    assert (control.throttle.ceiling, control.weather.throttling) == (None, None)
    gatekeeper.answer(ALL, refused(503, "SlowDown"))
    until(lambda: control.weather.throttled == ALL)
    control.adapt()
    assert control.weather.throttling is not None
    assert control.weather.throttling["by"] == "s3://there/ (503 SlowDown)"
    until(lambda: gatekeeper.held == ALL)  # the same eight, since each thread keeps to its object
    gatekeeper.answer(ALL)
    assert scene.held(ALL // 2)
    for more in (5, 6, 7, 8):
        control.adapt()
        assert scene.held(more)
    assert control.throttle.ceiling is None
    assert scene.end() == NUMBER
    assert control.counts.copied == NUMBER
