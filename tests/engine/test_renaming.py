"""What objects are called at the target, and who yields where two would get one name."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator import CopyObjects
from migrator.engine import files
from migrator.engine.control import Control
from migrator.engine.planning import Planning, make_plan
from migrator.engine.sieve import substitute
from migrator.errors import BadInput
from migrator.migrations.renaming import hash8
from migrator.model import Item
from migrator.stores import ObjectInfo

MARCH = 1_772_366_400_000  # 2026-03-01 12:00 UTC


def named(key: str, **how: Any) -> str:
    one = ObjectInfo(key, 5, MARCH, "e7")
    return CopyObjects("/a", "/b", **how).names([one], substitute)[0]


@pytest.mark.parametrize(
    ("key", "how", "name"),
    [
        ("raw/a.csv", {"strip_prefix": "raw/"}, "a.csv"),
        ("rare/a.csv", {"strip_prefix": "raw/"}, "rare/a.csv"),
        ("a.csv", {"add_prefix": "2026/"}, "2026/a.csv"),
        ("raw/12/a.csv", {"rename": r"^raw/(\d+)/", "rename_to": r"\1/raw/"}, "12/raw/a.csv"),
        ("a-b-c", {"rename": "-"}, "abc"),
        ("line\nbreak-x", {"rename": ".x$", "rename_to": "."}, "line\nbreak."),
        ("a/a/a/b/c.txt", {"untangle": True}, "a/b/c.txt"),
        ("x/a/b/a/b/a/b/b", {"untangle": True}, "x/a/b/b"),
        ("a/b/a/c", {"untangle": True}, "a/b/a/c"),
        ("a/b/c.txt", {"flatten": True}, "c.txt"),
        ("a/b/", {"flatten": True}, "b/"),
        ("a/b.tar.gz", {"template": "{date:%Y/%m}/{stem}-{hash8}{ext}"}, f"2026/03/b.tar-{hash8('a/b.tar.gz')}.gz"),
        ("a/b.png", {"template": "{type}/{folder}/{name}"}, "image/a/b.png"),
        ("b.weird", {"template": "{type}/{folder}/{name}"}, "other/b.weird"),
        (".profile", {"template": "{stem}|{ext}|{size}|{etag}|{date}"}, ".profile||5|e7|2026-03-01"),
        ("x/é\udcff", {"rename": "^x/", "rename_to": "{}/"}, "{}/é\udcff"),
        ("r/a/b.c", {"strip_prefix": "r/", "flatten": True, "template": "t/{key}", "add_prefix": "p-"}, "p-t/b.c"),
    ],
)  # fmt: skip
def test_a_name_is_made_step_by_step(key: str, how: dict[str, Any], name: str) -> None:
    assert named(key, **how) == name


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"template": "{year}/{name}"}, "no field {year}"),
        ({"template": "fixed"}, "one name"),
        ({"template": "{name"}, "can't be read"),
        ({"template": "{name:%Y}"}, "no format after name"),
        ({"rename_to": "x"}, "`rename=` with the regular expression is missing"),
        ({"collisions": "maybe"}, "keep-newest"),
    ],
)
def test_what_is_no_renaming_is_told_in_a_sentence(how: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        CopyObjects("/a", "/b", **how)


@pytest.mark.parametrize("how", [{"rename": "("}, {"rename": "a", "rename_to": r"\3"}, {"rename": "(?=a)"}])
def test_a_regular_expression_that_is_none_names_itself(how: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="rename="):
        named("a", **how)


def plan(source: Path, target: Path, **how: Any) -> dict[str, Item]:
    folder = source.parent / f"plan-{len(list(source.parent.iterdir()))}"
    folder.mkdir()
    control = Control("r")
    migration = CopyObjects(source, target, **how)
    shards, _, _ = make_plan(migration, Planning(folder, control), folder, "1-x", control)
    return {row.key: row for shard in shards for row in files.read_items(folder / shard.plan_file)}


def lay(folder: Path, **files: tuple[str, int]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (text, mtime) in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (mtime, mtime))
    return folder


@pytest.fixture
def same_names(tmp_path: Path) -> Path:
    """The same basename in three folders: two of the same bytes; and one alone."""
    return lay(tmp_path / "in", a__x_csv=("one", 100), b__x_csv=("one", 300), c__x_csv=("two", 200), d__y_csv=("y", 1))


def told(rows: dict[str, Item]) -> dict[str, tuple[str, str | None]]:
    return {key: (row.action, row.target_key) for key, row in rows.items()}


# Mutation: leave the twins out of the join, and three objects are planned to be one.
def test_one_name_for_several_is_refused_for_all_of_them(same_names: Path, tmp_path: Path) -> None:
    rows = plan(same_names, tmp_path / "out", flatten=True)
    assert told(rows) == {
        "a/x.csv": ("refuse", "x.csv"), "b/x.csv": ("refuse", "x.csv"), "c/x.csv": ("refuse", "x.csv"),
        "d/y.csv": ("create", "y.csv"),
    }  # fmt: skip
    assert "'c/x.csv' would get the same name, 'x.csv'" in str(rows["a/x.csv"].reason)


# Mutation: count what is refused among the twins, and the other one is refused for its sake.
def test_what_is_refused_itself_is_in_no_others_way(tmp_path: Path) -> None:
    source = lay(tmp_path / "in", b__x_csv=("one", 100))
    (source / "a").mkdir()
    (source / "a" / "x.csv").symlink_to("nowhere")
    rows = plan(source, tmp_path / "out", flatten=True)
    assert told(rows) == {"a/x.csv": ("refuse", "x.csv"), "b/x.csv": ("create", "x.csv")}


# Mutation: leave the lock out of `substitute`.
def test_several_listings_are_renamed_at_once() -> None:
    def rename(number: int) -> bool:
        names = [f"{number}-{n}" for n in range(50)]
        return substitute(names, "-", "/") == [name.replace("-", "/") for name in names]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(rename, range(400)))


def test_all_but_the_first_are_renamed(same_names: Path, tmp_path: Path) -> None:
    rows = plan(same_names, tmp_path / "out", flatten=True, collisions="rename")
    assert told(rows) == {
        "a/x.csv": ("create", "x.csv"), "b/x.csv": ("create", f"x-{hash8('b/x.csv')}.csv"),
        "c/x.csv": ("create", f"x-{hash8('c/x.csv')}.csv"), "d/y.csv": ("create", "y.csv"),
    }  # fmt: skip


def test_a_new_name_that_another_has_already_is_refused(same_names: Path, tmp_path: Path) -> None:
    taken = f"x-{hash8('b/x.csv')}.csv"
    (same_names / "e").mkdir()
    (same_names / "e" / taken).write_text("!")
    rows = plan(same_names, tmp_path / "out", flatten=True, collisions="rename")
    assert {rows[key].action for key in ("b/x.csv", f"e/{taken}")} == {"refuse"}
    assert rows["c/x.csv"].action == "create"


def test_the_newest_keeps_the_name(same_names: Path, tmp_path: Path) -> None:
    rows = plan(same_names, tmp_path / "out", flatten=True, collisions="keep-newest")
    assert {key: row.action for key, row in rows.items()} == {
        "a/x.csv": "omit", "b/x.csv": "create", "c/x.csv": "omit", "d/y.csv": "create",
    }  # fmt: skip
    assert rows["c/x.csv"].reason == "'b/x.csv' has the same name and is newer"


# Mutation: let `identical` go by size.
def test_the_same_bytes_are_copied_once_and_others_refused(same_names: Path, tmp_path: Path) -> None:
    rows = plan(same_names, tmp_path / "out", flatten=True, collisions="keep-identical-once")
    assert {key: row.action for key, row in rows.items()} == {
        "a/x.csv": "create", "b/x.csv": "skip", "c/x.csv": "refuse", "d/y.csv": "create",
    }  # fmt: skip


def test_what_stands_under_the_new_name_is_looked_at(tmp_path: Path) -> None:
    source = lay(tmp_path / "in", raw__a=("new", 5), raw__b=("same", 5))
    target = lay(tmp_path / "out", a=("older", 1), b=("same", 5), raw__a=("new", 5))
    rows = plan(source, target, strip_prefix="raw/")
    assert told(rows) == {"raw/a": ("refuse", "a"), "raw/b": ("skip", "b")}
    assert json.loads(str(rows["raw/a"].before))["size"] == 5


@pytest.mark.parametrize("template", ["../{name}", "/{name}", "{name}/", "a//{name}"])
def test_a_name_that_a_folder_can_not_hold_is_refused(tmp_path: Path, template: str) -> None:
    rows = plan(lay(tmp_path / "in", a=("1", 1)), tmp_path / "out", template=template)
    assert [row.action for row in rows.values()] == ["refuse"]


KEYS = st.lists(
    st.lists(st.sampled_from(["a", "b", "A", "x.csv", "X.csv", "y", "é", "é"]), min_size=1, max_size=3),
    min_size=1, max_size=12, unique_by=tuple,
)  # fmt: skip
HOW = st.fixed_dictionaries(
    {"collisions": st.sampled_from(["refuse", "rename", "keep-newest", "keep-identical-once"])},
    optional={
        "flatten": st.booleans(), "untangle": st.booleans(), "strip_prefix": st.sampled_from(["a/", "x"]),
        "add_prefix": st.sampled_from(["p/", "a"]),
        "template": st.sampled_from(["{stem}{ext}", "{ext}/{name}", "{type}/{hash8}"]),
    },
)  # fmt: skip


# Mutations: count rivals by key instead of by name; let the twins go.
@settings(max_examples=20, deadline=None)  # of whole copies: `test_no_copy_of_thousands_does`
@given(keys=KEYS, how=HOW, folding=st.booleans())
def test_no_object_is_lost_and_no_name_is_given_twice(
    tmp_path_factory: pytest.TempPathFactory, keys: list[list[str]], how: dict[str, Any], folding: bool
) -> None:
    """Every listed object has a row, and of those that are written no two are one at the target."""
    from migrator.engine import duck
    from migrator.engine.joining import Terms, join_listings
    from migrator.engine.listings import LISTING, View, look
    from migrator.migrations.deciding import decide
    from migrator.stores import open_store
    from migrator.stores.names import Folding

    folder = tmp_path_factory.mktemp("join")
    migration = CopyObjects("s3://aaa/b", folder / "out", **how)
    page = [ObjectInfo("/".join(key), 1, n, f"e{n % 2}") for n, key in enumerate(keys)]
    import pyarrow.parquet as pq

    pq.write_table(look(page, View(renaming=migration)), folder / "source")
    pq.write_table(LISTING.empty_table(), folder / "target")
    source, target = open_store(migration.source), open_store(migration.target)
    terms = Terms(Folding(folding, folding), migration.renames, migration.collisions)
    with duck.connect(folder) as connection:
        rows = [
            row
            for table in join_listings(connection, [folder / "source"], folder / "target", terms)
            for row in decide(table, [source], target, migration)
        ]
    assert sorted(row["key"] for row in rows) == sorted(one.key for one in page)
    written = [row["target_key"] for row in rows if row["action"] == "create"]
    assert len({_told_apart(name, folding) for name in written}) == len(written)
    kept = {row["target_key"] for row in rows if row["action"] in ("create", "refuse")}
    for row in rows:  # what yields yields to somebody
        assert row["action"] in ("create", "refuse") or _told_apart(row["target_key"], folding) in {
            _told_apart(name, folding) for name in kept
        }


def _told_apart(name: str, folding: bool) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", name).lower() if folding else name
