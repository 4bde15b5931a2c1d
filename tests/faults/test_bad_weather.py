"""Stores that throttle, go away or take no credentials: a run waits, says why, and loses nothing."""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from driving import moving, row, wait_for
from exact_s3 import ExactS3, Reply, refused
from link import Link

from migrator import CopyObjects, api
from migrator.stores.wire import Wire

OBJECTS = 60


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExactS3]:
    with ExactS3() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(OBJECTS):
        (folder / f"{number:03d}").write_text(f"body {number}")
    return folder


class Dam:
    """Lets some objects pass; the others wait for its end, so that no run is over before something happened to it."""

    def __init__(self, few: int = 10) -> None:
        self._few, self._open = itertools.count(1 - few), threading.Event()

    def __call__(self, method: str, key: str, _headers: dict[str, str]) -> None:
        if method == "PUT" and not key.startswith(".migrator") and next(self._few) > 0:
            self._open.wait(60)

    def end(self) -> None:
        self._open.set()


def arrived(exact: ExactS3) -> dict[str, bytes]:
    return {name.partition("/")[2]: one.body for name, one in exact.objects.items() if ".migrator" not in name}


def whole(source: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in source.iterdir()}


def held(run: api.Run, words: str) -> str:
    """Why a run is held, once that has these words in it."""
    wait_for(lambda: words in str(row(run)["held_for"]), 25, words)
    return str(row(run)["held_for"])


def warnings(run: api.Run) -> list[str]:
    return [event.data["text"] for event in run.events() if event.kind == "warning"]


# Mutation: let Control.adapt set no ceiling, and as many objects wait for their next try as there are threads.
@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.soak)])
@pytest.mark.parametrize("processes", [0, pytest.param(2, marks=pytest.mark.soak)])
def test_a_store_that_throttles_gets_fewer_objects_at_once(
    processes: int, seconds: int, exact: ExactS3, source: Path
) -> None:
    for number in range(OBJECTS, 400 + 15 * seconds):
        (source / f"{number:04d}").write_text(f"body {number}")
    puts, begun, waiting, seen, refusals = itertools.count(), 0.0, set[str](), list[int](), list[str]()
    came: list[float] = []

    def before(_method: str, key: str, _headers: dict[str, str]) -> Reply | None:
        nonlocal begun
        time.sleep(0.01)
        if key.isdigit():
            came.append(time.monotonic())
            if next(puts) == 50:
                begun = time.monotonic()
        if time.monotonic() < begun + seconds and random.random() < 0.3:
            if key.isdigit():
                waiting.add(key)
                refusals.append(key)
            if time.monotonic() > begun + 0.8 * seconds:
                seen.append(len(waiting))
            return refused(*random.choice([(503, "SlowDown"), (429, "TooManyRequests")]))
        waiting.discard(key)
        return None

    exact.before = before
    run = api.start(CopyObjects(source, "s3://lake", processes=processes), in_flight=8)
    throttled = wait_for(lambda: run.snapshot().throttled, 20, "it says so")
    assert re.fullmatch(r"s3://lake/ \((503 SlowDown|429 TooManyRequests)\)", throttled["by"])
    assert abs(throttled["since"] / 1000 - time.time()) < 5
    done = run.wait(seconds + 120)
    over = begun + seconds
    for when, first, last in (("before", came[0], begun), ("while", begun, over), ("after", over, came[-1])):
        number = sum(first <= each < last for each in came)
        print(f"{when} it throttled: {number / max(0.001, last - first):.0f} requests a second in {last - first:.1f} s")
    assert (done.status, done.failed, done.throttled) == ("completed", 0, None)
    assert done.retries >= len(refusals) > 0
    assert sum(seen) / max(1, len(seen)) <= 4.5, seen
    assert arrived(exact) == whole(source)
    assert len([text for text in warnings(run) if text.startswith("Throttled by s3://lake")]) == 1


# Mutation: let RunWeather not endure, and the objects of the outage fail.
@pytest.mark.parametrize("processes", [0, pytest.param(2, marks=pytest.mark.soak)])
def test_a_link_that_is_down_holds_the_run_until_it_is_mended(
    processes: int, exact: ExactS3, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact.before = dam = Dam()
    with Link(exact.endpoint) as link:
        monkeypatch.setenv("AWS_ENDPOINT_URL", link.endpoint)
        run = api.start(CopyObjects(source, "s3://lake", processes=processes), in_flight=2)
        moving(run)
        link.cut()
        dam.end()
        print(held(run, "It has been so since"))
        assert (run.snapshot().failed, run.status) == (0, "running")
        link.mend()
        mended = time.monotonic()
        done = run.wait(60)
        assert time.monotonic() - mended < 30
    assert (done.status, done.failed) == ("completed", 0)
    assert arrived(exact) == whole(source)
    assert any("gives no answer" in text for text in warnings(run))


@pytest.mark.soak
@pytest.mark.parametrize("how", ["cut", "deafen"])
def test_after_a_minute_without_a_link_a_run_goes_on_within_half_a_minute(
    how: str, exact: ExactS3, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``deafen``: what is sent is never answered, and nobody says that the connection is gone."""
    exact.before = dam = Dam()
    (source / "large").write_bytes(random.randbytes(30 << 20))
    with Link(exact.endpoint) as link:
        monkeypatch.setenv("AWS_ENDPOINT_URL", link.endpoint)
        run = api.start(CopyObjects(source, "s3://lake"), in_flight=2)
        moving(run)
        getattr(link, how)()
        dam.end()
        time.sleep(60)
        seen = row(run)
        assert (seen["status"], seen["failed"]) == ("running", 0)
        assert seen["held_for"]
        link.mend()
        wait_for(lambda: row(run)["bytes_done"] > seen["bytes_done"], 30, "it goes on")
        done = run.wait(90)
    assert (done.status, done.failed) == ("completed", 0)
    assert arrived(exact) == whole(source)


# Mutation: leave the idle ones alone in Wire._give_up, and each of them costs a time-out of its own.
def test_on_a_dead_link_all_connections_are_given_up_at_the_first_sign(exact: ExactS3) -> None:
    together = threading.Barrier(4)

    def before(*_: object) -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(20)  # so that each of four has a connection of its own

    exact.before = before
    with Link(exact.endpoint) as link, ThreadPoolExecutor(4) as threads:
        netloc = urlsplit(link.endpoint).netloc
        wire = Wire("http", netloc, 1, 8)

        def ask(_: object = None, read_s: float = 5) -> int:
            return wire.exchange("GET", "/lake/k", {"host": netloc}, b"", read_s).status

        assert set(threads.map(ask, range(4))) == {404}
        assert len(wire._idle) == 4
        together.abort()  # for those that come now
        link.deafen()
        with pytest.raises(TimeoutError):
            ask(read_s=0.2)
        assert wire._idle == []
        link.mend()
        assert ask() == 404


@pytest.mark.soak
def test_a_run_that_is_held_by_its_store_can_be_cancelled(
    exact: ExactS3, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact.before = dam = Dam()
    with Link(exact.endpoint) as link:
        monkeypatch.setenv("AWS_ENDPOINT_URL", link.endpoint)
        run = api.start(CopyObjects(source, "s3://lake"), in_flight=2)
        moving(run)
        link.cut()
        dam.end()
        held(run, "It has been so since")
        run.cancel()
        assert run.wait(30, check=False).status == "cancelled"
        link.mend()
        assert run.resume().wait(60).status == "completed"
    assert arrived(exact) == whole(source)


# Mutation: let Retries raise CredentialsRefused at once, and an object fails for each request in flight.
@pytest.mark.parametrize("told", [pytest.param(True, marks=pytest.mark.soak), False], ids=["renewed", "late"])
def test_rotated_credentials_are_picked_up_in_mid_run(
    told: bool, exact: ExactS3, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, valid, dam = tmp_path / "credentials", ["KEY0"], Dam()

    def renew(key: str) -> None:
        file.write_text(f"[lake]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")

    def before(method: str, key: str, headers: dict[str, str]) -> Reply | None:
        dam(method, key, headers)
        return None if f"Credential={valid[0]}/" in headers.get("authorization", "") else refused(403, "ExpiredToken")

    renew("KEY0")
    exact.before = before
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "lake")
    run = api.start(CopyObjects(source, "s3://lake"), in_flight=2)
    moving(run)
    valid[0] = "KEY1"
    if told:
        renew("KEY1")
        dam.end()
    else:
        dam.end()
        assert "the AWS profile 'lake', or renew them" in held(run, "does not accept the credentials")
        time.sleep(1)
        assert (run.snapshot().failed, run.status) == (0, "running")
        renew("KEY1")
    done = run.wait(60)
    assert (done.status, done.failed) == ("completed", 0)
    assert arrived(exact) == whole(source)
    assert len([text for text in warnings(run) if "credentials" in text]) == (0 if told else 1)


# Mutation: let Streak.grows count without a bound, and all objects fail; let it not know PlaceGone, or let that be
# drift, and a bucket that is away for a moment has all objects refused for good.
@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket")])
def test_rights_or_a_bucket_that_are_missing_hold_the_run_before_twenty_objects_failed(
    status: int, code: str, exact: ExactS3, source: Path
) -> None:
    allowed = threading.Event()

    def before(method: str, key: str, _headers: dict[str, str]) -> Reply | None:
        denied = method == "PUT" and key.isdigit() and not allowed.is_set()
        return refused(status, code) if denied else None

    exact.before = before
    run = api.start(CopyObjects(source, "s3://lake"))
    assert "20 objects in a row failed" in held(run, "in a row failed")
    allowed.set()
    done = run.wait(60, check=False)
    assert (done.failed, done.copied) == (19, OBJECTS - 19)
    again = run.resume().wait(60)
    assert (again.status, again.failed) == ("completed", 0)
    assert arrived(exact) == whole(source)
