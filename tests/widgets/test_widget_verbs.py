"""The verbs that steer a run: mode, queue, pause, limits, workers. Nothing that the page says is taken on trust."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from desks import until
from fake_run import FakeMigration, FakeRun

import migrator as mg
from migrator.errors import BadInput, ConfigError
from widgets import MigrationPanel, workers


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """No configuration of the person who runs the tests."""
    monkeypatch.setenv("MIGRATOR_CONFIG", str(tmp_path / "migrator.toml"))
    monkeypatch.delenv("MIGRATOR_MODE", raising=False)


def test_the_mode_is_the_configured_one_unless_given(desk, monkeypatch):
    monkeypatch.setenv("MIGRATOR_MODE", "queue")
    assert desk(FakeMigration()).panel.draft["mode"] == "queue"
    assert desk(FakeMigration(), mode="streaming").panel.draft["mode"] == "streaming"
    monkeypatch.setenv("MIGRATOR_MODE", "batch")
    with pytest.raises(ConfigError, match="it can be 'streaming' or 'queue'"):
        MigrationPanel(FakeMigration())


def test_start_takes_the_mode_of_the_call_else_of_the_panel(desk, started):
    desk(FakeMigration(), mode="queue", queue="night", priority=5).panel.start()
    desk(FakeMigration(), mode="queue").panel.start(mode="streaming")
    desk(FakeMigration()).ask("start", dry_run=True, mode="queue")
    assert [(each["mode"], each.get("dry_run", False)) for each in started] == [
        ("queue", False), ("streaming", False), ("queue", True),
    ]  # fmt: skip
    assert (started[0]["queue"], started[0]["priority"]) == ("night", 5)


def test_limits_go_with_the_start(desk, started):
    at = desk(FakeMigration(), bytes_per_s="5MiB")
    assert (at.panel.draft["bytes_per_s"], at.panel.draft["in_flight"]) == ("5MiB", None)
    assert at.ask("start", bytes_per_s=" 20MiB ", in_flight="64")["ok"]
    desk(FakeMigration(), bytes_per_s="5MiB").ask("start", bytes_per_s="", in_flight=None)  # taken out by hand
    desk(FakeMigration(), bytes_per_s="5MiB", in_flight=0).panel.start()
    assert [(each.get("bytes_per_s"), each.get("in_flight")) for each in started] == [
        ("20MiB", 64), (None, None), ("5MiB", 0),
    ]  # fmt: skip


# Mutation: let `known` return every mode, and this fails: run.resume would write it down.
@pytest.mark.parametrize("mode", ["batch", "", ["queue"], {"mode": "queue"}, 1])
@pytest.mark.parametrize("verb", ["start", "resume", "apply"])
def test_a_mode_that_is_none_is_refused(desk, started, monkeypatch, verb, mode):
    applied: list[Any] = []
    monkeypatch.setattr(mg, "apply", lambda plan, mode: applied.append(mode), raising=False)
    run = FakeRun(status="failed")
    at = desk(FakeMigration() if verb == "start" else run)
    assert "There is no mode" in at.ask(verb, mode=mode)["error"]
    assert (started, run.asked, applied) == ([], [], [])


def test_a_wrong_mode_is_refused_in_python(desk):
    with pytest.raises(BadInput, match="no mode 'batch'"):
        MigrationPanel(FakeMigration(), mode="batch")  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInput, match="no mode 'batch'"):
        desk(FakeRun(status="failed")).panel.resume("batch")
    with pytest.raises(TypeError, match="mode and in_flight can't be given with a run"):
        MigrationPanel(FakeRun(), mode="queue", in_flight=3)


def test_resume_and_apply_take_a_mode(desk, monkeypatch):
    modes: list[Any] = []
    monkeypatch.setattr(
        mg, "apply", lambda plan, where, mode: modes.append((mode, where)) or FakeRun(id="r2"), raising=False
    )
    run = FakeRun(status="failed")
    assert desk(run).ask("resume", mode="queue")["ok"]
    assert run.asked == ["resume queue"]
    desk(FakeRun(status="completed", dry_run=True, mode="queue")).panel.apply()  # as it was planned
    desk(FakeRun(status="completed", dry_run=True, mode="queue")).ask("apply", mode="streaming", where=" size > 1 ")
    assert modes == [("queue", None), ("streaming", "size > 1")]


def test_pause_unpause_and_run_now_are_seen_at_once(desk):
    run = FakeRun()
    at = desk(run)
    assert at.ask("pause")["ok"]
    until(lambda: at.panel.snapshot.get("pause_requested"))
    at.panel.unpause()
    until(lambda: at.panel.snapshot["pause_requested"] is False)
    run.change(status="queued", position=2)
    assert at.ask("run_now")["ok"]
    until(lambda: at.panel.snapshot["status"] == "starting")
    assert run.asked == ["pause", "unpause", "run_now"]


def test_a_held_lease_is_told_in_its_own_words(desk):
    run = FakeRun(status="queued", position=1)
    run.held = True
    assert desk(run).ask("run_now")["error"] == "s3://lake is being written by run r0."


def test_limits_are_set_and_taken_away(desk):
    run = FakeRun()
    at = desk(run)
    assert at.ask("limit", bytes_per_s="20MiB", in_flight="64")["ok"]
    assert run.now.limits == {"bytes_per_s": 20 << 20, "in_flight": 64}
    assert at.ask("limit", bytes_per_s="", in_flight=" ")["ok"]
    assert run.now.limits == {}
    at.panel.limit(5e6)
    assert run.now.limits == {"bytes_per_s": 5_000_000}


# Mutation: drop `isdecimal` from messages._limits, and "ValueError: invalid literal" is shown.
@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"bytes_per_s": "fast"}, "'fast' is no number of bytes; write 20000000, '20MB' or '20MiB'."),
        ({"bytes_per_s": {"a": 1}}, "is no number of bytes"),
        ({"in_flight": "many"}, "Objects in flight are a whole number, such as 64, not 'many'."),
        ({"in_flight": "-3"}, "are a whole number"),
        ({"in_flight": True}, "are a whole number"),
        ({"in_flight": "0"}, "from 1 to 512, not 0."),
        ({"bytes_per_s": "9" * 500}, None),  # cut: no figure is that long, and none must break the page
    ],
)
def test_bad_figures_are_told(desk, figures, told):
    run = FakeRun()
    answer = desk(run).ask("limit", **figures)
    assert told is None or (told in answer["error"] and "Error" not in answer["error"])
    assert told is None or run.now.limits == {}


@pytest.mark.parametrize("content", [None, "cancel", ["cancel"], {}, {"verb": "cancel", "args": ["x"]}, {"verb": {}}])
def test_whatever_the_page_sends_is_answered(desk, content):
    at = desk(FakeRun())
    at.panel._handle_custom_msg(content, [])
    assert at.sent[-1]["type"] == "reply"


def queued(**changes: Any) -> FakeRun:
    return FakeRun(**{"status": "queued", "mode": "queue", "position": 1} | changes)


# Mutation: take `queue.workers or lately` out of start_one, and this fails; take out the lock, and this fails too.
def test_one_worker_however_often_it_is_asked_for(desk, queues):
    run = queued()
    panels = [desk(run).panel for _ in range(3)]  # three notebooks on one run
    with ThreadPoolExecutor(9) as pool:
        list(pool.map(lambda number: panels[number % 3].start_worker(), range(9)))
    assert queues["default"].started == 1


def test_a_worker_that_serves_is_enough(desk, queues, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE_S", 0.0)
    at = desk(queued(queue="night"))
    assert at.ask("start_worker")["ok"]
    assert at.ask("start_worker")["ok"]  # the first one never came
    assert queues["night"].started == 2
    queues["night"].arrive()
    assert at.ask("start_worker")["ok"]
    assert queues["night"].started == 2


# Mutation: take the look at the status out of start_worker, and this fails.
def test_a_run_that_waits_for_nobody_gets_no_worker(desk, queues):
    assert desk(FakeRun()).ask("start_worker")["error"] == "Run r1 is running; it waits for no worker."
    assert queues == {}


# Mutation: let `_answer` ask the panel itself whatever run is named, and the panel's own run is paused.
def test_a_run_that_is_opened_below_is_asked_and_not_the_panels_own(desk, monkeypatch):
    mine, other, made = FakeRun(), FakeRun(id="r2", status="running"), FakeRun(id="r3")
    other.output = b"one\ntwo\n"
    monkeypatch.setattr(mg, "attach", {"r2": other}.__getitem__, raising=False)
    monkeypatch.setattr(mg, "apply", lambda *_, **__: made, raising=False)
    at = desk(mine)
    assert at.ask("pause", run="r2")["ok"]
    assert (mine.asked, other.asked) == ([], ["pause"])
    told = at.ask("look", run="r2", after=0, cursor=None)["data"]
    assert (told["snapshot"]["id"], told["ended"], told["more"]) == ("r2", False, False)
    assert told["pieces"] == [{"text": "one\ntwo\n", "start": 0}]
    assert "spec" not in told["snapshot"]
    assert at.ask("look", run="r2", after=0, cursor=told["cursor"])["data"]["pieces"] == []
    assert at.ask("apply", run="r2")["data"] == {"turned": "r3"}
    assert at.panel.run is mine
