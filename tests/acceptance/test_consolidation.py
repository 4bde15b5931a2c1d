"""Several sources into one target: none of them loses anything, each row says where it is from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import command_here, command_json, runs_recorded
from trees import in_folder, listed

import migrator as mg
from migrator.errors import BadInput


def lay(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def ended(run: mg.Run) -> mg.Run:
    run.wait(60, check=False)
    return run


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """The same key in all: of one content in two, of another in the third."""
    lay(tmp_path / "a", {"same": "1", "only-a": "a"})
    lay(tmp_path / "b", {"same": "1", "d/only-b": "b"})
    lay(tmp_path / "c", {"same": "another", "only-c": "c"})
    return [tmp_path / name for name in "abc"]


# Mutations: leave `terms.sources` out of `_join`, and two are written to one name; leave `{of}` out of SUFFIXED, and
# two that yield get one name again.
@pytest.mark.parametrize(
    ("collisions", "actions", "stands"),
    [
        ("refuse", ["refuse", "refuse", "refuse"], None),
        ("keep-newest", ["omit", "omit", "create"], "another"),
        ("keep-identical-once", ["create", "skip", "refuse"], "1"),
        ("rename", ["create", "create", "create"], "1"),
    ],
)
def test_a_key_of_several_sources_is_settled_by_the_policy(
    three: list[Path], tmp_path: Path, collisions: str, actions: list[str], stands: str | None
) -> None:
    for at, folder in enumerate(three):
        import os

        os.utime(folder / "same", (1_700_000_000 + at,) * 2)
    run = ended(mg.start(mg.CopyObjects(three, tmp_path / "out", collisions=collisions)))
    planned = run.plan().filter("key = 'same'").select("source", "action", "reason").fetchall()
    assert [(source, action) for source, action, _ in planned] == [
        (str(folder), action) for folder, action in zip(three, actions, strict=True)
    ]
    assert run.snapshot().title == f"3 sources → {tmp_path / 'out'}"
    there = in_folder(tmp_path / "out")
    assert {"only-a", "d/only-b", "only-c"} <= set(there)
    assert len(there) == 3 + sum(action == "create" for action in actions)
    if stands:
        assert (tmp_path / "out" / "same").read_text() == stands
    else:
        assert f"'same' of {three[2]} would get the same name" in planned[0][2]
    mapped = {
        (source, key): name for source, key, name in run.key_map().select("source", "key", "target_key").fetchall()
    }
    assert mapped[str(three[1]), "d/only-b"] == "d/only-b"
    if collisions == "rename":
        assert len({name for (_, key), name in mapped.items() if key == "same"}) == 3
        again = ended(mg.start(mg.CopyObjects(three, tmp_path / "out", collisions=collisions)))
        assert (again.snapshot().copied, in_folder(tmp_path / "out")) == (0, there)


def test_folder_and_bucket_go_into_one_by_the_command_as_a_plan_that_is_applied_and_retried(
    three: list[Path], place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    client.put_object(Bucket=bucket, Key=f"{prefix}/old/same", Body=b"far", Metadata={"owner": "ann"})
    client.put_object(Bucket=bucket, Key=f"{prefix}/old/far", Body=b"far")
    words = [three[0], place("old"), place("new")]
    plan = command_json("copy", *words, "--dry-run")
    assert plan["actions"]["create"]["items"] == 2
    summary = command_json("plan", plan["id"])
    assert summary["cost"]["requests"]["GET"] == 1  # of the folder nothing is asked
    lay(three[0], {"only-a": "changed since"})
    done = command_json("apply", plan["id"], code=10)
    assert (done["copied"], done["refused"]) == (1, 3)  # two of one name, and the one that changed
    again = command_json("retry", done["id"], code=10)
    assert (again["copied"], again["refused"], again["total"]) == (1, 2, 3)
    assert set(listed(client, bucket, f"{prefix}/new")) == {"far", "only-a"}
    run = ended(mg.start(mg.CopyObjects([three[0], place("old")], place("new"), collisions="rename")))
    assert run.snapshot().copied == 2
    report = str(run.report())
    assert "2 sources" in report
    assert place("old") in report
    # What is deleted is of one source, and only what is proved.
    with pytest.raises(BadInput, match=r"copied 2 sources; say which"):
        mg.DeleteSource.of(run)
    gone = ended(mg.start(mg.DeleteSource.of(run, source=f"{place('old')}/")))
    assert (gone.status, set(listed(client, bucket, f"{prefix}/old"))) == ("completed", {"far"})
    assert in_folder(three[0]).keys() == {"only-a", "same"}


# Mutation: leave `same_source` out of the drift, and the same key of another source counts.
def test_drift_is_told_by_source(three: list[Path], tmp_path: Path) -> None:
    plan = ended(mg.start(mg.CopyObjects(three, tmp_path / "out", collisions="rename"), dry_run=True))
    lay(three[1], {"same": "changed since"})
    seen = ended(mg.apply(plan, max_drift=0)).snapshot()
    assert (seen.status, seen.done) == ("failed", 0)
    assert "Not as planned any more: 1 object" in str(seen.error)
    assert "the first: 'same'" in str(seen.error)


# Mutation: leave `_check_sources` out.
def test_what_cannot_be_of_several_sources_is_told_before_anything_is_recorded(
    three: list[Path], tmp_path: Path
) -> None:
    a, b, _ = three
    (tmp_path / "keys.csv").write_text(f"key,source\nsame,{tmp_path}\n")
    for sources, how, said in (
        ([a, b, a], {}, "Two of the sources"),
        ([a, b, a / "sub"], {}, "hold the same objects"),
        ([b, tmp_path], {}, "lies inside"),
        ([a, b], {"delete_extra": True}, "`delete_extra=` goes with one source"),
        ([a, b], {"source_after": "delete-verified"}, "`source_after=` goes with one source"),
        ([], {}, "at least one"),
    ):
        with pytest.raises(BadInput, match=said):
            mg.start(mg.CopyObjects(sources, tmp_path / "out", **how))
    with pytest.raises(BadInput, match="only a copy's source may be several"):
        mg.Verify([a, b], tmp_path / "out")
    answer = command_here("copy", a, b, a, tmp_path / "out")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert runs_recorded() == 0
    run = ended(mg.start(mg.CopyObjects([a, b], tmp_path / "out", manifest=tmp_path / "keys.csv")))
    assert "names the source" in str(run.snapshot().error)
    assert not (tmp_path / "out").exists()
