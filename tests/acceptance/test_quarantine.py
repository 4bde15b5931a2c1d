"""What is replaced is kept first, and comes back; killed at any moment nothing of it is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import command, ends, moving, runner_of
from trees import MIB, in_folder, listed

import migrator as mg
from migrator.errors import BadInput


def lay(folder: Path, text: str, number: int = 12) -> Path:
    for n in range(number):
        (folder / f"d{n % 3}").mkdir(parents=True, exist_ok=True)
        (folder / f"d{n % 3}" / f"{n}.txt").write_text(f"{text} {n}")
    return folder


def outside(folder: Path) -> dict[str, str]:
    return {key: data for key, data in in_folder(folder).items() if not key.startswith(".migrator-quarantine/")}


# Mutations: write without `keep`; leave QUARANTINE in the listings.
def test_what_a_folder_held_is_kept_and_comes_back(tmp_path: Path) -> None:
    source, target = lay(tmp_path / "in", "new"), lay(tmp_path / "out", "older")
    before = in_folder(target)
    run = mg.start(mg.CopyObjects(source, target, overwrite="if-different"))
    assert run.wait(60).copied == 12
    assert outside(target) == in_folder(source)
    assert in_folder(target / ".migrator-quarantine" / run.id) == before
    assert mg.start(mg.CopyObjects(source, target)).wait(60).skipped == 12  # what is kept is in no plan
    answer = command("restore", run.id)
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
    kept = {key: entry["Size"] for key, entry in listed(client, bucket, f"{prefix}/out").items() if "quarantine" in key}
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


@pytest.mark.parametrize("round_", range(3))
def test_killed_while_it_replaces_nothing_is_lost(round_: int, tmp_path: Path) -> None:
    source, target = lay(tmp_path / "in", "new" * 50, 3_000), lay(tmp_path / "out", "older", 3_000)
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
