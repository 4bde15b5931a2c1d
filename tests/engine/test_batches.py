"""Small objects a few at a time: each is copied as it would be alone, and none is in another's way."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exact_s3 import ExactS3, Reply, Stored, at
from together import be_near

from migrator.engine import batches
from migrator.engine.control import Control
from migrator.engine.copy_executor import CopyExecutor, CopyTask
from migrator.engine.copying import Copier
from migrator.engine.crew import SMALL_BYTES
from migrator.engine.evidence import Asked
from migrator.engine.pace import FEW
from migrator.errors import Unreachable
from migrator.model import Item, Receipt, Shard
from migrator.stores import Location, Store, native, open_store, retries
from migrator.stores.weather import Weather, under, weather
from migrator.stores.wire import Sent, Wire

NUMBER = 2 * FEW + 3
WAYS = ["to bucket", "by server", "to folder", "from folder"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    be_near(monkeypatch)


class Scene:
    """Objects of one place, which are copied to another by an executor of its own."""

    def __init__(self, exact: ExactS3, folder: Path, way: str) -> None:
        self.exact, self.folder, self.way = exact, folder, way
        self.bodies = {f"k{n:02}": bytes([n]) * (n + 1) for n in range(NUMBER)}
        (folder / "here").mkdir()
        (folder / "there").mkdir()
        for key, body in self.bodies.items():
            if way == "from folder":
                (folder / "here" / key).write_bytes(body)
            else:
                exact.objects[f"here/{key}"] = Stored(body, {"content-type": "text/plain"}, "team=one")
        self.source = self._place("here", way == "from folder")
        self.target = self._place("there", way == "to folder")
        listed = [one for page in open_store(self.source).list() for one in page]
        self.rows = [
            Item(n, one.key, action="create", bytes=one.size, mtime=one.mtime, etag=one.etag)
            for n, one in enumerate(listed)
        ]
        self.control = Control("r1")
        record = "blake3" if way == "to bucket" else None  # the server's own copy is not wanted then
        task = CopyTask(((None, self.source),), self.target, False, None, Asked(record=record))
        self.executor = CopyExecutor(task)
        self._meet(self.executor._sources[None], self.executor._target)
        exact.asked.clear()

    def _place(self, name: str, in_folder: bool) -> Location:
        if in_folder:
            return Location.parse(self.folder / name)
        return at(self.exact, f"s3://{name}").location

    def _meet(self, *stores: Store) -> None:
        """Let each be known to be near, and what differs there be found out."""
        for store in stores:
            store.probe()
        if self.way != "to folder":
            stores[1].try_out("r1-1")
            if self.way != "from folder":
                stores[1].guards_copies(None)  # pyright: ignore[reportAttributeAccessIssue]

    def run(self) -> dict[str, Receipt]:
        """By key, in the order of the rows."""
        total = sum(row.bytes for row in self.rows)
        found = {
            one.item_no: one for one in self.executor.execute(Shard(0, NUMBER, total, ""), self.rows, self.control)
        }
        return {row.key: found[row.item_no] for row in self.rows if row.item_no in found}

    def arrived(self) -> dict[str, bytes]:
        if self.way == "to folder":
            return {file.name: file.read_bytes() for file in (self.folder / "there").iterdir()}
        there = "there/"
        return {name[len(there) :]: one.body for name, one in self.exact.objects.items() if name.startswith(there)}

    def asked(self) -> Counter[str]:
        """How often each method, for objects."""
        return Counter(method for method, key, _ in self.exact.asked if key in self.bodies)


@pytest.fixture(params=WAYS)
def scene(request: pytest.FixtureRequest, exact: ExactS3, tmp_path: Path) -> Scene:
    return Scene(exact, tmp_path, request.param)


def requests_of(way: str) -> dict[str, int]:
    """As many for each object as there must be: tags are read by a request of their own."""
    each = {"to bucket": (2, 1), "by server": (0, 1), "to folder": (2, 0), "from folder": (0, 1)}[way]
    return {method: n * NUMBER for method, n in zip(("GET", "PUT"), each, strict=True) if n}


# Mutations: yield nothing of what the server copied, or leave out what was not sent ahead; open each anew in `_read`,
# and all is asked for twice.
def test_each_is_copied_once_with_its_evidence_and_all_it_carries(scene: Scene) -> None:
    receipts = scene.run()
    assert {(one.status, one.evidence) for one in receipts.values()} == {("copied", "server-hash")}
    assert [one.bytes for one in receipts.values()] == [row.bytes for row in scene.rows]
    assert scene.arrived() == scene.bodies
    assert scene.asked() == requests_of(scene.way)
    if scene.way in ("to bucket", "by server"):
        there = scene.exact.objects["there/k05"]
        assert (there.headers["content-type"], there.tags) == ("text/plain", "team=one")


# Mutations: hear each write before the next is sent; ask for each body as it is opened.
@pytest.mark.parametrize("way", WAYS)
def test_a_thread_has_several_requests_under_way(way: str, exact: ExactS3, tmp_path: Path) -> None:
    scene, together, met = Scene(exact, tmp_path, way), threading.Barrier(FEW), []

    def before(method: str, key: str, _headers: dict[str, str]) -> None:
        if key in scene.bodies and method == ("GET" if way == "to folder" else "PUT") and len(met) < FEW:
            try:
                met.append(together.wait(5))
            except threading.BrokenBarrierError:
                return

    exact.before = before
    scene.control.throttle.set({"in_flight": FEW})  # one thread
    del scene.rows[2 * FEW :]
    assert len(scene.run()) == 2 * FEW
    assert len(set(met)) == FEW


# Mutation: leave out of a batch what stands there already, and each is sent twice.
@pytest.mark.parametrize("way", ["to bucket", "by server", "from folder"])
def test_what_a_killed_attempt_wrote_is_adopted_by_one_look_at_each(way: str, exact: ExactS3, tmp_path: Path) -> None:
    scene = Scene(exact, tmp_path, way)
    for key, body in scene.bodies.items():
        exact.objects[f"there/{key}"] = Stored(body, {})
    receipts = scene.run()
    assert {(one.status, one.evidence) for one in receipts.values()} == {("adopted", "server-hash")}
    assert scene.asked() == requests_of(way) | {"HEAD": NUMBER}


def by_a_stranger(scene: Scene, key: str) -> Reply | None:
    scene.exact.objects[f"there/{key}"] = Stored(b"somebody else's", {})
    return None


def by_ourselves(scene: Scene, key: str) -> Reply | None:
    """It is written, and the answer is lost."""
    scene.exact.objects[f"there/{key}"] = Stored(scene.bodies[key], {})
    return busy(scene, key)


def busy(scene: Scene, key: str) -> Reply:
    return Reply(503, {}, b"<Error><Code>SlowDown</Code></Error>")


def denied(scene: Scene, key: str) -> Reply:
    return Reply(403, {}, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")


def late(scene: Scene, key: str) -> Reply:
    return Reply(200, {}, b"<Error><Code>InternalError</Code></Error>")


# Mutations: let `_heard` raise what one met; call what was refused "copied"; let Lane.heard take a 200 that says Error.
@pytest.mark.parametrize(
    ("fault", "lasting", "status"),
    [
        (by_a_stranger, False, "refused"), (by_ourselves, False, "adopted"), (busy, False, "copied"),
        (denied, True, "failed"), (late, False, "copied"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["to bucket", "by server", "from folder"])
def test_what_one_write_meets_is_its_own_affair(
    fault: Callable[[Scene, str], Reply | None], lasting: bool, status: str, way: str, exact: ExactS3, tmp_path: Path
) -> None:
    scene, left = Scene(exact, tmp_path, way), [10**6 if lasting else 1]

    def before(method: str, key: str, _headers: dict[str, str]) -> Reply | None:
        if (method, key) != ("PUT", "k07") or not left[0]:
            return None
        left[0] -= 1
        return fault(scene, key)

    exact.before = before
    receipts = scene.run()
    assert {key: one.status for key, one in receipts.items() if one.status != "copied"} == (
        {"k07": status} if status != "copied" else {}
    )
    expected = dict(scene.bodies)
    if fault is by_a_stranger:
        expected["k07"] = b"somebody else's"
    elif fault is denied:
        del expected["k07"]
    assert scene.arrived() == expected
    assert exact.parts.open == {}


def changed(scene: Scene) -> None:
    if scene.way == "from folder":
        (scene.folder / "here" / "k07").write_bytes(b"other")
    else:
        scene.exact.objects["here/k07"] = Stored(b"other", {})


def gone(scene: Scene) -> None:
    if scene.way == "from folder":
        (scene.folder / "here" / "k07").unlink()
    else:
        del scene.exact.objects["here/k07"]


# Mutation: let `_read` end at the first that it can't read.
@pytest.mark.parametrize("change", [changed, gone])
def test_a_source_that_is_another_now_is_refused_and_the_others_are_copied(
    change: Callable[[Scene], None], scene: Scene
) -> None:
    change(scene)
    receipts = scene.run()
    assert receipts.pop("k07").status == "refused"
    assert {one.status for one in receipts.values()} == {"copied"}
    del scene.bodies["k07"]
    assert scene.arrived() == scene.bodies


# Mutation: let CopyExecutor take what was found after a write for something that was left out: it says then that
# something else stands there.
@pytest.mark.parametrize("way", ["to bucket", "by server", "from folder"])
def test_what_the_target_holds_otherwise_is_said_so(way: str, exact: ExactS3, tmp_path: Path) -> None:
    scene = Scene(exact, tmp_path, way)

    def meddle(method: str, key: str, _headers: dict[str, str], reply: Reply) -> Reply | None:
        if (method, key) == ("PUT", "k07") and reply.status == 200:
            exact.objects["there/k07"] = spoiled = Stored(b"spoiled", {})
            reply.headers["ETag"] = spoiled.etag
            reply.body = reply.body.replace(exact.objects["here/k07"].etag.encode(), b"") if way == "by server" else b""
        return reply

    exact.meddle = meddle
    receipts = scene.run()
    assert receipts["k07"].status == "failed"
    assert "what the target holds is not what was read" in str(receipts["k07"].error)
    assert Counter(one.status for one in receipts.values())["copied"] == NUMBER - 1


# Mutation: leave `cancelled` out of `_written`.
@pytest.mark.parametrize("way", ["to bucket", "to folder"])
def test_a_stop_before_anything_was_written_leaves_nothing(way: str, exact: ExactS3, tmp_path: Path) -> None:
    scene = Scene(exact, tmp_path, way)

    def before(method: str, key: str, _headers: dict[str, str]) -> None:
        if method == "GET" and key == "k02":
            scene.control.stop("cancelled")

    exact.before = before
    scene.control.throttle.set({"in_flight": FEW})
    assert scene.run() == {}
    assert scene.arrived() == {}
    assert scene.asked()["PUT"] == 0


class Panic(BaseException):
    """What a Rust panic looks like: no Exception."""


# Mutations: close neither what was sent for and not opened, nor what was written and not heard.
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_where_a_batch_breaks_off_no_connection_is_left_open(
    method: str, exact: ExactS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, sent, turn = Scene(exact, tmp_path, "to bucket"), [], itertools.count()
    ask = Wire.ask

    def noted(wire: Wire, *request: Any) -> Sent:
        sent.append((wire, ask(wire, *request)))
        return sent[-1][1]

    def broken(self: Sent) -> Any:
        if self.method == method and next(turn) == 3:
            self.close()
            raise Panic
        return hear(self)

    name = {"GET": "opened", "PUT": "whole"}[method]
    hear = getattr(Sent, name)
    monkeypatch.setattr(Wire, "ask", noted)
    monkeypatch.setattr(Sent, name, broken)
    scene.control.throttle.set({"in_flight": FEW})
    with pytest.raises(Panic):
        scene.run()
    assert sum(one.method == method for _, one in sent) >= FEW
    for wire, one in sent:
        assert one.connection in wire._idle or one.connection._socket.fileno() == -1


# Mutations: hear to the end, in `_heard` or in `_read`.
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_who_answers_none_is_not_waited_for_by_each(
    method: str, exact: ExactS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, hung, over = Scene(exact, tmp_path, "to bucket"), itertools.count(), threading.Event()
    monkeypatch.setattr(native, "READ_S", 0.8)
    monkeypatch.setattr(batches, "PATIENCE_S", 0.2)

    def before(asked: str, key: str, _headers: dict[str, str]) -> None:
        if asked == method and key in scene.bodies and next(hung) < FEW:
            over.wait(20)

    exact.before = before
    scene.control.throttle.set({"in_flight": FEW})
    began = time.monotonic()
    assert scene.run().keys() == scene.bodies.keys()
    took = time.monotonic() - began
    over.set()
    assert took < 0.8 * FEW / 2
    assert scene.arrived() == scene.bodies


# Mutation: let `_is_for_the_server` raise what a trial met, and that ends the run.
def test_what_is_met_as_a_store_is_tried_is_met_again_by_each_alone(
    exact: ExactS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, met = Scene(exact, tmp_path, "by server"), [True]
    guards = scene.executor._target.guards_copies  # pyright: ignore[reportAttributeAccessIssue]

    def fail_once(before: str | None) -> bool:
        if met and met.pop():
            raise Unreachable("no answer")
        return guards(before)

    monkeypatch.setattr(scene.executor._target, "guards_copies", fail_once)
    assert {one.status for one in scene.run().values()} == {"copied"}
    assert scene.arrived() == scene.bodies


# Mutation: send for all ahead whatever the limit.
def test_nothing_is_sent_for_ahead_of_a_limit_of_bytes(exact: ExactS3, tmp_path: Path) -> None:
    scene = Scene(exact, tmp_path, "to folder")
    scene.control.throttle.set({"in_flight": FEW, "bytes_per_s": 1e9})
    assert len(scene.run()) == NUMBER
    lane = scene.executor._sources[None]._lane  # pyright: ignore[reportAttributeAccessIssue]
    assert len(lane._wire._idle) <= 2  # one for the tags


# Mutation: leave `clear` out of `_read`.
def test_what_an_earlier_attempt_left_under_a_temporary_name_is_gone(exact: ExactS3, tmp_path: Path) -> None:
    scene = Scene(exact, tmp_path, "to folder")
    scene.control.attempt = 2
    (tmp_path / "there" / ".r1-7-1.part").write_bytes(b"half")
    scene.run()
    assert scene.arrived() == scene.bodies


# Mutations: leave `spend` out of `_read`, or `ends` out of what a batch copied.
def test_it_keeps_to_the_limit_and_tells_that_objects_get_through(exact: ExactS3, tmp_path: Path, monkeypatch) -> None:
    scene, spent = Scene(exact, tmp_path, "to folder"), []
    monkeypatch.setattr(scene.control, "spend", spent.append)
    scene.executor._streak._length = 5
    scene.run()
    assert sum(spent) == sum(map(len, scene.bodies.values()))
    assert scene.executor._streak._length == 0


# Mutation: let CopyExecutor._pace do objects of any size together.
@pytest.mark.parametrize(("size", "few"), [(SMALL_BYTES, FEW), (SMALL_BYTES + 1, 1)])
def test_large_ones_have_a_thread_each(size: int, few: int, exact: ExactS3, tmp_path: Path) -> None:
    scene = Scene(exact, tmp_path, "to bucket")
    rows = [row._replace(bytes=size) for row in scene.rows]
    assert scene.executor._pace(rows, scene.control, lambda: True).few == few


# Mutations: leave `note` out of Lane.heard, or `waiting` out of Lane.ahead.
def test_who_is_asked_to_wait_sends_nothing_more_ahead(exact: ExactS3, tmp_path: Path) -> None:
    scene, refused = Scene(exact, tmp_path, "from folder"), []
    lane, sent = scene.executor._target._lane, []  # pyright: ignore[reportAttributeAccessIssue]

    def before(method: str, key: str, _headers: dict[str, str]) -> Reply | None:
        if method != "PUT" or key not in scene.bodies:
            return None
        if not refused:
            refused.append(time.monotonic())
            return Reply(503, {"Retry-After": "1"}, b"<Error><Code>SlowDown</Code></Error>")
        sent.append(time.monotonic() - refused[0])
        return None

    exact.before = before
    scene.control.throttle.set({"in_flight": FEW})
    with under(Weather()):
        assert len(scene.run()) == NUMBER
        assert (weather().retried, weather().throttled) == (1, 1)
    assert len([after for after in sent if after < 0.9]) < FEW  # the rest of that batch was under way
    assert scene.arrived() == scene.bodies
    assert lane.retries.waiting is False


# Mutations: let such a place be near in Batches; let S3Store.put_ahead send where no condition is enforced.
@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_where_no_condition_is_enforced_each_key_is_looked_at_first(
    conditions: str, exact: ExactS3, tmp_path: Path
) -> None:
    exact.conditions = conditions
    scene = Scene(exact, tmp_path, "from folder")
    exact.objects["there/k07"] = Stored(b"somebody else's", {})
    receipts = scene.run()
    assert receipts["k07"].status == "refused"
    assert scene.asked()["HEAD"] >= NUMBER
    copier = Copier(scene.executor._sources[None], scene.executor._target, scene.control)
    assert not copier.together.near
    assert scene.arrived() == scene.bodies | {"k07": b"somebody else's"}


# Mutation: let Lane.near be true before anything was answered.
def test_nothing_is_sent_ahead_to_who_is_not_known_to_be_near(exact: ExactS3) -> None:
    store = at(exact, "s3://here")
    assert not store.near
    assert store._lane.ahead("GET", "k", {}) is None
    store.probe()
    assert store.near
    sent = store._lane.ahead("GET", "k", {})
    assert sent is not None
    sent.close()
