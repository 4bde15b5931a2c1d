"""A list of keys as the source of a run; and what failed in one run as the source of the next."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import migrator as mg
from migrator.errors import BadInput


@pytest.fixture
def source(tmp_path: Path, state: str) -> Path:
    for name in ("a.csv", "b/c.csv", "d.bin"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    return tmp_path / "in"


def manifest(folder: Path, text: str, name: str = "keys.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def actions(run: mg.Run) -> dict[str, str]:
    return dict(run.plan().select("key", "action").fetchall())


# Mutation: leave the missing keys out of the union, and the run says "completed".
def test_only_what_it_names_is_copied_and_what_is_not_there_is_refused(source: Path, tmp_path: Path) -> None:
    keys = manifest(tmp_path, "size,key\n1,a.csv\n2,b/c.csv\n3,gone.txt\n")
    run = mg.start(mg.CopyObjects(source, tmp_path / "out", manifest=keys))
    seen = run.wait(60, check=False)
    assert (seen.status, seen.copied, seen.refused) == ("partial", 2, 1)
    assert actions(run) == {"a.csv": "create", "b/c.csv": "create", "gone.txt": "refuse"}
    assert "the source does not have it" in str(run.exceptions()[0]["error"])


def test_parquet_and_a_choice_go_together(source: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"key": ["a.csv", "d.bin"]}), tmp_path / "keys.parquet")
    how = {"manifest": tmp_path / "keys.parquet", "include": "*.csv"}
    run = mg.start(mg.CopyObjects(source, tmp_path / "out", **how), dry_run=True)
    run.wait(60)
    assert actions(run) == {"a.csv": "create"}


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("name\na.csv\n", "keys.csv", "has no column key; it has name"),
        ("key\na.csv\na.csv\n", "keys.csv", "'a.csv' (2 times)"),
        ("key\n", "keys.csv", "names no keys"),
        ("no parquet", "keys.parquet", "can't be read"),
        ("key\na.csv\n", "keys.txt", "neither .csv nor .parquet"),
    ],
)
def test_one_that_can_not_be_used_is_told_in_a_sentence(
    source: Path, tmp_path: Path, text: str, name: str, said: str
) -> None:
    migration = mg.CopyObjects(source, tmp_path / "out", manifest=manifest(tmp_path, text, name))
    seen = mg.start(migration).wait(60, check=False)
    assert seen.status == "failed"
    assert said in str(seen.error)
    assert not (tmp_path / "out").exists()


def test_one_that_is_not_there_is_told(source: Path, tmp_path: Path) -> None:
    seen = mg.start(mg.CopyObjects(source, tmp_path / "out", manifest=tmp_path / "no.csv")).wait(60, check=False)
    assert "no.csv is not there" in str(seen.error)


def test_what_was_refused_is_the_source_of_the_next_run(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "d.bin").write_text("another")
    first = mg.start(mg.CopyObjects(source, tmp_path / "out"))
    assert first.wait(60, check=False).refused == 1
    again = mg.start(mg.CopyObjects.retry(first, overwrite="if-different"))
    seen = again.wait(60)
    assert (seen.total, seen.copied) == (1, 1)
    assert (tmp_path / "out" / "d.bin").read_text() == "d.bin"
    with pytest.raises(BadInput, match="no items that are failed or refused"):
        mg.CopyObjects.retry(again)
