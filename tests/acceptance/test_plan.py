"""The plan is data: it is looked at, a part of it is applied, and that very part is done."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import command_here, command_json

import migrator as mg
from migrator.errors import BadInput, ConfigError


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
        "source",
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
    text = str(command_here("plan", planned.id).out)
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
    assert "where key = 'd.bin'" in str(mg.attach(rest["id"]).report())  # an auditor asks which part it was


# Mutation: leave the pinned version out of LocalStore.open.
def test_a_row_whose_source_changed_since_the_plan_is_refused(planned: mg.Run, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.csv").write_text("changed since")
    seen = mg.apply(planned, where="action = 'create'").wait(60, check=False)
    assert (seen.status, seen.copied, seen.refused) == ("partial", 2, 1)
    assert not (tmp_path / "out" / "a.csv").exists()


# Mutation: leave check_drift out of Attempt.execute.
def test_a_plan_that_drifted_more_than_was_allowed_is_not_applied(planned: mg.Run, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.csv").write_text("changed since")
    (tmp_path / "out" / "d.bin").write_text("appeared since")
    seen = mg.apply(planned, max_drift=1).wait(60, check=False)
    assert (seen.status, seen.done) == ("failed", 0)
    said = "Not as planned any more: 2 objects, more than `max_drift=1` allows; the first: 'a.csv', 'd.bin'"
    assert said in str(seen.error)
    assert not (tmp_path / "out" / "b").exists()
    done = command_json("apply", planned.id, "--max-drift", "2", code=10)
    assert (done["copied"], done["refused"], done["spec"]["max_drift"]) == (1, 4, 2)


@pytest.mark.parametrize(
    ("where", "said"),
    [("bytes > 1", "The columns are key"), ("key = 'nothing'", "none of the plan's rows"), ("size >", "no expression"),
     ("(select 1) = 1", "more than the row")],
)  # fmt: skip
def test_what_selects_nothing_or_is_no_expression_leaves_nothing(planned: mg.Run, where: str, said: str) -> None:
    before = len(mg.runs())
    with pytest.raises(BadInput, match=said):
        mg.apply(planned, where=where)
    answer = command_here("apply", planned.id, "--where", where)
    assert answer.code == 2
    assert said in " ".join(answer.err.split())
    assert len(mg.runs()) == before


def test_the_summary_pictures_prefixes_and_tells_what_is_there_twice_and_the_cost(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    for n in range(4):
        client.put_object(Bucket=bucket, Key=f"{prefix}/in/{'ab'[n % 2]}/{n}", Body=b"the same" * 1000)
    run = mg.start(mg.CopyObjects(place("in"), tmp_path / "out"), dry_run=True)
    run.wait(60)
    summary = run.plan_summary()
    assert [(one["prefix"], one["items"], one["bytes"]) for one in summary.prefixes] == [
        ("a/", 2, 16_000), ("b/", 2, 16_000),
    ]  # fmt: skip
    assert summary.doubles == {"groups": 1, "items": 4, "bytes": 24_000}
    assert summary.cost
    assert summary.cost.requests == {"PUT": 0, "GET": 4, "LIST": 1}
    assert summary.cost.bytes_out == 32_000
    text, page = str(summary), summary._repr_html_()
    assert "by a probe of 4 objects, 8 at once" in text
    assert "█" in text
    assert "4 objects have the bytes of another one" in page
    assert "4 GET, 1 LIST" in text
    how = {"template": "{etag}.bin", "collisions": "keep-identical-once"}
    once = mg.start(mg.CopyObjects(place("in"), tmp_path / "once", **how))
    assert (once.wait(60).copied, len(list((tmp_path / "once").iterdir()))) == (1, 1)
    assert len(once.key_map().select("target_key").distinct().fetchall()) == 1
    assert len(once.key_map().fetchall()) == 4  # copied once, and all are mapped


# Mutation: leave `_check_worth` out of apply.
def test_a_plan_that_costs_more_or_is_old_is_not_applied(place: Callable[[str], str], tmp_path: Path) -> None:
    Path(os.environ["MIGRATOR_CONFIG"]).write_text("[prices]\nput_1000 = 1000\ncurrency = 'EUR'\n")
    lay(tmp_path / "in", {"a": "1", "b": "2"})
    plan = mg.start(mg.CopyObjects(tmp_path / "in", place("out")), dry_run=True)
    plan.wait(60)
    with pytest.raises(BadInput, match=r"costs about 3.00 EUR: 2 PUT, 1 LIST.*more than `max_cost=2` allows"):
        mg.apply(plan, max_cost=2)
    with pytest.raises(BadInput, match="older than 0m"):
        mg.apply(plan, max_age="0m")
    assert mg.apply(plan, max_cost=3).wait(60).copied == 2
    Path(os.environ["MIGRATOR_CONFIG"]).write_text("[prices]\npu_1000 = 1000\n")
    with pytest.raises(ConfigError, match="'pu_1000'; it may hold currency"):
        plan.plan_summary()


# Mutation: leave weigh_losses out of the plan.
def test_what_a_folder_would_not_keep_is_told_before_and_refused_where_that_is_asked(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    client.put_object(
        Bucket=bucket,
        Key=f"{prefix}/in/a",
        Body=b"1",
        Metadata={"owner": "ann"},
        CacheControl="no-store",
        ContentType="application/octet-stream",
    )
    client.put_object(Bucket=bucket, Key=f"{prefix}/in/b", Body=b"2", ContentType="application/octet-stream")
    run = mg.start(mg.CopyObjects(place("in"), tmp_path / "out", preview_loss=True), dry_run=True)
    run.wait(60)
    assert {one["loss"]: one["items"] for one in run.plan_summary().losses} == {"cache-control": 1, "meta:owner": 1}
    seen = mg.start(mg.CopyObjects(place("in"), tmp_path / "out", on_loss="refuse")).wait(60, check=False)
    assert (seen.copied, seen.refused) == (1, 1)
    assert not (tmp_path / "out" / "a").exists()
    for _ in range(2):  # the second one finds its sidecars there
        run = mg.start(
            mg.CopyObjects(place("in"), tmp_path / "side", on_loss="sidecar", overwrite="always", before="none")
        )
        assert run.wait(60).copied == 2
    kept = json.loads((tmp_path / "side" / ".migrator-attributes" / "a.json").read_text())
    assert (kept["metadata"], kept["headers"]["cache-control"]) == ({"owner": "ann"}, "no-store")
    assert not (tmp_path / "side" / ".migrator-attributes" / "b.json").exists()
    assert mg.start(mg.Verify(place("in"), tmp_path / "side")).wait(60).skipped == 2  # they are no extras


def test_runs_are_found_and_compared(tmp_path: Path) -> None:
    lay(tmp_path / "in", {"a": "1", "b": "2"})
    first = mg.start(mg.CopyObjects(tmp_path / "in", tmp_path / "out"), tags=["nightly", "größe"], name="one")
    first.wait(60)
    lay(tmp_path / "in", {"b": "changed", "c": "3"})
    second = mg.start(mg.CopyObjects(tmp_path / "in", tmp_path / "out"), tags=["night"])
    second.wait(60, check=False)
    assert mg.runs(tag="nightly") == mg.runs(tag="größe") == mg.runs(text="ONE") == [first]
    assert mg.runs(tag="night") == mg.runs(status="partial") == [second]
    differ = first.compare(second).select("key", "status", "other_status").fetchall()
    assert differ == [("a", "copied", "skipped"), ("b", "copied", "refused"), ("c", None, "copied")]
    assert (
        command_here("compare", first.id, second.id, "--format", "csv").out.splitlines()[3].startswith("c,,,,,,create")
    )
