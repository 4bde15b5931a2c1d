"""What may pass is tried again, counted, and not for ever; renewed credentials are picked up."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from exact_s3 import ExactS3, Reply, refused

from migrator.errors import CredentialsRefused, Denied, NotFound, StoreError, Throttled, Unreachable
from migrator.stores import Attributes, Location, open_store, retries
from migrator.stores.retries import THROTTLED_TRIES, TRIES, Retries, asked_for, looks, pause, shown
from migrator.stores.weather import Haste, Weather, under


class Recorder(Weather):
    """Waits for nothing, and writes down what it was told."""

    def __init__(self, *, endures: bool = False) -> None:
        super().__init__()
        self.endures = endures
        self.rested: list[float] = []
        self.held: list[str] = []
        self.resting: Callable[[], object] = lambda: None
        self.freed = 0

    def rest(self, seconds: float) -> None:
        self.rested.append(seconds)
        self.resting()

    def hold(self, place: str, why: str, *, quietly: bool = False) -> None:
        self.held.append(why)

    def free(self, place: str) -> None:
        self.freed += 1


def failing(*errors: StoreError):
    """Raises these one after the other, and then gives "done"."""
    left = list(errors)

    def once() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return once


def persist(once, weather: Weather, probe=lambda: None, renew=lambda: False, tries: int = TRIES) -> str:
    with under(weather):
        return Retries("s3://lake", probe, renew).persist(once, tries)


# Mutation: leave the count out of _again.
def test_what_passes_is_tried_again_and_counted() -> None:
    weather = Recorder()
    assert persist(failing(Unreachable("a"), Throttled("b", "503 SlowDown")), weather) == "done"
    assert (weather.retried, weather.throttled, weather.throttler) == (2, 1, "s3://lake (503 SlowDown)")
    assert len(weather.rested) == 2


# Mutation: let `shown` take the first failure for the answer, or raise nothing at its end.
@pytest.mark.parametrize(
    ("errors", "shows", "controls"),
    [
        ([Unreachable("a")] * (TRIES - 1), True, TRIES - 1),
        ([Unreachable("a")] * TRIES, False, TRIES),
        ([Throttled("a")] * TRIES, Throttled, TRIES - 1),
        ([CredentialsRefused("a")] * TRIES, CredentialsRefused, TRIES - 1),
        ([StoreError("a")], False, 0),
    ],
)  # fmt: skip
def test_what_fails_by_chance_shows_nothing_and_what_fails_alone_does(errors, shows, controls: int) -> None:
    told, controlled = failing(*errors), []
    trial = partial(shown, lambda: bool(told()), lambda: controlled.append(1))
    if isinstance(shows, bool):
        assert trial() is shows
    else:
        with pytest.raises(shows):
            trial()
    assert len(controlled) == controls


@pytest.mark.parametrize(("kind", "tries"), [(Unreachable, TRIES), (Throttled, THROTTLED_TRIES)])
def test_a_request_that_fails_among_others_that_do_not_is_given_up(kind, tries: int) -> None:
    calls = itertools.count(1)

    def once() -> str:
        next(calls)
        raise kind("no")

    for endures in (False, True):
        calls = itertools.count(1)
        with pytest.raises(kind):
            persist(once, Recorder(endures=endures))
        assert next(calls) == tries + 1


@pytest.mark.parametrize("fatal", [NotFound("x"), Denied("x"), StoreError("x")])
def test_what_will_not_pass_is_not_tried_again(fatal: StoreError) -> None:
    weather = Recorder(endures=True)
    with pytest.raises(type(fatal)):
        persist(failing(fatal), weather)
    assert (weather.retried, weather.rested) == (0, [])
    assert fatal.ends == "item"
    assert [kind.ends for kind in (Unreachable, Throttled, CredentialsRefused)] == ["try", "try", "run"]


# Mutation: give who hurries the patience of the others.
def test_who_hurries_gives_a_throttling_store_no_more_time_and_waits_a_second_at_most(monkeypatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("migrator.stores.weather.time.sleep", slept.append)
    with pytest.raises(Throttled):
        persist(failing(*[Throttled("no", after=20.0)] * THROTTLED_TRIES), Haste())
    assert len(slept) == TRIES - 1
    assert max(slept) == 1.0


# Mutation: let _again raise where it should outlast, and the run fails each object while the network is away.
def test_a_store_that_answers_nobody_is_waited_for_and_said_once() -> None:
    weather, away = Recorder(endures=True), [Unreachable("It gives no answer (refused).")] * 9

    def probe() -> None:
        if away:
            raise away.pop()

    assert persist(failing(*[Unreachable("x")] * TRIES), weather, probe) == "done"
    assert (set(map(len, [weather.held])), weather.freed) == ({9}, 1)
    assert "refused" in weather.held[0]
    assert "It has been so since" in weather.held[0]
    with pytest.raises(Unreachable):  # who has no run gives up
        persist(failing(*[Unreachable("x")] * TRIES), Recorder(), probe)


# Mutation: leave the look out for a silent error, and on a dead link a run is held after five time-outs only.
def test_where_nobody_gets_a_word_none_waits_out_its_time_again() -> None:
    weather, away = Recorder(endures=True), [Unreachable("away")] * 2

    def probe() -> None:
        if away:
            raise away.pop()

    assert persist(failing(Unreachable("x", silent=True)), weather, probe) == "done"
    assert (len(weather.held), weather.retried) == (2, 0)
    assert persist(failing(Unreachable("x", silent=True)), weather, probe) == "done"  # it answers others
    assert (len(weather.held), weather.retried) == (2, 1)


# Mutation: let each thread look for itself, and a dead endpoint is asked by all of them.
def test_one_thread_looks_for_all() -> None:
    looked, most, lock, up = [0], [0], threading.Lock(), threading.Event()
    tried: list[int] = []

    def probe() -> None:
        with lock:
            looked[0] += 1
            most[0] = max(most[0], looked[0])
        time.sleep(0.01)
        with lock:
            looked[0] -= 1
        if not up.is_set():
            raise Unreachable("away")

    def once() -> str:
        tried.append(1)
        if not up.is_set():
            raise Unreachable("away")
        return "done"

    weather, done = Recorder(endures=True), []
    weather.resting = lambda: time.sleep(0.005)
    shared = Retries("s3://lake", probe)
    with under(weather):
        crew = [threading.Thread(target=lambda: done.append(shared.persist(once, 2))) for _ in range(20)]
        crew[0].start()
        time.sleep(0.1)
        for thread in crew[1:]:
            thread.start()
        while len(tried) < 2 * len(crew):
            time.sleep(0.01)
        time.sleep(0.2)  # for the last of them to be among those who wait
        up.set()
        for thread in crew:
            thread.join(20)
    assert done == ["done"] * 20
    assert most[0] == 1
    assert weather.freed == 1


def test_an_asked_for_wait_holds_for_all_and_is_jittered() -> None:
    weather = Recorder()
    shared = Retries("s3://lake", lambda: None)
    with under(weather):
        shared.persist(failing(Throttled("x", "503", 7.0)))
        shared.persist(lambda: "another")  # which nobody refused
    assert len(weather.rested) == 2
    assert all(6.5 < rested < 8 for rested in weather.rested)
    assert len({pause(3) for _ in range(20)}) == 20
    assert max(itertools.islice(looks(), 20)) <= retries.LONGEST_LOOK_S
    assert asked_for("7") == 7
    assert (asked_for("Wed, 01 Jan 2020 00:00:00 GMT"), asked_for("soon"), asked_for("")) == (0, None, None)


# --- by both lanes of S3 ---


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)


def put(store, key: str = "k") -> str | None:
    return store.put(key, b"data", Attributes(), before=None, mtime=None, scratch="r").etag


# Mutation: let Trials._lists ask with all tries, and it is held for a store that only its own object ails.
def test_a_key_that_makes_listings_fail_is_refused_without_waiting(exact: ExactS3) -> None:
    def ailing(method: str, key: str, _: object) -> Reply | None:
        return refused(500, "InternalError") if not key and any("\x01" in name for name in exact.objects) else None

    exact.before = ailing
    weather = Recorder(endures=True)
    weather.resting = lambda: pytest.fail("waited")
    with under(weather):
        store = open_store(Location.parse("s3://b/p", endpoint=exact.endpoint, anonymous=True))
        for _ in range(2):
            with pytest.raises(StoreError, match="does not keep a key with a control character"):
                put(store, "c\x01d")
    assert (exact.objects, weather.retried, weather.held) == ({}, 0, [])
    assert [method for method, key in exact.written() if "\x01" in key] == ["PUT", "DELETE"] * TRIES


# Mutation: give the byte lane retries of its own (byte_store), and none of them is counted.
@pytest.mark.parametrize("status", [429, 503, 500])
def test_both_lanes_try_again_and_count(exact: ExactS3, status: int) -> None:
    refusals = {"PUT": 2, "GET": 2, "HEAD": 0, "DELETE": 0}

    def before(method: str, key: str, _headers: dict[str, str]) -> Reply | None:
        if key != "k" or not refusals[method]:
            return None
        refusals[method] -= 1
        return refused(status, "SlowDown" if status != 500 else "InternalError")

    weather, exact.before = Recorder(), before
    with under(weather):
        store = open_store(Location.parse("s3://b", endpoint=exact.endpoint, anonymous=True))
        put(store)
        with store.open("k", None) as body:
            assert body.read() == b"data"
    assert weather.retried == 4
    assert weather.throttled == (0 if status == 500 else 4)


class Vault:
    """A server that takes one key only, and the profile's file that has it or not."""

    def __init__(self, folder: Path, code: str) -> None:
        self.file, self.code, self.valid = folder / "credentials", code, "KEY1"
        self.write("KEY1")

    def write(self, key: str) -> None:
        self.file.write_text(f"[lake]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")

    def rotate(self, key: str, *, told: bool = True) -> None:
        self.valid = key
        if told:
            self.write(key)

    def __call__(self, method: str, key: str, headers: dict[str, str]) -> Reply | None:
        if f"Credential={self.valid}/" in headers.get("authorization", ""):
            return None
        given = refused(400 if self.code == "ExpiredToken" else 403, self.code)
        return Reply(given.status, {}, b"") if method == "HEAD" else given


@pytest.fixture
def exact() -> Iterator[ExactS3]:
    with ExactS3() as server:
        yield server


@pytest.fixture(params=["ExpiredToken", "InvalidAccessKeyId"])
def vault(request, exact: ExactS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    exact.before = vault = Vault(tmp_path, request.param)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(vault.file))
    return vault


def at(exact: ExactS3):
    return open_store(Location.parse("s3://b", endpoint=exact.endpoint, region="us-east-1", profile="lake"))


# Mutation: let Keyring.renew keep its provider, and boto3 goes on with what it read at first; let S3Store keep its byte
# store, and the PUT goes on with the old key.
def test_rotated_keys_are_read_anew_by_every_request(exact: ExactS3, vault: Vault) -> None:
    store = at(exact)
    for number in range(1, 4):
        vault.rotate(f"KEY{number}")
        put(store, f"k{number}")
        vault.rotate(f"KEY{number}-b")
        assert store.head(f"k{number}") is not None
        vault.rotate(f"KEY{number}-c")
        with store.open(f"k{number}", None) as body:
            assert body.read() == b"data"


# Mutation: ask the keyring alone in Retries._again, and all but the first thread are told that nothing was renewed.
def test_threads_that_meet_a_rotation_together_all_get_through(exact: ExactS3, vault: Vault) -> None:
    store, failed = at(exact), []
    put(store)
    vault.rotate("KEY2")

    def work(key: str) -> None:
        try:
            put(store, key)
            store.head(key)
        except StoreError as why:
            failed.append(why)

    crew = [threading.Thread(target=work, args=(f"k{number}",)) for number in range(12)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert failed == []


def test_keys_that_nobody_renews_are_waited_for_by_a_run_and_named(exact: ExactS3, vault: Vault) -> None:
    weather = Recorder(endures=True)
    with under(weather):
        store = at(exact)
        put(store)
        vault.rotate("KEY2", told=False)
        weather.resting = lambda: vault.write("KEY2") if len(weather.held) == 3 else None
        put(store, "k2")
    assert len(weather.held) == 3
    assert "the AWS profile 'lake', or renew them: they are read again" in weather.held[0]
    vault.rotate("KEY3", told=False)
    with pytest.raises(CredentialsRefused):
        put(at(exact), "k3")
