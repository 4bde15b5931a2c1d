"""What can't work is refused with one sentence, before anything is written anywhere."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import (
    SENTENCE,
    Answer,
    command,
    command_here,
    keeper_of,
    moving,
    runner_of,
    runs_recorded,
    wait_for,
    workspaces,
)
from servers import OTHER_BUCKET, OTHER_KEY, OTHER_SECRET, SECRET, SeaweedFS, free_ports
from trees import in_folder, small_tree
from wayside import Wayside

from migrator import CopyObjects, api

Places = dict[str, str]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Names for the words of the cases below; each is used as ``{name}``."""
    source = small_tree(tmp_path / "from", 3)
    (tmp_path / "file").write_bytes(b"a file")
    (tmp_path / "link").symlink_to(source, target_is_directory=True)
    (tmp_path / "into").symlink_to(source / "d00", target_is_directory=True)
    return {"tmp": str(tmp_path), "src": str(source)}


def refused(answer: Answer, *said: str) -> None:
    """One sentence on stderr that says these words, and nothing else."""
    assert answer.code in (1, 2), answer  # 2: it can't be done as it was asked
    assert answer.out == "", answer
    assert SENTENCE.fullmatch(answer.err), answer
    for words in said:
        assert words in answer.err, answer


def untouched(tmp_path: Path, before: dict[str, str], runs: int = 0) -> None:
    """Nothing was recorded and nothing was written."""
    own = ("own/", "own-runs/")
    after = {name: digest for name, digest in in_folder(tmp_path).items() if not name.startswith(own)}
    assert after == before
    assert (runs_recorded(), len(workspaces())) == (runs, runs)


LOCAL = {
    "a scheme nobody knows": ("ftp://host/x", "{tmp}/to", "ftp:// is not known"),
    "a web address": ("https://host/x", "{tmp}/to", "is no place"),
    "an empty place": ("", "{tmp}/to", "can't be empty"),
    "s3 without a bucket": ("{src}", "s3://", "needs a bucket"),
    "a bucket of no name": ("{src}", "s3://-bad bucket-/x", "no bucket's name"),
    "a prefix with dots": ("{src}", "s3://bucket/a/../b", "segment"),
    "a source that is missing": ("{tmp}/nowhere", "{tmp}/to", "no folder"),
    "a source that is a file": ("{tmp}/file", "{tmp}/to", "by --include file."),
    "a bucket that AWS can't have": ("{src}", "s3://Bad_Bucket/x", "no bucket named 'Bad_Bucket'"),
    "a slash too few": ("{src}", "s3:bucket/x", "A folder of that name is './s3:…'."),
    "a colon too few": ("{src}", "s3//bucket/x", "A folder of that name is './s3//…'."),
    "a drive of Windows": ("{src}", "C:\\to", "is a path of Windows"),
    "a share of Windows": ("\\\\server\\share", "{tmp}/to", "is a path of Windows"),
    "a home of nobody": ("{src}", "~nobody-9/to", "There is no user 'nobody-9'"),
    "a target that is a file": ("{src}", "{tmp}/file", "not a folder"),
    "a target below a file": ("{src}", "{tmp}/file/below", "{tmp}/file"),
    "the same folder": ("{src}", "{src}", "same place"),
    "the same folder by dots": ("{src}", "{src}/d00/..", "same place"),
    "the same folder by a link": ("{src}", "{tmp}/link", "same place"),
    "the source inside the target": ("{src}/d00", "{src}", "inside"),
    "the target inside the source": ("{src}", "{src}/new/to", "inside"),
    "the target inside by a link": ("{src}", "{tmp}/into/deeper", "inside"),
    "the source inside by a link": ("{tmp}/into", "{src}", "inside"),
    "credentials in an address": ("{src}", "s3://AKIAEXAMPLE:verysecret@bucket/x", "can't hold credentials"),
    "a signed link": ("{src}", "s3://bucket/x?X-Amz-Signature=verysecret", "query"),
}  # fmt: skip


@pytest.mark.parametrize("case", LOCAL)
def test_a_place_that_can_not_work_is_refused(case: str, places: Places, tmp_path: Path) -> None:
    source, target, said = (word.format(**places) for word in LOCAL[case])
    before = in_folder(tmp_path)
    answer = command_here("copy", source, target)
    refused(answer, said)
    assert "verysecret" not in answer.err
    untouched(tmp_path, before)


@pytest.mark.parametrize("case", ["a scheme nobody knows", "a source that is missing", "the same folder"])
def test_a_process_of_the_command_says_the_same(case: str, places: Places, tmp_path: Path) -> None:
    source, target, said = (word.format(**places) for word in LOCAL[case])
    before = in_folder(tmp_path)
    refused(command("copy", source, target), said)
    untouched(tmp_path, before)


BUCKETS = {
    "the source's bucket is missing": ("s3://no-such-bucket/x", "{tmp}/to", "no bucket 'no-such-bucket'"),
    "the target's bucket is missing": ("{src}", "s3://no-such-bucket/x", "no bucket 'no-such-bucket'"),
    "the same prefix with and without a slash": ("s3://{bucket}/p", "s3://{bucket}/p/", "same place"),
    "a prefix inside a prefix": ("s3://{bucket}/p", "s3://{bucket}/p/q", "inside"),
    "a prefix inside the whole bucket": ("s3://{bucket}/p", "s3://{bucket}", "inside"),
}  # fmt: skip


@pytest.mark.parametrize("case", BUCKETS)
def test_a_bucket_that_can_not_work_is_refused(
    case: str, places: Places, aws: SeaweedFS, bucket: str, tmp_path: Path
) -> None:
    source, target, said = (word.format(**places, bucket=bucket) for word in BUCKETS[case])
    before = in_folder(tmp_path)
    refused(command_here("copy", source, target), said)
    untouched(tmp_path, before)


@pytest.mark.parametrize("foreign", ["source", "target"])
def test_a_bucket_of_somebody_else_is_refused_by_naming_the_credentials(
    foreign: str, places: Places, aws: SeaweedFS, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OTHER_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OTHER_SECRET)
    before = in_folder(tmp_path)
    there = f"s3://{bucket}/x"
    words = (there, f"{tmp_path}/to") if foreign == "source" else (places["src"], there)
    answer = command_here("copy", *words)
    refused(answer, "denies access", "AWS_ACCESS_KEY_ID")
    assert OTHER_SECRET not in answer.err
    untouched(tmp_path, before)
    assert command_here("copy", places["src"], f"s3://{OTHER_BUCKET}/x", "--dry-run").code == 0  # theirs it may use


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong-but-secret", "does not accept the credentials"),
        ("AWS_SECRET_ACCESS_KEY", None, "AWS_SECRET_ACCESS_KEY is not set"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:{port}", "gives no answer"),
        ("AWS_ENDPOINT_URL", "http://user:verysecret@127.0.0.1:1", "can't hold credentials"),
        ("AWS_ENDPOINT_URL", "http://objects.example.com", "not encrypted"),
        ("AWS_ENDPOINT_URL", "nonsense", "no http or https URL"),
        ("AWS_ALLOW_HTTP", "perhaps", "neither true nor false"),
    ],
)
def test_an_environment_that_can_not_work_is_refused(
    variable: str, value: str | None, said: str, places: Places, aws: SeaweedFS, bucket: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = in_folder(tmp_path)
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value.format(port=free_ports(1)[0]))
    began = time.monotonic()
    answer = command_here("copy", places["src"], f"s3://{bucket}/none", "--dry-run")
    refused(answer, said)
    assert "secret" not in answer.err.replace("AWS_SECRET_ACCESS_KEY", "")
    assert time.monotonic() - began < 30
    untouched(tmp_path, before)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[connections.lake\n", "can't be read"),
        ("connections = 3\n", "not known"),
        ("[connections.lake]\nsecret_access_key = 'verysecret'\n", "looks like a secret"),
        ("[connections.lake]\nnonsense = 1\n", "nonsense"),
        ("[connections.lake]\nendpoint = 3\n", "endpoint"),
        ("[connections.other]\n", "lake:// is not known"),
    ],
)
def test_a_configuration_file_that_can_not_be_used_is_named(
    text: str, said: str, places: Places, tmp_path: Path
) -> None:
    (tmp_path / "migrator.toml").write_text(text)
    before = in_folder(tmp_path)
    answer = command_here("copy", places["src"], "lake://bucket/x")
    refused(answer, said, "migrator.toml")
    assert "verysecret" not in answer.err
    untouched(tmp_path, before)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--source-option", "endpoint=http://x"], "A folder takes no endpoint"),
        (["--target-option", "colour=red"], "no option 'colour'"),
        pytest.param(["--target-option", "addressing=sideways"], "addressing"),
        pytest.param(["--target-option", "allow_http=perhaps"], "allow_http"),
    ],
)
def test_an_option_of_a_place_that_does_not_exist_is_refused(
    words: list[str], said: str, places: Places, tmp_path: Path
) -> None:
    before = in_folder(tmp_path)
    refused(command_here("copy", places["src"], "s3://bucket/x", *words), said)
    untouched(tmp_path, before)


@pytest.mark.parametrize(
    "words",
    [
        ["--in-flight", "0"], ["--in-flight", "many"], ["--overwrite", "maybe"], ["--target-option", "nonsense"],
        ["--no-such-flag"], ["--tag"],
    ],
)  # fmt: skip
def test_a_command_line_that_makes_no_sense_is_a_usage_error(words: list[str], places: Places, tmp_path: Path) -> None:
    before = in_folder(tmp_path)
    answer = command_here("copy", places["src"], "s3://bucket/x", *words)
    assert (answer.code, answer.out) == (2, ""), answer
    assert answer.err.splitlines()[-1].startswith("Error: "), answer
    assert "Traceback" not in answer.err
    untouched(tmp_path, before)


@pytest.mark.parametrize(
    "words", ["apply", "show", "show --json", "follow", "cancel", "resume", "items", "items --format csv", "log"]
)
def test_every_verb_refuses_an_unknown_run(words: str, tmp_path: Path) -> None:
    verb, *flags = words.split()
    refused(command_here(verb, "nobody-copy-0101", *flags), "no run 'nobody-copy-0101'", "`migrator runs`")
    assert (runs_recorded(), workspaces()) == (0, [])


# ----------------------------------------------------------------------------------------- the state DB


@pytest.mark.parametrize("content", [b"this is no database, but it is somebody's\n" * 50, b"SQLite format 3\0broken"])
def test_a_file_that_is_no_state_db_is_refused_and_left_as_it_is(
    content: bytes, places: Places, tmp_path: Path
) -> None:
    file = tmp_path / "garbage.db"
    file.write_bytes(content)
    before = in_folder(tmp_path)
    for words in (["runs"], ["copy", places["src"], f"{tmp_path}/to"]):
        refused(command_here("--state", file, *words), "garbage.db", "can't be used")
        assert in_folder(tmp_path) == before


@pytest.mark.parametrize("place", ["{tmp}/file/state.db", "{tmp}"])
def test_a_state_db_where_none_can_be_is_refused(place: str, places: Places, tmp_path: Path) -> None:
    before = in_folder(tmp_path)
    refused(command_here("--state", place.format(**places), "runs"), "can't be used")
    assert in_folder(tmp_path) == before


def newer_state(file: Path, journal: str) -> None:
    """A state DB as a later release might have left it."""
    assert command("--state", file, "runs").code == 0
    connection = sqlite3.connect(file)
    connection.execute("update meta set value = '99' where name = 'schema_version'")
    connection.execute("create table of_the_future (x)")
    connection.commit()
    connection.execute(f"pragma journal_mode={journal}")
    connection.close()


@pytest.mark.parametrize(
    "journal",
    [
        "wal",
        "delete",
    ],
)
def test_a_state_db_of_a_newer_release_is_refused_and_left_as_it_is(
    journal: str, places: Places, tmp_path: Path
) -> None:
    file = tmp_path / "newer.db"
    newer_state(file, journal)
    before = in_folder(tmp_path)
    for words in (["runs"], ["copy", places["src"], f"{tmp_path}/to"], ["show", "x"]):
        refused(command_here("--state", file, *words), "schema 99", "Upgrade")
        assert in_folder(tmp_path) == before


@pytest.mark.parametrize(
    "made",
    [pytest.param("create table meta (name text, value text)"), "create table meta (x)"],
)
def test_a_database_of_another_program_is_refused(made: str, tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    connection = sqlite3.connect(file)
    connection.execute(made)
    connection.commit()
    connection.close()
    refused(command_here("--state", file, "runs"), "other.db")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://user:verysecret@host/db", "can be read by everybody"),
        ("nonsense://user@host/db", "nonsense"),
        ("postgresql+nodriver://user@host/db", "nodriver"),
        ("postgresql://user@host/db?password=verysecret", "can be read by everybody"),
        pytest.param("oracle+cx_oracle://user@host/db", "cx_Oracle"),
    ],
)  # fmt: skip
def test_a_state_url_that_can_not_be_used_is_refused(url: str, said: str) -> None:
    answer = command_here("--state", url, "runs")
    assert "verysecret" not in answer.err + answer.out
    refused(answer, said)


def test_a_workspace_that_can_not_be_made_is_refused(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGRATOR_WORKSPACE", str(tmp_path / "file" / "runs"))
    before = in_folder(tmp_path)
    answer = command_here("copy", places["src"], tmp_path / "to")
    refused(answer, str(tmp_path / "file"))
    untouched(tmp_path, before)


def test_a_key_with_another_specification_is_refused_and_the_difference_named(places: Places, tmp_path: Path) -> None:
    run = api.start(CopyObjects(places["src"], tmp_path / "to"), key="nightly")
    run.wait(60)
    before = {name: digest for name, digest in in_folder(tmp_path).items() if not name.startswith("own")}
    answer = command_here("copy", places["src"], tmp_path / "to", "--key", "nightly", "--overwrite", "always")
    refused(answer, run.id, "overwrite was 'never' and is 'always'")
    untouched(tmp_path, before, runs=1)


# --------------------------------------------------------------------------------------------- secrets


def test_a_secret_is_written_down_nowhere(
    few: Path, wayside: Wayside, place: Callable[[str], str], tmp_path: Path
) -> None:
    wayside.delay_s = 0.05
    run_id = command("copy", few, place("to"), "--in-flight", "1", "--no-follow").out.strip()
    runner = runner_of(run_id)
    argv = [word for process in (runner, keeper_of(runner)) for word in process.cmdline()]
    moving(run_id)
    shown = [command_here(*words).out for words in (["show", run_id, "--json"], ["runs", "--json"], ["log", run_id])]
    wayside.refuse = lambda method, _path: method == "PUT"
    wait_for(lambda: api.attach(run_id).snapshot().held_for, 60, "the run is held")
    api.attach(run_id).cancel()
    seen = api.attach(run_id).wait(60, check=False)
    assert seen.status == "cancelled"
    shown += [command_here("items", run_id, "--format", "csv").out, command_here("show", run_id).out, str(seen)]
    assert run_id in shown[0]
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == SECRET  # so there was something to find
    assert [word for word in [*argv, *shown] if SECRET in word] == []
    written = [path for folder in ("own", "own-runs") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert {path.suffix for path in written} >= {".db", ".log", ".parquet"}
    assert [str(path) for path in written if SECRET.encode() in path.read_bytes()] == []


# Mutation: leave `check_choice` out of api.start, and each is a run that failed.
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "size >"], "no expression of SQL"),
        (["--where", "bytes > 1"], "The columns are key, size, mtime, etag"),
        (["--where", "repeat(key, 1000000000) > ''"], "uses repeat()"),
        (["--regex", "("], "--regex"),
        (["--rename", "(", "--rename-to", "x"], "--rename"),
        (["--template", "{year}/{name}"], "no field {year}"),
        (["--include", "[a"], "without its ]"),
    ],
)
def test_what_can_not_be_worked_out_is_told_before_anything_is_recorded(
    words: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    answer = command_here("copy", tmp_path / "in", tmp_path / "out", *words)
    assert answer.code == 2, answer
    assert said in answer.err
    assert answer.err.startswith("Error: ")
    assert answer.err.count("\n") == 1
    assert runs_recorded() == 0
