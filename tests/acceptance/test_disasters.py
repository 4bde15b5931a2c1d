"""What other tools' users lost their data by, replayed: here each is refused, or harms nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import command_here
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import in_folder, listed

import migrator as mg
from migrator.errors import BadInput, MigratorError, StoreError


def lay(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def copied(source: object, target: object, **how: Any) -> mg.Run:
    run = mg.start(mg.CopyObjects(source, target, **how))
    run.wait(60, check=False)
    return run


def test_an_empty_source_deletes_nothing_at_the_target(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    target = lay(tmp_path / "out", a="1", b="2")
    run = copied(tmp_path / "in", target, overwrite="always")
    assert run.status == "completed"
    assert in_folder(target).keys() == {"a", "b"}
    assert any("nothing to copy" in event.data.get("text", "") for event in run.events())


# Mutation: let a listing that is denied end it.
def test_a_listing_that_failed_is_a_failed_plan_and_never_an_empty_one(
    wayside: Any, place: Callable[[str], str], tmp_path: Path
) -> None:
    copied(lay(tmp_path / "in", a="1"), place("x"))
    migration = mg.CopyObjects(place("x"), tmp_path / "out")
    wayside.refuse = lambda method, path: "list-type=2" in path and "max-keys" not in path
    try:
        run = mg.start(migration)
    except StoreError:
        return  # said before anything was recorded
    seen = run.wait(60, check=False)
    assert (seen.status, seen.phase) == ("failed", "plan")
    assert not (tmp_path / "out").exists()


def test_source_and_target_swapped_lose_nothing(tmp_path: Path) -> None:
    precious, empty = lay(tmp_path / "precious", a="1", b__c="2"), tmp_path / "empty"
    empty.mkdir()
    before = in_folder(precious)
    assert copied(empty, precious, overwrite="always", before="none").status == "completed"
    assert in_folder(precious) == before
    older = lay(tmp_path / "older", a="yesterday's")
    assert copied(older, precious).snapshot().refused == 1  # by default nothing that differs is replaced
    assert in_folder(precious) == before


@pytest.mark.parametrize(("source", "target"), [("in", "in"), ("in", "in/sub"), ("in/sub", "in"), ("in", "link")])
def test_source_inside_target_and_two_views_of_one_place_are_refused(source: str, target: str, tmp_path: Path) -> None:
    lay(tmp_path / "in", sub__a="1")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = in_folder(tmp_path / "in")
    with pytest.raises(BadInput, match=r"same place|lies inside"):
        mg.start(mg.CopyObjects(tmp_path / source, tmp_path / target, overwrite="always"))
    assert in_folder(tmp_path / "in") == before


def test_the_same_basename_in_many_folders_is_one_object_for_nobody(tmp_path: Path) -> None:
    source = lay(tmp_path / "in", **{f"d{n}__report_csv": f"report {n}" for n in range(40)})
    assert copied(source, tmp_path / "out").snapshot().copied == 40
    run = copied(source, tmp_path / "flat", flatten=True)
    assert (run.status, run.snapshot().refused, in_folder(tmp_path / "flat")) == ("partial", 40, {})
    run = copied(source, tmp_path / "flat", flatten=True, collisions="rename")
    assert (run.status, len(set(in_folder(tmp_path / "flat").values()))) == ("completed", 40)


def test_a_rename_by_case_alone_is_two_objects(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    copied(lay(tmp_path / "in", report_CSV="one"), place("x"))
    run = copied(place("x"), place("x2"), rename="CSV", rename_to="csv")
    assert run.status == "completed"
    copied(place("x"), place("x2"))
    assert set(listed(client, bucket, f"{prefix}/x2")) == {"report_CSV", "report_csv"}


def test_what_is_excluded_is_neither_copied_nor_deleted(tmp_path: Path) -> None:
    source = lay(tmp_path / "in", keep__a="1", skip__b="2")
    target = lay(tmp_path / "out", skip__c="3")
    run = copied(source, target, exclude=["skip/"])
    mg.start(mg.DeleteSource.of(run)).wait(60)
    assert in_folder(source).keys() == {"skip/b"}
    assert in_folder(target).keys() == {"keep/a", "skip/c"}


def test_a_dry_run_is_no_run(tmp_path: Path) -> None:
    source, target = lay(tmp_path / "in", a="1"), lay(tmp_path / "out", a="2")
    answer = command_here("copy", source, target, "--overwrite", "always", "--dry-run")
    assert answer.code == 0
    with pytest.raises(MigratorError, match="dry run"):
        mg.DeleteSource.of(mg.runs(1)[0])
    assert (target / "a").read_text() == "2"


NAMES = st.dictionaries(
    st.text(alphabet="abAB.é- ", min_size=1, max_size=6).filter(lambda name: name.strip(". ") != ""),
    st.binary(max_size=40), min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(here=NAMES, there=NAMES, overwrite=st.sampled_from(["never", "if-different"]))
def test_plan_then_apply_is_apply_and_twice_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, here: dict[str, bytes], there: dict[str, bytes], overwrite: str
) -> None:
    root = tmp_path_factory.mktemp("equal")
    source, *targets = (root / name for name in ("in", "one", "two"))
    for folder, files in ((source, here), *((target, there) for target in targets)):
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
    plan = mg.start(mg.CopyObjects(source, targets[0], overwrite=overwrite, before="none"), dry_run=True)
    intended = plan.wait(60).actions
    applied = mg.apply(plan).wait(60, check=False)
    direct = copied(source, targets[1], overwrite=overwrite, before="none").snapshot()
    assert in_folder(targets[0]) == in_folder(targets[1])
    assert (applied.copied, applied.skipped, applied.refused) == (direct.copied, direct.skipped, direct.refused)
    written = sum(intended.get(action, {}).get("items", 0) for action in ("create", "overwrite"))
    assert applied.copied == written
    before = in_folder(targets[1])
    again = copied(source, targets[1], overwrite=overwrite, before="none").snapshot()
    assert (again.copied, in_folder(targets[1])) == (0, before)
