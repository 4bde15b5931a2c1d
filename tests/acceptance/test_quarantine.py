"""What is replaced is kept first, and comes back; killed at any moment nothing of it is lost."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import command_here, ends, events_of, moving, runner_of
from trees import MIB, in_folder, listed

import migrator as mg
from migrator.errors import BadInput
from migrator.words import moment


def lay(folder: Path, text: str, number: int = 12) -> Path:
    for n in range(number):
        (folder / f"d{n % 3}").mkdir(parents=True, exist_ok=True)
        (folder / f"d{n % 3}" / f"{n}.txt").write_text(f"{text} {n}")
    return folder


def outside(folder: Path) -> dict[str, str]:
    return {key: data for key, data in in_folder(folder).items() if not key.startswith(".migrator-quarantine/")}


# Mutations: write without `keep`; leave QUARANTINE in the listings; let `source` only log what it leaves out, or
# `target` warn of it.
def test_what_a_folder_held_is_kept_and_comes_back(tmp_path: Path) -> None:
    source, target = lay(tmp_path / "in", "new"), lay(tmp_path / "out", "older")
    before = in_folder(target)
    run = mg.start(mg.CopyObjects(source, target, overwrite="if-different"))
    assert run.wait(60).copied == 12
    assert outside(target) == in_folder(source)
    assert in_folder(target / ".migrator-quarantine" / run.id) == before
    assert mg.start(mg.CopyObjects(source, target)).wait(60).skipped == 12  # what is kept is in no plan
    onward = mg.start(mg.CopyObjects(target, tmp_path / "on"), dry_run=True)
    assert onward.wait(60).total == 12
    kept = len(in_folder(target)) - len(outside(target))
    assert [note["text"].partition(" below ")[0] for note in events_of(onward, "warning")] == [f"Objects of {target}"]
    assert events_of(onward, "warning")[0]["text"].endswith(f"are what earlier runs keep, and left out: {kept}.")
    assert events_of(mg.runs(2)[1], "warning") == []
    page = str(run.report())
    assert f"kept below {target}/.migrator-quarantine/{run.id}" in page.replace("\\", "")
    assert "| by | migrator" in page
    answer = command_here("restore", run.id)
    assert answer.code == 0, answer
    assert outside(target) == before
    assert in_folder(target / ".migrator-quarantine" / mg.runs(1)[0].id) == in_folder(source)
    with pytest.raises(BadInput, match="kept nothing in quarantine"):
        mg.restore(mg.runs(2)[1])


def test_what_a_bucket_held_is_kept_with_all_that_it_carries(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    source = lay(tmp_path / "in", "new", 3)
    (source / "big").write_bytes(os.urandom(9 * MIB))
    old = os.urandom(2 * MIB)
    client.put_object(Bucket=bucket, Key=f"{prefix}/out/d0/0.txt", Body=b"older", Metadata={"owner": "ann"})
    client.put_object(Bucket=bucket, Key=f"{prefix}/out/big", Body=old)
    run = mg.start(mg.CopyObjects(source, place("out"), overwrite="if-different"))
    assert run.wait(60).copied == 4
    kept = {
        key: entry["Size"]
        for key, entry in listed(client, bucket, f"{prefix}/out").items()
        if f"quarantine/{run.id}/" in key
    }
    assert kept == {
        f".migrator-quarantine/{run.id}/d0/0.txt": 5, f".migrator-quarantine/{run.id}/big": 2 * MIB,
    }  # fmt: skip
    mg.restore(run).wait(60)
    back = client.get_object(Bucket=bucket, Key=f"{prefix}/out/d0/0.txt")
    assert (back["Body"].read(), back["Metadata"]) == (b"older", {"owner": "ann"})
    assert client.get_object(Bucket=bucket, Key=f"{prefix}/out/big")["Body"].read() == old


# Mutation: let rows be written that were not kept.
def test_what_can_not_be_kept_is_not_replaced(tmp_path: Path) -> None:
    source, target = lay(tmp_path / "in", "new", 3), lay(tmp_path / "out", "older", 3)
    before = in_folder(target)
    (target / ".migrator-quarantine").write_text("a file is in the way")
    seen = mg.start(mg.CopyObjects(source, target, overwrite="if-different")).wait(60, check=False)
    assert (seen.status, seen.failed, seen.copied) == ("partial", 3, 0)
    assert {key: data for key, data in in_folder(target).items() if key in before} == before


@pytest.mark.parametrize("round_", [0, 1, pytest.param(2, marks=pytest.mark.soak)])
def test_killed_while_it_replaces_nothing_is_lost(round_: int, tmp_path: Path) -> None:
    source, target = lay(tmp_path / "in", "new" * 50, 2_000), lay(tmp_path / "out", "older", 2_000)
    before = in_folder(target)
    run = mg.start(mg.CopyObjects(source, target, overwrite="if-different"))
    runner = runner_of(run)
    if round_:
        moving(run)
    os.killpg(runner.pid, signal.SIGKILL)
    assert run.wait(30, check=False).status == "interrupted"
    now = in_folder(target)
    for key, digest in before.items():  # at any moment the older bytes are in one of the two places
        assert digest in (now.get(key), now.get(f".migrator-quarantine/{run.id}/{key}"))
    run.resume()
    assert ends(run) == "completed"
    assert outside(target) == in_folder(source)
    assert in_folder(target / ".migrator-quarantine" / run.id) == before


def test_a_dry_run_says_what_is_kept_and_what_is_not(tmp_path: Path) -> None:
    source, target = lay(tmp_path / "in", "new", 1), lay(tmp_path / "out", "older", 1)
    for before, said in (("keep", "kept in quarantine first"), ("none", "can't be brought back")):
        run = mg.start(mg.CopyObjects(source, target, overwrite="always", before=before), dry_run=True)
        run.wait(60)
        assert said in str(run.plan_summary())
    assert not (target / ".migrator-quarantine").exists()


def kept_below(folder: Path, run: mg.Run) -> dict[str, str]:
    return in_folder(folder / ".migrator-quarantine" / run.id)


# Mutations: leave `_write_manifest` out; write it after `sync`'s caller has replaced (the last line of `keep`).
def test_a_manifest_tells_what_stood_where(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    source = lay(tmp_path / "in", "new", 3)
    for name, body in (("d0/0.txt", b"older"), ("d1/1.txt", b"=1+1")):
        client.put_object(
            Bucket=bucket, Key=f"{prefix}/out/{name}", Body=body, ContentType="text/x-old", Metadata={"owner": "ann"}
        )
    run = mg.start(mg.CopyObjects(source, place("out"), overwrite="if-different"))
    run.wait(60)
    told = {row["key"]: row for row in run.kept().df().to_dict("records")}
    assert set(told) == {"d0/0.txt", "d1/1.txt"}  # the third replaced nothing
    one = told["d0/0.txt"]
    assert one["kept_as"] == f".migrator-quarantine/{run.id}/d0/0.txt"
    assert (one["size"], one["because"]) == (5, "overwrite")
    assert one["digest"] == f"md5:{hashlib.md5(b'older').hexdigest()}" == f"md5:{one['etag']}"
    assert json.loads(one["metadata"]) == {"owner": "ann"}
    assert json.loads(one["headers"])["content-type"] == "text/x-old"
    assert one["at"] <= run.snapshot().finished_at
    [name] = [key for key in listed(client, bucket, f"{prefix}/out") if ".manifest/" in key]
    lines = client.get_object(Bucket=bucket, Key=f"{prefix}/out/{name}")["Body"].read().splitlines()
    assert {json.loads(line)["run"] for line in lines} == {run.id}  # whoever has the bucket alone can read it
    assert command_here("quarantine", "show", run.id, "--format", "csv").out.count(".migrator-quarantine") == 2


# Mutations: let `plan` take what is young, or say nothing where none is old; leave `check_unneeded` out of `start`; let
# `_before` ignore the age.
def test_what_is_kept_is_listed_and_goes_only_when_it_is_old_and_nobody_needs_it(tmp_path: Path) -> None:
    target = lay(tmp_path / "out", "older", 4)
    runs = []
    for text in ("new", "newer"):
        runs.append(mg.start(mg.CopyObjects(lay(tmp_path / text, text, 4), target, overwrite="if-different")))
        runs[-1].wait(60)
    _age(target, runs[0], days=100)
    first, second = mg.quarantine(target)
    assert [(one.run, one.objects, one.status) for one in (first, second)] == [
        (run.id, 4, "completed") for run in runs
    ]  # fmt: skip
    assert first.expires is not None
    assert first.kept_at is not None
    assert first.expires - first.kept_at == 90 * 86_400_000
    assert runs[0].id in command_here("quarantine", "list", target).out
    before = in_folder(target)
    answer = command_here("quarantine", "purge", target)
    assert answer.code == 0, answer
    assert in_folder(target) == before  # that was a dry run
    assert mg.runs(1)[0].snapshot().total == 5
    young = command_here("quarantine", "purge", target, "--older-than", "200d").err
    due = moment((first.kept_at or 0) + 200 * 86_400_000)
    assert f"The oldest is what run {runs[0].id} keeps" in young
    assert f"it goes from {due} on, or sooner by --older-than.\nThere is nothing to do." in young
    waiting = mg.restore(runs[0], mode="queue")  # nobody serves the queue
    answer = command_here("quarantine", "purge", target, "--yes")
    assert answer.code == 2
    assert f"needed by run {waiting.id}" in answer.err
    waiting.cancel()
    answer = command_here("quarantine", "purge", target, "--yes")
    assert answer.code == 0, answer
    assert kept_below(target, runs[0]) == {}
    assert len(kept_below(target, runs[1])) == 4
    assert [one.run for one in mg.quarantine(target)] == [runs[1].id]
    purge = mg.start(mg.PurgeQuarantine(target, older_than="0h", run=runs[1].id))
    assert purge.wait(60).outcome == "5 deleted"
    assert mg.quarantine(target) == []
    assert outside(target) == in_folder(tmp_path / "newer")
    assert not (target / ".migrator-quarantine").exists()  # no folders are left that hold nothing


def _age(target: Path, run: mg.Run, days: int) -> None:
    """Let a run have kept what it keeps so many days earlier, as its manifest says."""
    [manifest] = (target / ".migrator-quarantine" / f"{run.id}.manifest").iterdir()
    moment, rest = manifest.name.split("-", 1)
    manifest.rename(manifest.with_name(f"{int(moment) - days * 86_400_000}-{rest}"))


def test_what_no_manifest_dates_stays_and_what_is_no_age_is_told(tmp_path: Path) -> None:
    target = lay(tmp_path / "out" / ".migrator-quarantine" / "gone-run-1", "kept", 2).parents[1]
    purge = mg.start(mg.PurgeQuarantine(target, older_than="0h"), dry_run=True)
    assert purge.wait(60).total == 0
    assert "is not known" in str([event.data for event in purge.events() if event.kind == "warning"])
    assert command_here("quarantine", "purge", target, "--older-than", "long").code == 2
    assert "No run keeps anything" in command_here("quarantine", "list", tmp_path).out


# Mutation: let `_delete_if_same` go by the tag that the object has now.
def test_what_changed_since_a_purge_was_planned_stays(tmp_path: Path) -> None:
    target = lay(tmp_path / "out", "older", 2)
    run = mg.start(mg.CopyObjects(lay(tmp_path / "in", "new", 2), target, overwrite="if-different"))
    run.wait(60)
    plan = mg.start(mg.PurgeQuarantine(target, older_than="0h"), dry_run=True)
    assert plan.wait(60).total == 3
    changed = target / ".migrator-quarantine" / run.id / "d0" / "0.txt"
    changed.write_text("somebody's own")
    purge = mg.apply(plan)
    assert purge.wait(60, check=False).outcome == "2 deleted, 1 left"
    assert changed.read_text() == "somebody's own"
    assert list(kept_below(target, run)) == ["d0/0.txt"]
