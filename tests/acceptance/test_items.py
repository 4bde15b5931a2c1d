"""The items of a run as data: a fixed picture with a connection of its own."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from trees import in_folder, small_tree

from migrator import CopyObjects, Run, api
from migrator.errors import BadInput, StateError


def some_run(folder: Path) -> Run:
    """Ten files copied, one link refused, and another file that the target had already."""
    source = small_tree(folder / "from", 10)
    (source / "link").symlink_to("d00")
    there = folder / "to" / "had"
    there.parent.mkdir()
    for path in (source / "had", there):
        path.write_bytes(b"the same")
    run = api.start(CopyObjects(source, folder / "to"))
    assert run.wait(60, check=False).status == "partial"
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One for all tests that only read it; its handle knows its state DB."""
    folder = tmp_path_factory.mktemp("items")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIGRATOR_STATE", str(folder / "state.db"))
        patch.setenv("MIGRATOR_WORKSPACE", str(folder / "runs"))
        run = some_run(folder)
    yield run
    run.state.close()
    shutil.rmtree(folder)


def test_each_item_is_there_once_with_what_happened_to_it(run: Run) -> None:
    frame, target = run.items().df(), Path(run.snapshot().spec["target"]["path"])
    assert list(frame["key"]) == sorted(frame["key"]) == sorted([*in_folder(target), "link"])
    assert frame["status"].value_counts().to_dict() == {"copied": 10, "refused": 1, "skipped": 1}
    by_key = frame.set_index("key")
    assert by_key.loc["had", "action"] == "skip"
    assert by_key.loc["link", "action"] == "refuse"
    assert "symbolic link" in by_key.loc["link", "error"]
    copied = frame[frame["status"] == "copied"]
    assert set(copied["evidence"]) == {"re-read"}
    assert copied["digest"].str.fullmatch("xxh3:[0-9a-f]{32}").all()


# Mutations: leave the folder out of `Tables._files`, or FileNotFoundError out of `runner._attempt`.
def test_where_its_folder_was_removed_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATOR_STATE", str(tmp_path / "state.db"))
    monkeypatch.setenv("MIGRATOR_WORKSPACE", str(tmp_path / "runs"))
    run = some_run(tmp_path)
    shutil.rmtree(tmp_path / "runs" / run.id)
    seen = run.resume().wait(60, check=False)  # which makes the folder again, for its output
    assert seen.status == "failed"
    assert "was removed, and it can't go on without" in str(seen.error)
    for ask in (run.items, run.plan, run.page):
        with pytest.raises(StateError, match="is not there: somebody removed it"):
            ask()


def test_items_can_be_asked_for_by_status(run: Run) -> None:
    assert [row[0] for row in run.items("refused").fetchall()] == ["link"]
    assert len(run.items("copied")) == 10
    assert len(run.items("failed")) == 0


# Mutation: let `fetch_items` forget its `error`, and the last line finds the link.
def test_what_went_wrong_is_told_by_reason_and_found_by_it(run: Run) -> None:
    [told] = run.reasons()
    assert (told["status"], told["items"]) == ("refused", 1)
    assert "symbolic link" in told["gist"]
    assert [row["key"] for row in run.page(["failed", "refused"], reason=told["gist"])] == ["link"]
    assert run.page(["failed", "refused"], reason=told["gist"].replace("link", "l_nk")) == []


def test_an_unknown_status_is_refused_and_the_known_ones_are_named(run: Run) -> None:
    with pytest.raises(BadInput, match=r"'wrong'.*copied.*refused"):
        run.items("wrong")  # type: ignore[arg-type]


def test_items_go_to_arrow_and_polars(run: Run) -> None:
    table = run.items().to_arrow_table()
    assert (table.num_rows, table["key"].null_count) == (12, 0)
    polars = pytest.importorskip("polars")
    frame = run.items().pl()
    assert isinstance(frame, polars.DataFrame)
    assert frame["key"].to_list() == table["key"].to_pylist()


def test_items_outlive_their_run_object_and_many_others(run: Run) -> None:
    relation = Run(run.id, run.state).items()
    others = [Run(run.id, run.state).items("copied") for _ in range(5)]
    gc.collect()
    assert len(relation.df()) == 12
    assert [len(other) for other in others] == [10] * 5
    del others
    gc.collect()
    assert relation.filter("size >= 0").aggregate("count(*)").fetchall() == [(12,)]
    assert len(relation.df()) == 12


def test_items_are_a_fixed_picture_of_their_moment(tmp_path: Path) -> None:
    run = some_run(tmp_path)
    before = run.items()
    changed = tmp_path / "from" / "link"
    changed.unlink()
    changed.write_bytes(b"a file now")
    run.resume().wait(60, check=False)
    assert [row[0] for row in before.filter("status = 'refused'").fetchall()] == ["link"]
    assert len(before.df()) == 12


def test_a_run_that_has_no_plan_yet_has_no_items(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    run = api.start(CopyObjects(tmp_path / "from", tmp_path / "to"))
    assert run.wait(60).total == 0
    assert len(run.items()) == 0
    assert run.items().columns[:2] == ["key", "target_key"]


def test_items_of_a_dry_run_say_what_would_be_done(tmp_path: Path) -> None:
    run = api.start(CopyObjects(small_tree(tmp_path / "from", 3), tmp_path / "to"), dry_run=True)
    run.wait(60)
    frame = run.items().df()
    assert list(frame["status"]) == ["pending"] * 3
    assert list(frame["action"]) == ["create"] * 3
    assert set(frame["reason"]) == {"not at the target"}


def test_a_workspace_with_a_quote_in_its_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATOR_WORKSPACE", str(tmp_path / "it's a [wo*rk] ?space"))
    run = api.start(CopyObjects(small_tree(tmp_path / "from", 3), tmp_path / "to"))
    run.wait(60)
    assert len(run.items("copied")) == 3
