"""A page of items is what the whole would show there, and is read from few files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from migrator.engine import duck, files, paging
from migrator.model import Counts, Receipt, Shard

KINDS = ("copied", "skipped", "failed", "copied", "refused", "copied", "adopted")
ANY = ([], ["copied"], ["failed", "refused"], ["pending"], ["skipped"], ["cancelled"])


def make_shards(folder: Path, shards: int, items: int) -> list[Shard]:
    """Some done, one tried twice, one half done, the last not begun."""
    (folder / "plan").mkdir()
    made: list[Shard] = []
    for no in range(shards):
        numbers = range(no * items, (no + 1) * items)
        kinds = [KINDS[(number * 5 + no) % len(KINDS)] for number in numbers]
        rows = [{"key": f"Part-{number:05}.bin", "bytes": 1, "action": _action(kind)}
                for number, kind in zip(numbers, kinds, strict=True)]  # fmt: skip
        plan = f"plan/{no:05d}-1-x.parquet"
        files.write_durably(files.plan_table(rows, no * items), folder / plan)
        made.append(_worked(folder, Shard(no, items, items, plan), list(zip(numbers, kinds, strict=True)), shards))
    return made


def _action(kind: str) -> str:
    return {"skipped": "skip", "refused": "refuse"}.get(kind, "create")


def _error(number: int, kind: str) -> str | None:
    return ("denied", "away", "away")[number % 3] if kind == "failed" else None


def _worked(folder: Path, shard: Shard, kinds: list[tuple[int, str]], shards: int) -> Shard:
    if shard.no == shards - 1:
        return shard
    half = shard.no == shards - 2
    attempts = [[Receipt(number, "failed") for number, _ in kinds]] if shard.no == 1 else []
    attempts.append(
        [
            Receipt(number, kind, error=_error(number, kind))
            for number, kind in kinds[: len(kinds) // 2 if half else None]
        ]
    )
    names = []
    for attempt, receipts in enumerate(attempts, 9):  # 9 and 10: not in the order of their letters
        names.append(f"{shard.no:05d}-{attempt}-x.parquet")
        files.write_durably(files.receipt_table(receipts), folder / names[-1])
    counts = Counts()
    for receipt in attempts[-1]:
        counts.add(receipt)
    return Shard(shard.no, shard.items, shard.bytes, shard.plan_file, tuple(names), "todo" if half else "done", counts)


def whole(folder: Path, shards: Sequence[Shard], statuses: Sequence[str], text: str) -> list[int]:
    """The same, asked of all files at once."""
    receipts = [folder / name for shard in shards for name in shard.receipts]
    relation = duck.relate_items(folder, [folder / shard.plan_file for shard in shards], receipts, None)
    rows = relation.select("item_no", "status", "key").fetchall()
    found = [[no for no, is_now, key in rows if wanted in (None, is_now) and text.lower() in key.lower()]
             for wanted in statuses or (None,)]  # fmt: skip
    return [number for numbers in found for number in numbers]


# Mutation: count `held` of a shard that is half done, or pass over shards with a text, and this fails.
@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Shard]]:
    folder = tmp_path_factory.mktemp("shards")
    return folder, make_shards(folder, 9, 40)


# With a text and without one; another that nothing or nearly all has is the same to each status.
@pytest.mark.parametrize(
    ("statuses", "text"),
    [*((statuses, text) for statuses in ANY for text in ("", "7.BIN")), ([], "%"), (["failed", "refused"], "part-00")],
    ids=str,
)
def test_a_page_is_what_the_whole_shows_there(made: tuple[Path, list[Shard]], statuses: list[str], text: str) -> None:
    folder, shards = made
    expected = whole(folder, shards, statuses, text)
    assert text == "%" or statuses == ["cancelled"] or expected

    def page(offset: int, limit: int | None) -> list[int]:
        batches = paging.find_items(folder, shards, statuses, text, offset, limit)
        return [row["item_no"] for rows in batches for row in rows]

    for offset in (0, 1, 39, 40, 41, 77, 200, 355, 1000):
        assert page(offset, 7) == expected[offset : offset + 7]
    assert page(0, None) == expected


# Mutation: pass over shards by how many failed at all, and a later page leaves some out.
def test_a_page_of_what_failed_for_one_reason_is_what_all_of_them_show_there(made: tuple[Path, list[Shard]]) -> None:
    folder, shards = made
    expected = [number for number in whole(folder, shards, ["failed"], "") if _error(number, "failed") == "away"]

    def page(offset: int) -> list[int]:
        batches = paging.find_items(folder, shards, ["failed"], "", offset, 5, "away")
        return [row["item_no"] for rows in batches for row in rows]

    assert len(expected) > 12
    assert [page(offset) for offset in (0, 1, 9, 12)] == [expected[at : at + 5] for at in (0, 1, 9, 12)]


def test_a_deep_page_is_read_from_one_shard(made: tuple[Path, list[Shard]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, shards = made
    read: list[Path] = []
    relate = duck.relate
    monkeypatch.setattr(duck, "relate", lambda c, plans, *rest: read.extend(plans) or relate(c, plans, *rest))
    assert [len(rows) for rows in paging.find_items(folder, shards, ["copied"], "", 100, 1)] == [1]
    assert len(read) == 1
