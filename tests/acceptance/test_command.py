"""The command as programs and people use it: JSON, exit codes, Ctrl-C."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from driving import (
    MIGRATOR,
    Answer,
    command,
    command_here,
    command_json,
    ends,
    events_of,
    gone,
    keeper_of,
    moving,
    row,
    runner_of,
    state_file,
    wait_for,
)
from rich.console import Console
from trees import in_folder, small_tree
from wayside import Wayside

import migrator as mg
from migrator import CopyObjects, api
from migrator.cli import main, output
from migrator.cli.spelling import in_options
from migrator.errors import BadInput
from migrator.options import option

SNAPSHOT = {
    "id", "name", "tags", "owner", "migration", "spec", "mode", "dry_run", "status", "attempt", "phase", "phases",
    "done", "total", "bytes_done", "bytes_total", "copied", "skipped", "failed", "refused", "losses", "rate", "eta_s",
    "engine_s", "created_at", "started_at", "finished_at", "holder", "cancel_requested", "error", "seq",
}  # fmt: skip
ITEM = {"key", "target_key", "size", "action", "status", "evidence", "digest", "error"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "from", 12)


@pytest.fixture
def slow(few: Path, wayside: Wayside, place: Callable[[str], str]) -> list[str]:
    """The words of a copy that takes half a minute."""
    wayside.delay_s = 0.1
    return ["copy", str(few), place("to"), "--in-flight", "1"]


def is_snapshot(seen: Any) -> bool:
    return isinstance(seen, dict) and set(seen) >= SNAPSHOT


# ------------------------------------------------------------------------------------------------ JSON


def test_every_command_with_json_prints_one_value_and_nothing_else(source: Path, tmp_path: Path) -> None:
    words = ("copy", source, tmp_path / "to", "--name", "first", "--tag", "a", "--tag", "b")
    copied = command_json(*words, by=command)
    assert is_snapshot(copied)
    assert (copied["name"], copied["tags"], copied["migration"]) == ("first", ["a", "b"], "copy-objects")
    assert copied["spec"]["source"]["path"] == str(source)
    dry = command_json("copy", source, tmp_path / "new", "--dry-run")
    applied = command_json("apply", dry["id"], by=command)
    assert is_snapshot(applied)
    assert is_snapshot(command_json("show", copied["id"]))
    assert command_json("follow", copied["id"]) == copied
    runs = command_json("runs", by=command)
    assert [run["id"] for run in runs] == [applied["id"], dry["id"], copied["id"]]
    assert all(map(is_snapshot, runs))
    assert [run["id"] for run in command_json("runs", "--limit", "1")] == [applied["id"]]


# Mutations: give `runs` the status unlooked at, and a typo lists nothing; let `_sums` count what is done of a plan, and
# it says 0 of 12; take `terminal` for `Console`, and what a program reads is broken at 80 columns.
def test_runs_are_listed_a_line_each_or_two_where_a_terminal_is_narrow(source: Path, tmp_path: Path) -> None:
    place = tmp_path / ("long" * 20)
    dry = command_json("copy", source, place, "--dry-run", "--name", "a plan")
    [line] = [line for line in command_here("runs").out.splitlines() if dry["id"] in line]
    assert re.fullmatch(rf"{dry['id']}  plan ready +12  \S+ kB  .*→ {place}  a plan *", line)
    assert f"{source} → {place}" in command_here("show", dry["id"]).out
    [seen] = [run.snapshot() for run in mg.runs(status="completed")]
    console = Console(width=90, file=io.StringIO(), force_terminal=True, color_system=None)
    *_, row, below = output._lines_of_runs([seen], console)
    assert (str(row).split()[0], str(below)) == (dry["id"], f"  {source} → {place}  a plan")
    with pytest.raises(BadInput, match="There is no run status 'fail'; there are draft"):
        mg.runs(status="fail")


# Mutations: leave the groups out of `_options`, and a purge is told of `run=`; ask `_of_stores` of the root alone, and
# a quarantine is told of --source-option; read no quoted backquote in `said`, and a key is cut.
@pytest.mark.parametrize(
    ("words", "message", "read"),
    [
        (["copy"], f"this one by {option('include', 'a `b')}.", "this one by --include 'a `b'."),
        (["copy"], f"{option('where')} is empty", "--where is empty"),
        (["copy"], f"({option('dry_run', True)})", "(--dry-run)"),
        (["copy"], f"give {option('profile')}", "give --source-option or --target-option profile=…"),
        (["copy"], f"The target: give {option('profile')}", "The target: give --target-option profile=…"),
        (["quarantine"], f"{option('anonymous', True)}, {option('run')}", "--option anonymous=true, --run"),
        (["show"], f"allow it by {option('max_age', '7d')}", "allow it by --max-age 7d"),
        (["copy"], "mode=3/x, `migrator show x`", "mode=3/x, `migrator show x`"),
    ],
)
def test_an_option_in_a_message_is_said_as_commands_have_it(words: list[str], message: str, read: str) -> None:
    with main.make_context("migrator", [*words, "x"], resilient_parsing=True):
        assert in_options(message, main.commands[words[0]]) == read


# Mutations: take `MOVED` out of progress.py, and a check says moved; `_ended` out of `print_table`: lines have blanks;
# "refuse" out of `_onward`, and nothing is said of what is refused; `in_options` out of `failure` or of `_cell`, and a
# terminal is told Python; `chosen` out of `show_runs`, and who asks for the cancelled is told of no runs at all.
def test_a_terminal_is_told_in_its_own_words(source: Path, tmp_path: Path) -> None:
    assert "No runs yet." in command_here("runs").out
    other = small_tree(tmp_path / "to", 1)
    (first,) = [file for file in other.rglob("*") if file.is_file()]
    first.write_bytes(b"something else")
    dry = command_json("copy", other, source, "--dry-run")
    copied = command_json("copy", other, source, code=10)
    hint = "--overwrite if-different would replace it"
    for words in (["plan", dry["id"]], ["show", copied["id"]], ["items", copied["id"]], ["follow", copied["id"]]):
        answer = command_here(*words)
        assert hint in " ".join((answer.out + answer.err).split()), words
    assert not re.search(r" $", command_here("show", copied["id"]).out + command_here("runs").out, re.MULTILINE)
    assert f"is refused. `migrator plan {dry['id']}` says why.\n" in command_here("follow", dry["id"]).err
    assert re.search(r"\d different.* compared in ", command_here("verify", other, source).err)
    assert command_here("runs", "--status", "cancelled").out == "No run is like that.\n"


# Mutations: leave `isatty` out, and what a program reads is broken; the hang, and one thing said looks like two.
def test_long_lines_are_broken_between_words_in_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "one\n  " + "word " * 30
    assert output.folded(text) == text
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    first, second, *rest = output.folded(text, "    ").split("\n")
    assert (first, second[:6], {line[:5] for line in rest}) == ("one", "  word", {"    w"})
    assert max(map(len, [second, *rest])) <= 40


def test_no_runs_are_an_empty_list() -> None:
    assert command_json("runs") == []


# Mutation: take `shown` out of the lines of failures, or of the table's cells: a key then says what a line says.
def test_resume_with_json_prints_the_snapshot_at_its_end(source: Path, tmp_path: Path) -> None:
    (source / "li\nnk").symlink_to("d00")
    (source / "empty").mkdir()
    first = command_json("copy", source, tmp_path / "to", code=10)
    assert (first["status"], first["refused"], first["copied"]) == ("partial", 1, 12)
    again = command_json("resume", first["id"], code=10)
    assert (again["id"], again["attempt"], again["copied"]) == (first["id"], 2, 12)
    assert [note["text"].endswith("not copied: 1.") for note in events_of(first["id"], "warning")] == [True]
    for words in (["show"], ["items", "--status", "refused"]):
        assert r"li\nnk" in command_here(*words, first["id"]).out


def test_no_follow_prints_the_runs_id_or_its_snapshot_and_returns(slow: list[str]) -> None:
    began = time.monotonic()
    answer = command(*slow, "--no-follow")
    assert time.monotonic() - began < 20
    assert (answer.code, answer.err) == (0, ""), answer
    run_id = answer.out.removesuffix("\n")
    assert row(run_id)["status"] in ("starting", "running")
    runner = runner_of(run_id)
    assert command_here("cancel", run_id, "--wait").code == 0
    wait_for(lambda: gone(runner), 10, "the runner ends")
    seen = command_json("resume", run_id, "--no-follow", by=command)
    assert (seen["id"], seen["cancel_requested"]) == (run_id, False)


def test_items_come_as_json_csv_and_parquet(source: Path, tmp_path: Path) -> None:
    (source / "=1+1").write_bytes(b"a formula to a spreadsheet")
    (source / 'quote",comma\u00e9').write_bytes(b"")
    (source / "link").symlink_to("nowhere")
    run_id = command_json("copy", source, tmp_path / "to", code=10)["id"]
    as_json = command_here("items", run_id, "--format", "json").json
    assert all(set(item) >= ITEM for item in as_json)
    keys = {item["key"] for item in as_json}
    assert keys == {*in_folder(tmp_path / "to"), "link"}
    as_csv = list(csv.DictReader(io.StringIO(command_here("items", run_id, "--format", "csv").out)))
    assert {item["key"].removeprefix("'") for item in as_csv} == keys
    assert "'=1+1" in {item["key"] for item in as_csv}
    done = subprocess.run([*MIGRATOR, "items", run_id, "--format", "parquet"], capture_output=True, timeout=60)
    table = pq.read_table(io.BytesIO(done.stdout))
    assert (done.returncode, set(table["key"].to_pylist())) == (0, keys)
    assert {
        item["status"] for item in command_here("items", run_id, "--status", "refused", "--format", "json").json
    } == {"refused"}
    assert command_here("items", run_id, "--status", "failed", "--format", "json").json == []
    table_of_words = command_here("items", run_id)
    assert table_of_words.code == 0
    assert "link" in table_of_words.out


def test_a_log_is_printed_as_text(source: Path, tmp_path: Path) -> None:
    run_id = api.start(CopyObjects(source, tmp_path / "to")).wait(60).id
    answer = command_here("log", run_id)
    assert (answer.code, answer.err) == (0, "")
    assert "plan: create 12" in answer.out
    assert "completed" in answer.out.splitlines()[-1]


# ------------------------------------------------------------------------------------------ exit codes


def test_a_completed_copy_exits_0_and_a_partial_one_10(source: Path, tmp_path: Path) -> None:
    answer = command("copy", source, tmp_path / "to")
    assert (answer.code, answer.out) == (0, ""), answer
    (source / "link").symlink_to("nowhere")
    answer = command_here("copy", source, tmp_path / "to")
    assert answer.code == 10, answer
    assert "link" in answer.err
    assert "symbolic link" in answer.err


def test_a_run_that_can_not_go_on_exits_11_and_is_resumed_when_it_can(
    source: Path, place: Callable[[str], str], wayside: Wayside, tmp_path: Path
) -> None:
    api.start(CopyObjects(source, place("from"))).wait(60)
    # The look before the start asks for one key only; the listing is what is refused.
    wayside.refuse = lambda _method, path: "list-type" in path and "max-keys=1" not in path
    failed = command_json("copy", place("from"), tmp_path / "to", code=11)
    assert failed["status"] == "failed"
    assert "denies access" in failed["error"]
    answer = command_here("follow", failed["id"])
    assert (answer.code, answer.out) == (11, ""), answer
    assert "denies access" in answer.err
    assert not (tmp_path / "to").exists()
    wayside.refuse = lambda _method, _path: False
    assert command_json("resume", failed["id"])["status"] == "completed"
    assert in_folder(tmp_path / "to") == in_folder(source)


def test_a_source_that_vanishes_after_the_start_fails_the_run(source: Path, tmp_path: Path) -> None:
    run = api.start(CopyObjects(source, tmp_path / "to"))
    source.rename(tmp_path / "elsewhere")
    answer = command_here("follow", run.id)
    assert answer.code == 11, answer
    assert "no folder" in answer.err


def test_a_store_that_refuses_every_object_holds_the_run_instead_of_failing_each_object(
    few: Path, place: Callable[[str], str], wayside: Wayside
) -> None:
    wayside.refuse = lambda method, _path: method == "PUT"
    run_id = command_here("copy", few, place("to"), "--no-follow").out.strip()
    assert "in a row" in str(wait_for(lambda: row(run_id)["held_for"], 60, "it is held"))
    assert "in a row" in command_here("show", run_id).out
    # The counts of the beat that says so may be a moment older.
    assert wait_for(lambda: row(run_id)["failed"], 30, "failures are counted") < 20
    assert wayside.methods["PUT"] < 300
    assert command_here("cancel", run_id).code == 0
    assert command_here("follow", run_id).code == 12


def test_following_a_cancelled_run_exits_12(slow: list[str]) -> None:
    run_id = command_here(*slow, "--no-follow").out.strip()
    moving(run_id)
    follow = Follower("follow", run_id)
    assert command_here("cancel", run_id).code == 0
    answer = follow.end()
    assert (answer.code, answer.out) == (12, ""), answer
    assert "cancelled" in answer.err


def test_following_a_killed_run_exits_13(slow: list[str]) -> None:
    run_id = command(*slow, "--no-follow").out.strip()
    runner = runner_of(run_id)
    moving(run_id)
    follow = Follower("follow", run_id, "--json")
    wait_for(follow.reads, 60, "it looks at the run")
    runner.kill()
    answer = follow.end()
    assert (answer.code, answer.err) == (13, ""), answer
    assert answer.json["status"] == "interrupted"


class Follower:
    """A command in a session of its own, as a terminal would have it."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [*MIGRATOR, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
            # Where the tests run in the background these are ignored, and a child inherits that.
            preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)],
        )  # fmt: skip

    def first_line(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def reads(self) -> bool:
        """Whether it has opened the state DB."""
        return str(state_file()) in [file.path for file in psutil.Process(self.process.pid).open_files()]

    def end(self, timeout: float = 60) -> Answer:
        out, err = self.process.communicate(timeout=timeout)
        return Answer(self.process.returncode, out, err)


@pytest.mark.parametrize("verb", ["copy", "follow"])
def test_ctrl_c_stops_watching_and_the_run_goes_on(verb: str, slow: list[str], wayside: Wayside) -> None:
    words = slow if verb == "copy" else ["follow", command_here(*slow, "--no-follow").out.strip()]
    watching = Follower(*words)
    run_id = watching.first_line().split()[0]
    runner = runner_of(run_id)
    keeper = keeper_of(runner)
    moving(run_id)
    os.killpg(watching.process.pid, signal.SIGINT)  # the terminal sends it to the whole group
    answer = watching.end()
    assert (answer.code, answer.out) == (0, ""), answer
    assert f"`migrator follow {run_id}`" in answer.err
    assert "Traceback" not in answer.err
    done = row(run_id)["copied"]
    wait_for(lambda: row(run_id)["copied"] > done, 60, "the run goes on")
    assert not gone(runner)
    assert not gone(keeper)
    assert row(run_id)["cancel_requested_at"] is None
    wayside.delay_s = 0
    assert ends(run_id) == "completed"


def test_a_terminal_that_hangs_up_does_not_stop_the_run(slow: list[str], wayside: Wayside) -> None:
    watching = Follower(*slow)
    run_id = watching.first_line().split()[0]
    runner = runner_of(run_id)
    os.killpg(watching.process.pid, signal.SIGHUP)
    watching.end()
    done = row(run_id)["copied"]
    wait_for(lambda: row(run_id)["copied"] > done, 60, "the run goes on")
    assert not gone(runner)


def test_two_who_resume_at_once_make_one_attempt_and_the_other_is_told(slow: list[str], wayside: Wayside) -> None:
    run_id = command_here(*slow, "--no-follow").out.strip()
    moving(run_id)
    assert command_here("cancel", run_id, "--wait").code == 0
    both = [Follower("resume", run_id, "--no-follow") for _ in range(2)]
    answers = sorted((one.end() for one in both), key=lambda answer: answer.code)
    assert [answer.code for answer in answers] == [0, 2], answers
    assert "already" in answers[1].err
    assert json.loads(json.dumps(answers[0].out.strip())) == run_id
    wayside.delay_s = 0
    assert ends(run_id) == "completed"
    assert row(run_id)["attempt"] == 2


@pytest.mark.parametrize("state", ["running", "completed"])
def test_what_lives_or_is_done_can_not_be_resumed(state: str, slow: list[str], source: Path, tmp_path: Path) -> None:
    if state == "running":
        run_id = command_here(*slow, "--no-follow").out.strip()
        pid = str(runner_of(run_id).pid)
    else:
        run_id, pid = api.start(CopyObjects(source, tmp_path / "to")).wait(60).id, ""
    answer = command_here("resume", run_id)
    assert (answer.code, answer.out) == (2, ""), answer
    assert answer.err.startswith(f"Error: Run {run_id} is {state}"), answer
    assert pid in answer.err


# ------------------------------------------------------------------------------------------- overwrite


@pytest.fixture
def differing(source: Path, tmp_path: Path) -> str:
    """A key under which the target has something else of the same size."""
    key = next(key for key in sorted(in_folder(source)) if (source / key).stat().st_size)
    there = tmp_path / "to" / key
    there.parent.mkdir(parents=True)
    there.write_bytes(bytes(byte ^ 1 for byte in (source / key).read_bytes()))
    return key


def test_by_default_a_different_object_at_the_target_is_refused_and_left_as_it_was(
    differing: str, source: Path, tmp_path: Path
) -> None:
    before = (tmp_path / "to" / differing).read_bytes()
    seen = command_json("copy", source, tmp_path / "to", code=10)
    assert (seen["refused"], seen["copied"]) == (1, 11)
    assert (tmp_path / "to" / differing).read_bytes() == before
    (refused,) = command_here("items", seen["id"], "--status", "refused", "--format", "json").json
    assert refused["key"] == differing
    assert "`overwrite='if-different'` would replace it" in refused["error"]


@pytest.mark.parametrize("overwrite", ["if-different", "always"])
def test_overwriting_replaces_what_differs_and_marks_it_as_irreversible(
    overwrite: str, differing: str, source: Path, tmp_path: Path
) -> None:
    same = next(key for key in sorted(in_folder(source)) if key != differing)
    (tmp_path / "to" / same).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "to" / same).write_bytes((source / same).read_bytes())
    seen = command_json("copy", source, tmp_path / "to", "--overwrite", overwrite, "--before", "none")
    skipped = 1 if overwrite == "if-different" else 0
    assert (seen["skipped"], seen["copied"]) == (skipped, 12 - skipped)
    assert in_folder(tmp_path / "to") == in_folder(source)
    plan = pq.read_table(next(Path(seen["workspace"], "plan").glob("*.parquet"))).to_pylist()
    marked = {item["key"]: json.loads(item["detail"]) for item in plan if item["detail"]}
    expected = {differing} if skipped else {differing, same}
    assert marked == {key: {"irreversible": True} for key in expected}
    assert {item["key"] for item in plan if item["action"] == "overwrite"} == expected
    before = json.loads(next(item["before"] for item in plan if item["key"] == differing))
    assert before["size"] == (source / differing).stat().st_size
