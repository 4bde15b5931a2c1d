"""One message for each end of a run, sent by whoever wrote the end down, with no secret in any log."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import migrator as mg
from migrator.errors import ConfigError
from migrator.lifecycle import notices

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # apprise's own


class Hook:
    """A webhook that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def hook(tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    made = Hook()
    monkeypatch.setenv("HOOK", f"json://user:sesame@127.0.0.1:{made.server.server_port}/in")
    monkeypatch.setenv("MIGRATOR_CONFIG", str(tmp_path / "migrator.toml"))
    configure(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


def configure(folder: Path, text: str = 'urls_env = ["HOOK"]') -> None:
    (folder / "migrator.toml").write_text(f"[notices]\n{text}\n")


def copy(tmp_path: Path, **terms: Any) -> mg.Run:
    (tmp_path / "in").mkdir()
    for number in range(30):
        (tmp_path / "in" / f"{number}").write_bytes(b"x" * 1000)
    return mg.start(mg.CopyObjects(tmp_path / "in", tmp_path / "out"), name="nightly", **terms)


def until(what: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def output(run: mg.Run) -> str:
    return (Path(run.snapshot().workspace) / "output.log").read_text()


def test_the_end_of_a_run_is_told_once(hook: Hook, tmp_path: Path) -> None:
    run = copy(tmp_path)
    run.wait(60)
    until(lambda: hook.told)
    time.sleep(0.5)
    [told] = hook.told
    assert told["title"] == "nightly: completed"
    assert told["type"] == "success"
    assert "30 copied; 30.0 kB moved" in told["message"]
    assert f"migrator show {run.id}" in told["message"]
    assert "sesame" not in output(run)


# Mutation: leave `tell` out of the keeper's _bury.
def test_a_death_is_told_once_whoever_sees_it(hook: Hook, tmp_path: Path) -> None:
    run = copy(tmp_path, bytes_per_s=1500)
    until(lambda: run.snapshot().copied)
    os.kill(run.snapshot().holder["pid"], signal.SIGKILL)  # type: ignore[index]
    until(lambda: run.status == "interrupted")
    until(lambda: hook.told)
    time.sleep(1)
    assert [told["title"] for told in hook.told] == ["nightly: interrupted"]
    run.resume().limit()
    run.wait(60)
    until(lambda: len(hook.told) == 2)
    assert hook.told[1]["title"] == "nightly: completed"


def test_only_the_ends_that_are_asked_for_are_told(hook: Hook, tmp_path: Path) -> None:
    configure(tmp_path, 'urls_env = ["HOOK"]\non = ["failed"]')
    copy(tmp_path).wait(60)
    time.sleep(1)
    assert hook.told == []


def test_a_hook_that_does_not_answer_changes_nothing_and_its_secret_is_not_said(hook: Hook, tmp_path: Path) -> None:
    hook.server.shutdown()
    hook.server.server_close()
    run = copy(tmp_path)
    assert run.wait(60).status == "completed"
    until(lambda: "was not taken" in output(run))
    assert "sesame" not in output(run)


@pytest.mark.parametrize(
    ("text", "said"),
    [('urls_env = ["NOT_SET"]', "NOT_SET, and it is not set"), ('urls = ["json://x"]', "knows urls_env and on only"),
     ('urls_env = "HOOK"', "a list of names"), ('on = ["midnight"]', "a list of")],
)  # fmt: skip
def test_a_section_that_is_wrong_is_one_sentence(hook: Hook, tmp_path: Path, text: str, said: str) -> None:
    configure(tmp_path, text)
    with pytest.raises(ConfigError, match=said):
        notices._settings()
    run = copy(tmp_path)
    assert run.wait(60).status == "completed"
    until(lambda: said in output(run))


# Mutations: give `bytes_done` for what was moved; leave the plan's line out of `_sum`.
def test_a_message_tells_what_was_moved_or_planned() -> None:
    row = dict.fromkeys(("copied", "adopted", "skipped", "failed", "refused"), 0) | {
        "id": "k7f2q", "name": "nightly", "title": "/a → /b", "status": "completed", "migration": "copy-objects",
        "copied": 1, "skipped": 2, "bytes_done": 3000, "total": 3, "bytes_total": 3000, "error": None, "dry_run": False,
        "actions": {"create": {"items": 1, "bytes": 1000}, "skip": {"items": 2, "bytes": 2000}},
    }  # fmt: skip
    assert notices.message_of(row)[1] == "/a → /b\n1 copied, 2 skipped; 1.0 kB moved\nmigrator show k7f2q"
    plan = row | {"dry_run": True, "copied": 0, "skipped": 0}
    assert "\n3 objects planned; 3.0 kB\n" in notices.message_of(plan)[1]
