"""The plan is data: it is looked at, a part of it is applied, and that very part is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from driving import command, command_json

import migrator as mg
from migrator.errors import BadInput


@pytest.fixture
def planned(tmp_path: Path, state: str) -> mg.Run:
    """Two to create, one the same, one different, one refused."""
    source, target = tmp_path / "in", tmp_path / "out"
    lay(source, {"a.csv": "1", "b/c.csv": "22" * 40, "same": "s", "other": "newer", "d.bin": "<&>"})
    lay(target, {"same": "s", "other": "old"})
    (source / "link").symlink_to("a.csv")
    run = mg.start(mg.CopyObjects(source, target), dry_run=True)
    run.wait(60)
    return run


def lay(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))


def test_the_plan_is_a_relation_with_the_columns_that_where_takes(planned: mg.Run) -> None:
    plan = planned.plan()
    assert plan.filter("action = 'create' and size > 1").select("key").fetchall() == [("b/c.csv",), ("d.bin",)]
    assert plan.columns == [
        "key", "target_key", "action", "reason", "size", "mtime", "etag", "before", "detail", "item_no",
    ]  # fmt: skip
    assert str(plan.filter("key = 'a.csv'").select("mtime").fetchall()[0][0]) == "2023-11-14 22:13:20"


def test_the_summary_says_what_would_be_done_and_why(planned: mg.Run) -> None:
    summary = planned.plan_summary()
    assert summary.to_write == (3, 84)
    counted = sorted((group["action"], group["items"], group["samples"]) for group in summary.groups)
    assert counted == [
        ("create", 3, ["a.csv", "b/c.csv", "d.bin"]), ("refuse", 1, ["link"]), ("refuse", 1, ["other"]),
        ("skip", 1, ["same"]),
    ]  # fmt: skip
    assert [one["key"] for one in summary.biggest] == ["b/c.csv", "d.bin", "a.csv"]
    text = str(command("plan", planned.id).out)
    assert "3 to write" in text
    assert "different object stands at the target" in text
    assert command_json("plan", planned.id)["biggest"][0]["bytes"] == 80
    assert "<table>" in summary._repr_html_()


# Mutation: leave `where` out of api.apply's launch, and all of it is copied.
def test_only_the_chosen_part_is_applied(planned: mg.Run, tmp_path: Path) -> None:
    run = mg.apply(planned, where="key like '%.csv'")
    seen = run.wait(60)
    assert (seen.status, seen.total, seen.copied, seen.plan_run) == ("completed", 2, 2, planned.id)
    assert seen.plan_hash != planned.snapshot().plan_hash
    assert (tmp_path / "out" / "b" / "c.csv").exists()
    assert not (tmp_path / "out" / "d.bin").exists()
    assert sorted(key for (key,) in run.items().select("key").fetchall()) == ["a.csv", "b/c.csv"]
    rest = command_json("apply", planned.id, "--where", "key = 'd.bin'")
    assert (rest["status"], rest["copied"]) == ("completed", 1)


# Mutation: leave the pinned version out of LocalStore.open.
def test_a_row_whose_source_changed_since_the_plan_is_not_copied(planned: mg.Run, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.csv").write_text("changed since")
    seen = mg.apply(planned, where="action = 'create'").wait(60, check=False)
    assert (seen.status, seen.copied, seen.failed) == ("partial", 2, 1)
    assert not (tmp_path / "out" / "a.csv").exists()


@pytest.mark.parametrize(
    ("where", "said"),
    [("bytes > 1", "The columns are key"), ("key = 'nothing'", "none of the plan's rows"), ("size >", "no expression"),
     ("(select 1) = 1", "more than the row")],
)  # fmt: skip
def test_what_selects_nothing_or_is_no_expression_leaves_nothing(planned: mg.Run, where: str, said: str) -> None:
    before = len(mg.runs())
    with pytest.raises(BadInput, match=said):
        mg.apply(planned, where=where)
    answer = command("apply", planned.id, "--where", where)
    assert answer.code == 1
    assert said in " ".join(answer.err.split())
    assert len(mg.runs()) == before
