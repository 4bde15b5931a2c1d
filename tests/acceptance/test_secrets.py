"""Secrets planted wherever people keep or paste them: nothing that is shown, sent or kept has one, in any spelling."""

from __future__ import annotations

import base64
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pyarrow.parquet as pq
import pytest
from driving import command, command_here, runs_recorded, wait_for
from exact_s3 import ExactS3, Reply, refused

import migrator as mg
from migrator import api
from migrator.errors import BadInput
from migrator.state.schema import metadata
from widgets import MigrationPanel

# Each has characters that an address or base64 spells otherwise.
CANARIES = {where: f"cana/ry+{where}=" for where in ("env", "token", "profile", "userinfo", "signature", "account")}

pytestmark = pytest.mark.usefixtures("cold_runners")  # one that was forked has no words of its own in its argv


def spellings(secret: str) -> set[str]:
    coded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret, safe=""), quote(secret), coded, coded.rstrip("="), secret.encode().hex()}


def found_in(text: str | bytes) -> list[str]:
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    return [where for where, secret in CANARIES.items() if any(one in text for one in spellings(secret))]


class ArgvWatch(threading.Thread):
    """Looks at the words of every process of this machine."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over, self.found, self.runners = threading.Event(), list[str](), set[int]()

    def run(self) -> None:
        while not self.over.wait(0.05):
            for one in psutil.process_iter(["pid", "cmdline"]):
                line = " ".join(one.info["cmdline"] or ())
                if "migrator.runner" in line:
                    self.runners.add(one.info["pid"])
                self.found += found_in(line)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ExactS3]:
    """A server that takes any keys; the source is read with a profile's, the target written with the environment's."""
    with ExactS3() as server:
        file = tmp_path / "secret-place" / "credentials"
        file.parent.mkdir()
        file.write_text(f"[ours]\naws_access_key_id = OURS\naws_secret_access_key = {CANARIES['profile']}\n")
        (tmp_path / "migrator.toml").write_text(
            f'[connections.lake]\nendpoint = "{server.endpoint}"\nprofile = "ours"\n'
        )
        planted = {
            "AWS_ACCESS_KEY_ID": "THEIRS", "AWS_SECRET_ACCESS_KEY": CANARIES["env"],
            "AWS_SESSION_TOKEN": CANARIES["token"], "AWS_SHARED_CREDENTIALS_FILE": str(file),
            "AZURE_STORAGE_KEY": CANARIES["account"],
        }  # fmt: skip
        for name, value in (server.env() | planted).items():
            monkeypatch.setenv(name, value)
        yield server


def shown_of(run: api.Run) -> dict[str, str]:
    """All that a run shows, in each way."""
    words = (["show", run.id, "--json"], ["show", run.id], ["runs", "--json"], ["log", run.id])
    shown = {" ".join(each): (answer := command_here(*each)).out + answer.err for each in words}
    report, snapshot = run.report(), run.snapshot()
    return shown | {
        "html": run._repr_html_(), "repr": repr(run), "snapshot": str(snapshot), "events": str(run.events()),
        "items": str(run.items().fetchall()), "report": report.to_html() + report.to_markdown() + report.to_json(),
        "panel": str(MigrationPanel(run)._repr_mimebundle_()),
    }  # fmt: skip


def written_below(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*"):
        if path.is_file() and "secret-place" not in path.parts:
            yield str(path), path.read_bytes().decode("latin-1")
            if path.suffix == ".parquet":  # which is compressed
                yield f"{path} (rows)", str(pq.read_table(path).to_pylist())


# Mutation: log keys.secret_access_key, or the headers with their session token, in Lane._signed.
def test_nothing_that_is_shown_sent_or_kept_has_a_secret(exact: ExactS3, tmp_path: Path) -> None:
    for number in range(30):
        exact.client().put_object(Bucket="ours", Key=f"k{number}", Body=b"x" * number)
    watch, asked, broken = ArgvWatch(), itertools.count(), threading.Event()

    def before(method: str, key: str, headers: dict[str, str]) -> Reply | None:
        if method == "PUT" and key.startswith("to/k") and next(asked) > 5 and not broken.is_set():
            return refused(403, "InvalidAccessKeyId")
        return Reply(200, {}, b"<garbage", 8) if broken.is_set() and not key else None

    exact.before = before
    watch.start()
    run = api.attach(command("copy", "lake://ours", "s3://theirs/to", "--no-follow").out.strip())
    wait_for(lambda: run.snapshot().held_for, 60, "the run is held")
    shown = shown_of(run)
    run.cancel()
    run.wait(60, check=False)
    broken.set()
    failed = api.start(mg.CopyObjects("lake://ours", "s3://theirs/else"), dry_run=True)
    failed.wait(60, check=False)
    plan = command_here("preflight", "lake://ours", "s3://theirs/to")
    watch.over.set()
    watch.join()
    shown |= {f"{name}, afterwards": text for one in (run, failed) for name, text in shown_of(one).items()}
    shown |= {"preflight": plan.out + plan.err} | dict(written_below(tmp_path))
    db = api.open_state()
    with db.read() as connection:
        shown |= {t.name: str(connection.execute(t.select()).all()) for t in metadata.sorted_tables}
    db.close()
    requests = {f"request {n}": str(request) for n, request in enumerate(exact.asked)}
    assert "does not accept the credentials" in str(shown)
    assert watch.runners
    assert watch.found == []
    assert {name: found for name, text in shown.items() if (found := found_in(text))} == {}
    told = {name for text in requests.values() for name in found_in(text)}
    assert told <= {"token"}, "only a session token is sent, as it must be"
    assert {path.suffix for path in tmp_path.rglob("*")} >= {".db", ".log", ".parquet"}


@pytest.mark.parametrize(
    "given",
    [
        "s3://AKIA:{userinfo}@lake/x", "s3://lake/x?X-Amz-Signature={signature}", "az://lake/x?sv=1&sig={signature}",
        "https://lake.s3.amazonaws.com/k?X-Amz-Signature={signature}", "https://u:{userinfo}@host/x",
        "https://acc.blob.core.windows.net/lake/x?sig={signature}", "gs://u:{userinfo}@lake/x", "nope://u:{userinfo}@lake",
    ],
)  # fmt: skip
@pytest.mark.parametrize("coded", [False, True])
def test_a_place_that_holds_a_secret_is_refused_without_it(given: str, coded: bool, tmp_path: Path) -> None:
    secrets = {name: quote(value, safe="") if coded else value for name, value in CANARIES.items()}
    place = given.format_map(secrets)
    for words in (["copy", place, tmp_path / "out"], ["copy", tmp_path, place], ["preflight", place, tmp_path]):
        answer = command_here(*words)
        assert answer.code == 2, answer
        assert found_in(str(answer)) == []
    with pytest.raises(BadInput) as caught:
        mg.CopyObjects(place, tmp_path)
    assert found_in(str(caught.value) + repr(caught.value.__cause__)) == []
    assert runs_recorded() == 0


@pytest.mark.parametrize("endpoint", ["http://u:{userinfo}@127.0.0.1:1", "http://127.0.0.1:1/?sig={signature}"])
def test_an_endpoint_that_holds_a_secret_is_refused_without_it(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.format_map(CANARIES))
    answer = command_here("copy", "s3://lake/x", tmp_path / "out")
    assert answer.code == 2, answer
    assert found_in(str(answer)) == []
    assert os.environ["AWS_ENDPOINT_URL"] not in str(answer)
