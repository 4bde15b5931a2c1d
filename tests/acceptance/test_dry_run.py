"""A dry run writes nothing, and what is applied is the very plan that was seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import SENTENCE, command_here, command_json, row, runs_recorded, workspaces
from trees import in_bucket, in_folder, listed, small_tree
from wayside import Wayside

from migrator import CopyObjects, api

WRITES = ("PUT", "POST", "DELETE", "PATCH")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "from", 40)


def written(wayside: Wayside) -> int:
    return sum(wayside.methods[method] for method in WRITES)


def planned_by(source: str | Path, target: str | Path, **options: Any) -> api.Run:
    """A finished dry run."""
    run = api.start(CopyObjects(source, target, **options), dry_run=True)
    run.wait(60)
    return run


TRIAL = 4  # what the bucket heeds is found out first: an object, two writes that it should refuse, and it is gone


def test_a_dry_run_sends_no_write_in_any_direction(
    source: Path, wayside: Wayside, place: Callable[[str], str], tmp_path: Path
) -> None:
    api.start(CopyObjects(source, place("there"))).wait(60)
    assert written(wayside) == 40 + TRIAL
    wayside.methods.clear()
    for one, other in ((source, place("new")), (place("there"), place("new")), (place("there"), tmp_path / "new")):
        seen = command_json("copy", one, other, "--dry-run")
        assert (seen["status"], seen["dry_run"]) == ("completed", True)
        assert seen["actions"] == {"create": {"items": 40, "bytes": seen["bytes_total"]}}
        assert (seen["total"], seen["copied"], seen["done"]) == (40, 0, 0)
    assert written(wayside) == 0
    assert wayside.methods["GET"] > 0  # it did look
    assert not (tmp_path / "new").exists()


def test_a_dry_run_towards_a_deep_folder_makes_none_of_it_and_says_how_to_go_on(source: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    answer = command_here("copy", source, tmp_path / "a" / "b" / "c", "--dry-run")
    assert (answer.code, answer.out) == (0, ""), answer
    assert "Nothing was written. `migrator apply " in answer.err
    assert set(tmp_path.iterdir()) - before == {tmp_path / "own", tmp_path / "own-runs"}


def test_apply_copies_exactly_the_plan_as_a_new_run(
    source: Path, place: Callable[[str], str], bucket: str, prefix: str, client: Any
) -> None:
    planned = in_folder(source)
    dry = command_json("copy", source, place("to"), "--dry-run", "--name", "a plan", "--tag", "blue")
    (source / "came-later").write_bytes(b"not in the plan")
    done = command_json("apply", dry["id"])
    assert (done["status"], done["copied"], done["total"]) == ("completed", 40, 40)
    assert (done["plan_run"], done["plan_hash"], done["dry_run"]) == (dry["id"], dry["plan_hash"], False)
    assert done["id"] != dry["id"]
    assert (done["name"], done["tags"]) == ("a plan", ["blue"])
    assert in_bucket(client, bucket, f"{prefix}/to") == planned
    again = row(dry["id"])
    assert (again["status"], again["attempt"], again["copied"]) == ("completed", 1, 0)


def test_what_changed_since_the_plan_is_refused_with_its_reason_and_the_rest_is_copied(
    source: Path, tmp_path: Path
) -> None:
    planned = in_folder(source)
    dry = planned_by(source, tmp_path / "to")
    changed, removed, *_ = sorted(planned)
    (source / changed).write_bytes(b"other content, other size")
    (source / removed).unlink()
    done = api.apply(dry).wait(60, check=False)
    assert (done.status, done.refused, done.copied) == ("partial", 2, 38)
    assert in_folder(tmp_path / "to") == {k: v for k, v in planned.items() if k not in (changed, removed)}
    refused = refusals(done.id)
    assert "changed since the plan" in refused[changed]
    assert "not there" in refused[removed]


def test_an_object_of_a_bucket_that_changed_since_the_plan_is_refused_with_its_reason(
    source: Path, place: Callable[[str], str], bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    api.start(CopyObjects(source, place("from"))).wait(60)
    dry = planned_by(place("from"), tmp_path / "to")
    changed = sorted(in_folder(source))[0]
    client.put_object(Bucket=bucket, Key=f"{prefix}/from/{changed}", Body=b"changed")
    done = api.apply(dry).wait(60, check=False)
    assert (done.status, done.refused, done.copied) == ("partial", 1, 39)
    assert "changed since the plan" in refusals(done.id)[changed]
    assert not (tmp_path / "to" / changed).exists()


@pytest.mark.parametrize("overwrite", ["never", "if-different"])
@pytest.mark.parametrize("target", ["folder", "bucket"])
def test_what_appeared_at_the_target_since_the_plan_is_not_overwritten(
    target: str, overwrite: str, source: Path, bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    dry = planned_by(
        source, tmp_path / "to" if target == "folder" else f"s3://{bucket}/{prefix}/to", overwrite=overwrite
    )
    theirs, ours, *_ = sorted(key for key in in_folder(source) if (source / key).stat().st_size)
    same_size = bytes(b ^ 1 for b in (source / theirs).read_bytes())
    for key, content in ((theirs, same_size), (ours, (source / ours).read_bytes())):
        if target == "folder":
            (tmp_path / "to" / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "to" / key).write_bytes(content)
        else:
            client.put_object(Bucket=bucket, Key=f"{prefix}/to/{key}", Body=content)
    done = api.apply(dry).wait(60, check=False)
    assert (done.status, done.refused, done.adopted, done.copied) == ("partial", 1, 1, 38)
    assert "appeared" in refusals(done.id)[theirs]
    if target == "folder":
        assert (tmp_path / "to" / theirs).read_bytes() == same_size
    else:
        assert client.get_object(Bucket=bucket, Key=f"{prefix}/to/{theirs}")["Body"].read() == same_size
        assert len(listed(client, bucket, f"{prefix}/to")) == 40


def test_what_stood_at_the_target_and_changed_since_the_plan_is_not_overwritten(source: Path, tmp_path: Path) -> None:
    key = sorted(in_folder(source))[0]
    there = tmp_path / "to" / key
    there.parent.mkdir(parents=True)
    there.write_bytes(b"what was planned to be replaced")
    dry = planned_by(source, tmp_path / "to", overwrite="if-different")
    assert dry.snapshot().actions["overwrite"]["items"] == 1
    there.write_bytes(b"what somebody wrote meanwhile")
    done = api.apply(dry).wait(60, check=False)
    assert (done.refused, done.copied) == (1, 39)
    assert there.read_bytes() == b"what somebody wrote meanwhile"


def refusals(run_id: str) -> dict[str, str]:
    """Keys of the refused items, with the reasons."""
    relation = api.attach(run_id).items("refused")
    return dict(relation.select("key", "error").fetchall())


@pytest.mark.parametrize("what", ["no dry run", "its plan was tampered with", "its plan is gone"])
def test_what_is_no_finished_plan_can_not_be_applied(what: str, source: Path, tmp_path: Path) -> None:
    run = api.start(CopyObjects(source, tmp_path / "to"), dry_run=what != "no dry run")
    run_id = run.wait(60).id
    plan = next((Path(os.environ["MIGRATOR_WORKSPACE"]) / run_id / "plan").glob("*.parquet"))
    if what == "its plan was tampered with":
        plan.write_bytes(plan.read_bytes()[:-1] + b"?")
    if what == "its plan is gone":
        plan.unlink()
    answer = command_here("apply", run_id)
    assert (answer.code, answer.out) == (2, ""), answer
    assert SENTENCE.fullmatch(answer.err), answer
    assert (runs_recorded(), workspaces()) == (1, [run_id])


def test_a_plan_can_be_applied_again(source: Path, tmp_path: Path) -> None:
    dry = planned_by(source, tmp_path / "to")
    first, second = api.apply(dry).wait(60), api.apply(dry).wait(60)
    assert (first.copied, second.adopted, second.status) == (40, 40, "completed")
