"""Runs by REST: what is told, what is asked, and who may."""

from __future__ import annotations

import base64
import csv
import io
import os
import time
import urllib.parse
from pathlib import Path

import pytest
from exact_s3 import ExactS3, Stored
from serving import Server

from migrator import api
from migrator.errors import StateError
from migrator.migrations import CopyObjects, DeleteExtra
from migrator.migrations.stakes import GONE


def test_runs_are_listed_found_and_paged(server: Server, done: api.Run, slow: api.Run) -> None:
    listed = server.ask("api/runs?limit=100").json
    ids = [run["id"] for run in listed]
    assert ids.index(slow.id) < ids.index(done.id)
    assert [run["id"] for run in server.ask(f"api/runs?q={done.id.upper()}").json] == [done.id]
    assert all(run["status"] == "completed" for run in server.ask("api/runs?status=completed").json)
    older = server.ask(f"api/runs?before={done.snapshot().created_at}").json
    assert done.id not in [run["id"] for run in older]
    assert server.ask("api/runs?q=%25").json == []  # a wildcard is a character like any other


# Mutation: let RunHandler tell the values that a run needs from the environment, not their names.
def test_no_answer_has_a_secret(
    server: Server, state_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "cana/ry+rest="
    coded = base64.b64encode(secret.encode()).decode()
    with ExactS3() as exact:
        for name, value in (exact.env() | {"AWS_SECRET_ACCESS_KEY": secret}).items():
            monkeypatch.setenv(name, value)
        exact.objects["b/archived"] = Stored(b"2", {}, storage_class="GLACIER", archived=True)
        exact.objects["b/k"] = Stored(b"1", {})
        run = api.start(CopyObjects("s3://b", tmp_path / "to"))
        assert run.wait(60, check=False).status == "partial"
    ways = ["", "/log", "/items", "/exceptions", "/plan", "/record", "/report", "/report?format=json", "/preflight"]
    paths = ["api/runs", "api/migrations", f"runs/{run.id}", *(f"api/runs/{run.id}{way}" for way in ways)]
    answers = {path: server.ask(path).text for path in paths}
    assert sum(run.id in text for text in answers.values()) >= 4
    hits = [
        path for path, text in answers.items() for one in (secret, urllib.parse.quote(secret, ""), coded) if one in text
    ]
    assert hits == []


def test_a_run_its_events_its_log_and_its_items(server: Server, done: api.Run, tmp_path: Path) -> None:
    seen = server.ask(f"api/runs/{done.id}?after=2").json
    assert seen["snapshot"]["status"] == "completed"
    assert [event["seq"] for event in seen["events"]] == list(range(3, seen["snapshot"]["seq"] + 1))
    whole = server.ask(f"api/runs/{done.id}/log?download=1")
    assert "attachment" in whole.headers["Content-Disposition"]
    assert whole.text == (Path(done.snapshot().workspace) / "output.log").read_text()
    page = server.ask(f"api/runs/{done.id}/log?after=0&limit=100").json
    assert whole.text.startswith(page["text"])
    assert page["cursor"] == len(page["text"].encode()) > 0
    before = server.ask(f"api/runs/{done.id}/log?before={page['cursor']}&limit=1000").json
    assert before["text"] == page["text"]
    items = server.ask(f"api/runs/{done.id}/items?limit=5&offset=115").json
    assert [item["key"] for item in items] == [f"{number:03d}.txt" for number in range(115, 120)]
    found = server.ask(f"api/runs/{done.id}/items?status=failed&status=copied&q=11&offset=1&limit=3").json
    assert [item["key"] for item in found] == ["110.txt", "111.txt", "112.txt"]
    rows = list(csv.DictReader(io.StringIO(server.ask(f"api/runs/{done.id}/items?format=csv&q=09").text)))
    assert [row["key"] for row in rows] == [f"{number:03d}.txt" for number in (9, *range(90, 100), 109)]
    rows = list(csv.DictReader(io.StringIO(server.ask(f"api/runs/{done.id}/items?format=csv").text)))
    assert len(rows) == 120
    assert {row["status"] for row in rows} == {"copied"}
    assert server.ask(f"api/runs/{done.id}/reasons").json == []


def test_a_run_is_steered_and_started_without_a_kernel(server: Server, slow: api.Run) -> None:
    def post(verb: str, body: object = None) -> dict:
        answer = server.ask(f"api/runs/{slow.id}/{verb}", body or {})
        assert answer.status == 200, answer
        return answer.json

    assert post("pause")["pause_requested"]
    assert not post("unpause")["pause_requested"]
    assert post("limit", {"bytes_per_s": "5kB"})["limits"] == {"bytes_per_s": 5_000}
    assert post("cancel")["cancel_requested"]
    slow.wait(30, check=False)
    assert post("resume")["start_requested"]
    deadline = time.monotonic() + 20
    while slow.status == "cancelled" and time.monotonic() < deadline:  # no kernel shows it: the server does it
        time.sleep(0.1)
    slow.limit()
    assert slow.wait(60).attempt == 2


def test_a_migration_that_is_allowed_can_be_started(server: Server, source: Path, tmp_path: Path) -> None:
    copy = "migrator.migrations.copy_objects:CopyObjects"
    spec = {"source": str(source), "target": str(tmp_path / "out")}
    answer = server.ask("api/runs", {"migration": copy, "spec": spec, "dry_run": True})
    assert answer.status == 201
    planned = api.Run(answer.json["id"], api.open_state())
    assert planned.wait(30).status == "completed"
    applied = server.ask(f"api/runs/{planned.id}/apply", {}).json
    assert api.attach(applied["id"]).wait(30).status == "completed"
    for body in ({"migration": "os:system", "spec": {}}, {"migration": copy, "spec": {"source": 3}}, {}):
        refused = server.ask("api/runs", body)
        assert refused.status == 400, refused
        assert refused.json["message"]


def test_what_may_be_started_has_a_form_and_mistakes_stand_beside_its_fields(server: Server, tmp_path: Path) -> None:
    told = server.ask("api/migrations").json
    copy, broken = told["migrations"]
    assert told["mode"] == "streaming"
    assert [field["name"] for field in copy["fields"]][:2] == ["source", "target"]
    assert "can't be loaded" in broken["trouble"]
    spec = {"source": "s3://KEY:hunter2@bucket", "target": str(tmp_path), "in_flight": "many"}
    refused = server.ask("api/runs", {"migration": copy["migration"], "spec": spec})
    assert (refused.status, refused.json["error"]) == (400, "BadForm")
    assert set(refused.json["fields"]) == {"source", "in_flight"}
    assert "hunter2" not in refused.text
    over = {"source": str(tmp_path), "target": str(tmp_path / "out"), "overwrite": "always", "before": "none"}
    told = server.ask("api/stakes", {"migration": copy["migration"], "spec": over})
    assert (told.status, told.json) == (200, {"stakes": [f"It replaces what differs at the target. {GONE}"]})
    assert set(server.ask("api/stakes", {"migration": copy["migration"], "spec": spec}).json["fields"]) == {
        "source", "in_flight"
    }  # fmt: skip
    assert server.ask("api/stakes", {"migration": "os:system"}).status == 400
    nobody = server.ask("api/runs", {"migration": copy["migration"], "spec": {"source": "/nope", "target": "/nope2"}})
    assert nobody.status == 400
    assert nobody.json["message"].endswith(".")


def test_mistakes_are_a_sentence(server: Server, done: api.Run, slow: api.Run) -> None:
    for path, body, status in (
        ("api/runs/nobody-copy-0101", None, 404),
        ("api/runs/nobody-copy-0101/log", None, 404),
        (f"api/runs/{done.id}/cancel", {}, 400),
        (f"api/runs/{slow.id}/resume", {}, 400),
        (f"api/runs/{slow.id}/limit", {"bytes_per_s": "fast"}, 400),
        (f"api/runs/{done.id}/items?status=odd", None, 400),
        (f"api/runs/{done.id}/items?offset=x", None, 400),
    ):
        answer = server.ask(path, body)
        assert answer.status == status, (path, answer)
        assert "Traceback" not in answer.text
    assert server.ask("api/runs?limit=many").status == 400
    assert server.ask("api/runs/..%2F..%2Fetc").status == 404


def test_a_place_that_is_taken_is_a_conflict(server: Server, slow: api.Run, source: Path) -> None:
    target = slow.snapshot().spec["target"]["path"]
    spec = {"source": str(source), "target": f"{target}/inner"}
    body = {"migration": "migrator.migrations.copy_objects:CopyObjects", "spec": spec}
    answer = server.ask("api/runs", body)
    assert (answer.status, answer.json["error"]) == (409, "LeaseHeld")
    assert slow.id in answer.json["message"]


def test_a_live_run_counts_as_activity(server: Server, slow: api.Run) -> None:
    def last() -> str:
        return server.ask("/api/status").json["last_activity"]

    before = last()
    deadline = time.monotonic() + 30
    while last() == before and time.monotonic() < deadline:
        time.sleep(1)
    assert last() > before


# Mutation: read the state DB's place from the query or the body in asking.Handler, and another one is made.
def test_no_request_says_which_state_db_is_meant(server: Server, done: api.Run, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    copy = "migrator.migrations.copy_objects:CopyObjects"
    spec = {"source": str(source), "target": str(tmp_path / "out")}
    said = {name: str(other) for name in ("state", "state_url", "MIGRATOR_STATE", "workspace")}
    query = urllib.parse.urlencode({**said, "q": done.id})
    assert [run["id"] for run in server.ask(f"api/runs?{query}", MIGRATOR_STATE=str(other)).json] == [done.id]
    body = {"migration": copy, "spec": spec, "dry_run": True, **said}
    run = api.Run(server.ask(f"api/runs?{query}", body).json["id"], api.open_state())
    assert run.wait(30).workspace.startswith(os.environ["MIGRATOR_WORKSPACE"])
    assert not other.exists()


def test_it_is_the_same_state_db(server: Server) -> None:
    told = server.ask("api/status").json
    try:
        assert told["state_id"] == api.open_state().state_id
    except StateError:
        pytest.fail("the tests' own state DB can't be read")


def test_a_draft_is_started_by_the_server_when_no_kernel_takes_it(server: Server, source: Path, tmp_path: Path) -> None:
    draft = api.draft(CopyObjects(source, tmp_path / "out"))
    assert draft.status == "draft"
    assert draft.id not in [run["id"] for run in server.ask("api/runs").json]
    answer = server.ask(f"api/runs/{draft.id}/start", {"dry_run": True, "bytes_per_s": "9MB", "in_flight": ""})
    assert answer.json["start_requested"], answer
    seen = draft.wait(30)
    assert (seen.status, seen.dry_run, seen.limits) == ("completed", True, {"bytes_per_s": 9_000_000})
    assert not (tmp_path / "out").exists()


# Mutation: let Run.take_start not compare-and-set, and it starts what nobody asked for; that only one of two begins an
# attempt is seen to by begin_again, too.
def test_a_kernel_that_takes_a_start_is_the_only_one(server: Server, source: Path, tmp_path: Path) -> None:
    def taken(out: str) -> tuple[api.Run, list[bool], float]:
        draft = api.draft(CopyObjects(source, tmp_path / out))
        assert not draft.take_start()
        begun = time.monotonic()
        server.ask(f"api/runs/{draft.id}/start", {})
        return draft, [draft.take_start(), draft.take_start()], time.monotonic() - begun

    draft, won, seconds = taken("out")
    if seconds > 1.5:  # after two the server takes it: this process had to wait for the machine
        draft, won, _ = taken("other")
    assert won == [True, False]
    assert draft.wait(30).status == "completed"
    time.sleep(2.5)
    assert draft.snapshot().attempt == 1


def test_what_stands_in_the_way_of_a_start_is_written_on_the_draft(server: Server, slow: api.Run, source: Path) -> None:
    draft = api.draft(CopyObjects(source, slow.snapshot().spec["target"]["path"]))
    server.ask(f"api/runs/{draft.id}/start", {})
    deadline = time.monotonic() + 30
    while not (seen := draft.snapshot()).error and time.monotonic() < deadline:
        time.sleep(0.1)
    assert slow.id in str(seen.error)
    assert seen.status == "draft"
    assert not seen.start_requested


def test_the_view_is_served_with_its_types_and_never_from_a_stale_cache(server: Server) -> None:
    for name, kind in (("mime.js", "text/javascript"), ("socket.js", "text/javascript")):
        answer = server.ask(f"static/{name}")
        assert (answer.status, answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (
            200,
            kind,
            "no-cache",
        )
        assert answer.text == (Path(__file__).parents[2] / "widgets" / "static" / name).read_text()
    assert server.ask("static/../panel.py").status == 404
    assert server.ask("static/nothing.js").status == 404


def test_items_are_paged_by_status_and_by_what_their_keys_hold(server: Server, done: api.Run) -> None:
    def keys(query: str) -> list[str]:
        return [item["key"] for item in server.ask(f"api/runs/{done.id}/items?{query}").json]

    assert keys("status=copied&status=adopted&q=11&limit=3") == ["011.txt", "110.txt", "111.txt"]
    assert keys("status=copied&q=11&limit=3&offset=3") == ["112.txt", "113.txt", "114.txt"]
    assert keys("q=07.TXT") == ["007.txt", "107.txt"]
    assert keys("status=skipped") == []
    assert keys("q=%27%20or%20true%20--") == []  # a quote ends nothing
    assert server.ask(f"api/runs/{done.id}/items?status=nonsense").status == 400


# Mutation: leave the policy out of ReportHandler, and this fails.
def test_a_report_is_a_page_in_which_nothing_can_run(server: Server, done: api.Run) -> None:
    page = server.ask(f"api/runs/{done.id}/report")
    assert page.text.startswith("<!doctype html>")
    assert done.id in page.text
    assert "sandbox" in page.headers["Content-Security-Policy"]
    assert page.headers["Content-Type"].startswith("text/html")


def test_what_failed_is_planned_again_by_a_dry_run_of_it_alone(server: Server, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    (tmp_path / "in" / "link").symlink_to("nowhere")
    first = api.start(CopyObjects(tmp_path / "in", tmp_path / "out"))
    assert first.wait(60, check=False).status == "partial"
    again = server.ask(f"api/runs/{first.id}/retry", {"mode": "streaming"}).json
    assert again["dry_run"]
    assert again["title"] == first.snapshot().title
    assert api.attach(again["id"]).wait(60).total == 1
    same = server.ask(f"api/runs?{urllib.parse.urlencode({'title': again['title']})}").json
    assert {run["id"] for run in same} == {first.id, again["id"]}


def test_what_would_be_destroyed_is_in_the_picture_of_a_draft_and_of_a_plan(server: Server, tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    migration = CopyObjects(tmp_path / "in", tmp_path / "out", overwrite="always", before="none")
    draft = server.ask(f"api/runs/{api.draft(migration).id}").json["snapshot"]
    assert draft["stakes"] == ["It replaces what differs at the target. What goes can't be brought back."]
    planned = api.start(migration, dry_run=True)
    planned.wait(60)
    seen = server.ask(f"api/runs/{planned.id}").json["snapshot"]
    assert seen["stakes"] == ["It replaces 1 object, 2 B. What goes can't be brought back."]
    kept = api.start(CopyObjects(tmp_path / "in", tmp_path / "out", overwrite="always"), dry_run=True)
    assert kept.wait(60).stakes == ()
    moved = api.draft(CopyObjects(tmp_path / "in", tmp_path / "out", source_after="delete-verified")).snapshot()
    assert moved.stakes == (
        "Afterwards it deletes from the source what it copied and proved. What goes can't be brought back.",
    )
    extra = api.draft(DeleteExtra(tmp_path / "in", tmp_path / "out")).snapshot()
    gone = "What goes is kept in quarantine first."
    assert extra.stakes == (f"It deletes what only the target has, at most 10% of it. {gone}",)


def test_what_a_run_needs_is_tried_without_a_kernel(server: Server, source: Path, tmp_path: Path) -> None:
    draft = api.draft(CopyObjects(source, tmp_path / "new"))
    told = server.ask(f"api/runs/{draft.id}/preflight", {}).json
    assert told["well"]
    assert {line["state"] for line in told["lines"]} <= {"ok", "note"}
    assert not (tmp_path / "new").exists()
