"""Before anything is started: what works, what does not, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from driving import command_here, command_json
from exact_s3 import ExactS3, Reply
from trees import listed

import migrator as mg
from migrator.stores import Location, retries
from migrator.stores.preflights import _clock
from migrator.stores.s3 import S3Store


def states(found: mg.Preflight) -> dict[str, str]:
    return {line.what: line.state for line in found.lines}


def test_all_is_well_and_nothing_is_left(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("a")
    answer = command_here("preflight", tmp_path, place("x"))
    assert answer.code == 0, answer
    for line in ("apart", "source: reach", "source: list", "source: read", "target: reach", "target: list",
                 "target: write", "target: read", "target: delete", "target: upload in parts",
                 "target: giving up an upload", "target: versions"):  # fmt: skip
        assert f"✓ {line}" in answer.out
    assert "Nothing is in the way." in answer.out
    assert listed(client, bucket, prefix) == {}
    found = mg.preflight(tmp_path, place("x"))
    assert states(found)["source: read"] == states(found)["target: clock"] == "ok"
    assert "<table>" in found._repr_html_()


def test_towards_a_folder_its_room_is_told(tmp_path: Path, place: Callable[[str], str]) -> None:
    found = mg.preflight(place("nothing"), tmp_path / "new")
    assert found.well
    assert states(found)["target: room"] in ("ok", "note")
    assert not (tmp_path / "new").exists()
    assert "nothing is listed there" in str(found)


# Mutation: leave out `under(Haste())`, and it is asked three times as often; go on to `try_out`, and more is asked.
def test_a_target_that_takes_nothing_is_told_soon_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.001)
    full = Reply(503, {}, b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")
    with ExactS3() as exact:
        writes: list[str] = []
        exact.before = lambda method, key, _: (writes.append(key), full)[1] if method == "PUT" else None
        target = Location.parse("s3://b/x", endpoint=exact.endpoint, anonymous=True)
        found = mg.preflight(tmp_path, target)
        assert [line.said for line in found.lines if line.state == "trouble"] == [mock.ANY]
        assert "wants fewer requests" in str(found)
        assert len(writes) == retries.TRIES


# Mutation: let `_tried` take every error for well.
def test_wrong_keys_and_a_bucket_that_is_not_there_are_said(
    place: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = command_json("preflight", tmp_path, "s3://no-such-bucket-here/x", code=1)
    assert any(line["state"] == "trouble" and "no-such-bucket-here" in line["said"] for line in told["lines"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    answer = command_here("preflight", place("x"), tmp_path)
    assert answer.code == 1
    assert "✗ source: reach" in answer.out
    assert "hunter2" not in answer.out


def test_rights_that_end_at_reading_are_found(wayside: Any, place: Callable[[str], str], tmp_path: Path) -> None:
    wayside.refuse = lambda method, _path: method in ("PUT", "POST")
    found = mg.preflight(tmp_path, place("x"))
    assert states(found)["target: reach"] == "ok"
    assert states(found)["target: write"] == "trouble"
    assert "target: delete" not in states(found)


# Mutation: let `_rights` be content with what was written.
def test_a_right_that_is_missing_is_told_by_its_name(
    wayside: Any, place: Callable[[str], str], tmp_path: Path, client: Any, bucket: str, prefix: str
) -> None:
    wayside.refuse = lambda method, path: method == "DELETE" and "preflight" in path
    found = mg.preflight(tmp_path, place("x"))
    rights = {name: state for name, state in states(found).items() if name in ("target: write", "target: delete")}
    assert rights == {"target: write": "ok", "target: delete": "trouble"}
    assert listed(client, bucket, prefix)  # what is left is named
    assert ".migrator-trial-preflight-" in str(found)


# Mutations: let `_give_up` not finish what it can't abort, and an upload stays open; let `_make` not abort.
@pytest.mark.parametrize(
    ("refused", "what", "advice"),
    [
        (("DELETE", "uploadId="), "giving up an upload", "allow s3:AbortMultipartUpload."),
        (("POST", "uploads"), "upload in parts", "denies access"),
        (("PUT", "partNumber="), "upload in parts", "denies access"),
    ],
)
def test_uploads_in_parts_that_are_not_allowed_are_found_and_leave_nothing(
    refused: tuple[str, str], what: str, advice: str, wayside: Any, place: Callable[[str], str], tmp_path: Path,
    client: Any, bucket: str, prefix: str,
) -> None:  # fmt: skip
    wayside.refuse = lambda method, path: method == refused[0] and refused[1] in path
    found = mg.preflight(tmp_path, place("x"))
    told = {line.what: line.said for line in found.lines if line.state == "trouble"}
    assert advice in told[f"target: {what}"]
    assert listed(client, bucket, prefix) == {}
    assert not client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads")


# Mutation: let `is_versioned` take a refusal for a no.
def test_whether_older_versions_are_kept_is_told_on_both_sides(
    aws: Any, client: Any, place: Callable[[str], str], wayside: Any, tmp_path: Path
) -> None:
    kept = aws.make_bucket("versions")
    client.put_bucket_versioning(Bucket=kept, VersioningConfiguration={"Status": "Enabled"})
    there = f"s3://{kept}/x"
    assert {"source: versions": "note", "target: versions": "ok"}.items() <= states(
        mg.preflight(there, place("x"))
    ).items()
    assert "stays as an older version" in str(mg.preflight(place("x"), there))
    wayside.refuse = lambda _method, path: "versioning" in path
    assert "it does not tell" in str(mg.preflight(tmp_path, place("x")))


def test_one_place_is_told(tmp_path: Path) -> None:
    found = mg.preflight(tmp_path, tmp_path / "sub")
    assert states(found)["apart"] == "trouble"
    assert "inside the other" in str(found)


@pytest.mark.parametrize(("ahead", "state"), [(0, "ok"), (120, "note"), (-1200, "trouble")])
def test_a_clock_that_is_off_is_told(ahead: int, state: str) -> None:
    class Remote(S3Store):
        def date(self) -> str:
            return formatdate(time.time() + ahead)

    [line] = _clock(Remote(Location.parse("s3://bbb", anonymous=True)), "target")
    assert line.state == state
