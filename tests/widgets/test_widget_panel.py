"""The panel as Python sees it: making, verbs, waiting, and what stands where no widget is shown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from desks import until
from fake_run import TITLE, FakeMigration, FakeRun

import migrator as mg
from migrator.errors import BadInput, RunNotCompleted, UnknownRun
from widgets import MigrationPanel


def test_shows_a_migration_without_starting_it(desk, started):
    panel = desk(FakeMigration(), dry_run=True).panel
    assert (panel.run, panel.status) == (None, "draft")
    terms = {"mode": "streaming", "bytes_per_s": None, "in_flight": None}
    assert panel.draft == {"title": TITLE, "dry_run": True, "started": False, "stakes": [], "checks": False, **terms}
    assert not started


def test_attaches_by_id(desk, monkeypatch):
    monkeypatch.setattr(mg, "attach", lambda run_id: FakeRun(id=run_id), raising=False)
    panel = desk("r7").panel
    assert panel.run.id == "r7"
    until(lambda: panel.snapshot.get("id") == "r7")


def test_unknown_run_is_said_at_once(monkeypatch):
    def attach(run_id: str) -> Any:
        raise UnknownRun(f"There is no run {run_id!r}.")

    monkeypatch.setattr(mg, "attach", attach, raising=False)
    with pytest.raises(UnknownRun, match="no run 'nope'"):
        MigrationPanel("nope")


@pytest.mark.parametrize("what", [42, FakeMigration, ["a"]])
def test_wrong_type(what):
    with pytest.raises(TypeError, match="a migration, a run or a run's id"):
        MigrationPanel(what)


def test_wrong_keyword():
    with pytest.raises(TypeError, match="dryrun"):
        MigrationPanel(FakeMigration(), dryrun=True)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="dry_run and key can't be given with a run"):
        MigrationPanel(FakeRun(), dry_run=True, key="k")


def test_start_verb_starts_once(desk, started):
    at = desk(FakeMigration(), key="k", tags=["t"])
    assert at.ask("start", dry_run=True) == {"type": "reply", "id": "q", "ok": True, "data": None}
    assert [(each["dry_run"], each["key"], each["tags"]) for each in started] == [(True, "k", ("t",))]
    again = at.ask("start", dry_run=False)
    assert not again["ok"]
    assert "has been started" in again["error"]
    assert len(started) == 1
    assert at.panel.draft["started"]


def test_start_error_is_answered_in_words(desk, monkeypatch):
    def start(migration: Any, **options: Any) -> Any:
        raise BadInput("The source /nope is not there")

    monkeypatch.setattr(mg, "start", start, raising=False)
    assert desk(FakeMigration()).ask("start") == {
        "type": "reply", "id": "q", "ok": False, "error": "The source /nope is not there.",
    }  # fmt: skip


def test_verbs_are_answered(desk, monkeypatch):
    run, other = FakeRun(), FakeRun(id="r2")
    monkeypatch.setattr(mg, "apply", lambda plan, where, mode: other, raising=False)
    at = desk(run)
    assert at.ask("cancel")["ok"]
    assert at.ask("resume")["ok"]
    assert run.asked == ["cancel", "resume None"]
    assert at.ask("reasons")["data"] == [{"status": "failed", "gist": "no", "items": 1}]
    assert at.ask("apply")["ok"]
    assert at.panel.run is other
    until(lambda: at.panel.snapshot.get("id") == "r2")


def test_bad_verbs_are_answered_too(desk):
    at = desk(FakeRun(status="completed"))
    assert "nothing to resume" in at.ask("resume")["error"]
    assert at.ask("format-disk")["error"] == "KeyError: 'format-disk'."
    assert "has not been started" in desk(FakeMigration()).ask("cancel")["error"]


def test_wait_on_a_panel_that_was_not_started_raises_at_once(desk):
    with pytest.raises(BadInput, match=r"press Run, or call panel\.start\(\)"):
        asyncio.run(asyncio.wait_for(desk(FakeMigration()).panel.wait(), 1))


def test_wait(desk):
    done, failed = FakeRun(status="completed"), FakeRun(status="failed")
    assert asyncio.run(desk(done).panel.wait()).status == "completed"
    assert asyncio.run(desk(failed).panel.wait(check=False)).status == "failed"
    with pytest.raises(RunNotCompleted):
        asyncio.run(desk(failed).panel.wait())
    with pytest.raises(TimeoutError):
        asyncio.run(desk(FakeRun()).panel.wait(timeout=0.05))


def test_plain_text_is_constant(desk):
    run = FakeRun()
    panel = desk(run).panel
    before = panel._repr_mimebundle_()[0]["text/plain"]
    run.change(done=5, status="completed")
    assert repr(panel) == before == f"MigrationPanel({TITLE})"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"status": "queued", "position": 2, "waiting_for": "its turn"}, ["queued, place 2 in default", "its turn"]),
        ({"pause_requested": True, "held_for": "paused"}, [">paused</td>"]),
        ({"held_for": "Disk full."}, [">running</td>", "Disk full."]),
    ],
)
def test_static_table_says_what_a_run_waits_for(desk, state, told):
    html = desk(FakeRun(**state)).panel._repr_mimebundle_()[0]["text/html"]
    assert [words for words in told if words not in html] == []


def test_static_table_escapes(desk):
    evil = "<script>alert(1)</script>"
    html = desk(FakeRun(title=evil, error=evil, id="<b>")).panel._repr_mimebundle_()[0]["text/html"]
    assert "<script>" not in html
    assert "<b>" not in html
    assert "<style" not in html
    assert html.count("&lt;script&gt;") == 2


def test_what_is_no_utf8_is_made_visible(desk):
    odd = b"caf\xe9".decode("utf-8", "surrogateescape")
    at = desk(FakeRun(title=odd, error=odd))
    until(lambda: at.panel.snapshot)
    seen = [at.panel.draft, at.panel.snapshot, at.panel._repr_mimebundle_()]
    assert str(seen).encode("utf-8").count(b"caf?") >= 4


def test_widget_view_is_there(desk):
    assert "application/vnd.jupyter.widget-view+json" in desk(FakeRun()).panel._repr_mimebundle_()[0]


def test_specification_stays_in_python(desk):
    panel = desk(FakeRun()).panel
    until(lambda: panel.snapshot)
    assert "of the spec" not in str(panel.get_state())


def test_without_anything_it_lists_all_runs_and_starts_none():
    panel = MigrationPanel()
    assert (panel.dashboard, panel.run, panel.status) == (True, None, "draft")
    with pytest.raises(BadInput, match="starts none"):
        panel.start()
    with pytest.raises(TypeError, match="dry_run can't be given with nothing to start"):
        MigrationPanel(dry_run=True)
    with pytest.raises(BadInput, match="shows one run"):
        MigrationPanel(FakeMigration())._open("a-run")
    panel.close()


def test_the_list_starts_what_the_kernel_offers_and_nothing_else(desk, started):
    board = desk(None)
    offered = board.ask("migrations")["data"]
    assert offered["mode"] == "streaming"
    assert "copy-objects" in [form["migration"] for form in offered["migrations"]]
    spec = {"source": "/a", "target": "/b"}
    answer = board.ask("launch", migration="copy-objects", spec=spec, dry_run=True, mode="queue", name=" x ")
    assert answer["ok"], answer
    assert str(started[0].pop("migration").target) == "/b"
    assert started == [{"mode": "queue", "dry_run": True, "name": "x"}]
    assert "knows no migration 'os:system'" in board.ask("launch", migration="os:system", spec={})["error"]
    over = spec | {"overwrite": "always", "before": "none"}
    assert "It replaces what differs" in board.ask("stakes", migration="copy-objects", spec=over)["data"][0]
    assert board.ask("stakes", migration="copy-objects", spec=spec)["data"] == []
    refused = board.ask("launch", migration="copy-objects", spec={"source": "http://x"})
    assert set(refused["fields"]) == {"source", "target"}
    assert len(started) == 1
