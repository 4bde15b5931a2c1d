"""Killed while each thread has several small objects under way between buckets, a run loses and doubles none."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from driving import wait_for
from exact_parts import Upload
from exact_s3 import ExactS3, Reply
from injury import SEED, kill_family, runner, sums
from servers import free_ports

import migrator as mg
from migrator.stores import open_store

STUB = Path(__file__).parents[1] / "benchmarks" / "stub_s3.py"
NUMBER = 3000


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that answers so soon that requests are sent ahead."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, str(STUB), str(port), "0"]) as process:
        try:
            wait_for(lambda: told(f"{url}/source"), 20, "the server answers")
            told(f"{url}/target"), told(f"{url}/source?fill={NUMBER}&size=700&prefix=n/")
            keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
            for name, value in (keys | {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": url}).items():
                monkeypatch.setenv(name, value)
            yield url
        finally:
            process.terminate()


def told(url: str) -> bool:
    with suppress(OSError):
        urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()
        return True
    return False


def listed(place: str) -> dict[str, tuple[int, str | None]]:
    return {one.key: (one.size, one.etag) for page in open_store(place).list() for one in page}


def killed_in_mid_copy(run: mg.Run, rng: random.Random) -> bool:
    """Kill a run some time after its first objects; whether there was one to kill."""
    before = run.snapshot().done
    wait_for(lambda: run.snapshot().done > before or run.status == "completed", 60, "some more are done")
    time.sleep(rng.uniform(0, 0.4))
    alive = runner(run) is not None
    kill_family(run)
    return alive and run.status != "completed"


# Mutation: let Batches give a receipt for what was sent and not heard.
@pytest.mark.parametrize("record", [None, "blake3"], ids=["by the server", "through memory"])
@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_a_run_that_is_killed_loses_and_doubles_no_object(kills: int, record: str | None, near: str) -> None:
    print(f"MIGRATOR_SEED={SEED}")
    rng, killed, number = random.Random(SEED), 0, 0
    while killed < kills:
        number += 1
        run = mg.start(mg.CopyObjects("s3://source/n", f"s3://target/{number}", record=record, processes=2))
        while killed < kills and killed_in_mid_copy(run, rng):
            killed += 1
            run = run.resume()
        run.wait(120)
        seen = run.snapshot()
        assert (seen.status, seen.done, seen.copied + seen.adopted) == ("completed", NUMBER, NUMBER)
        assert listed(f"s3://target/{number}") == listed("s3://source/n")
        assert sums(run) == (seen.copied, seen.adopted, seen.bytes_done)
        assert len({key for (key,) in run.items().project("key").fetchall()}) == NUMBER
        print(f"{killed} killed; {seen.adopted} adopted")


# Mutations: note nothing before an upload is begun; leave `_abort_unanswered` out of a run's end; let any upload of
# that key be ours, whatever its age, or though it has parts.
def test_an_upload_that_was_begun_as_its_run_was_killed_is_aborted_and_nobody_elses_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "k").write_bytes(b"1" * (9 << 20))
    dead, runs = threading.Event(), list[mg.Run]()

    def kill(method: str, key: str, headers: dict[str, str], reply: Reply) -> None:
        if key == "p/k" and b"<InitiateMultipartUploadResult" in reply.body and not dead.is_set():
            wait_for(lambda: runs, 20, "the run is known")
            kill_family(runs[0])
            dead.set()

    with ExactS3() as exact:
        for name, value in exact.env().items():
            monkeypatch.setenv(name, value)
        exact.meddle = kill
        runs.append(mg.start(mg.CopyObjects(tmp_path / "from", "s3://b/p")))
        assert dead.wait(30)
        [ours] = exact.parts.open
        theirs = {
            "an hour old": Upload("b/p/k", {}, "", at=time.time() - 3600),
            "with a part": Upload("b/p/k", {}, "", parts={1: (b"part", b"")}),
            "another key": Upload("b/p/k2", {}, ""),
        }
        exact.parts.open |= theirs
        run = runs[0].resume()
        run.wait(60)
        assert (run.status, exact.objects["b/p/k"].body) == ("completed", b"1" * (9 << 20))
        assert exact.parts.open == theirs, ours
