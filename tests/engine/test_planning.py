"""What is intended for each object, and how a plan is cut and kept."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from migrator.config import SHARD_BYTES, SHARD_ITEMS
from migrator.engine import duck, files, joining, listings
from migrator.engine.control import Control
from migrator.engine.joining import Terms, join_listings
from migrator.engine.listings import View
from migrator.engine.planning import Planning, make_plan
from migrator.engine.tallies import tally_evidence
from migrator.errors import StoreError
from migrator.migrations import CopyObjects, Migration
from migrator.model import Item, Receipt, Shard
from migrator.stores import Location, ObjectInfo
from migrator.stores.names import Folding


class Rows(Migration):
    """A migration that plans what it is told."""

    batches: list[list[dict[str, Any]]]

    def plan(self, ctx):
        yield from self.batches


def plan(migration: Migration, folder: Path) -> tuple[list, dict, str]:
    folder.mkdir(exist_ok=True)
    control = Control("r")
    return make_plan(migration, Planning(folder, control), folder, "1-x", control)


def rows_of(migration: Migration, folder: Path) -> dict[str, Item]:
    shards, _, _ = plan(migration, folder)
    return {row.key: row for shard in shards for row in files.read_items(folder / shard.plan_file)}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    return tmp_path / "in", tmp_path / "out"


def put(folder: Path, key: str, text: str, mtime: float | None = None) -> None:
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if mtime is not None:
        os.utime(path, (mtime, mtime))


def test_a_shard_is_bounded_by_items(tmp_path: Path) -> None:
    batches = [[{"key": f"{b}-{n}"} for n in range(4_000)] for b in range(3)]
    shards, actions, _ = plan(Rows(batches=batches), tmp_path)
    assert [shard.items for shard in shards] == [SHARD_ITEMS] * 4 + [2_000]
    assert actions == {"run": {"items": 12_000, "bytes": 0}}
    numbers = [row.item_no for shard in shards for row in files.read_items(tmp_path / shard.plan_file)]
    assert numbers == list(range(12_000))


def test_a_shard_is_bounded_by_bytes_and_a_huge_item_is_alone(tmp_path: Path) -> None:
    sizes = [1, SHARD_BYTES + 1, 1, SHARD_BYTES // 2, SHARD_BYTES // 2, 1]
    shards, _, _ = plan(Rows(batches=[[{"key": str(n), "bytes": size} for n, size in enumerate(sizes)]]), tmp_path)
    assert [shard.items for shard in shards] == [1, 1, 2, 2]


def test_no_rows_are_no_shards(tmp_path: Path) -> None:
    assert plan(Rows(batches=[[]]), tmp_path)[0] == []


@pytest.mark.parametrize(("row", "why"), [({"keys": "a"}, "unknown columns: keys"), ({"bytes": 1}, "no key")])
def test_a_row_that_is_none_is_named(tmp_path: Path, row: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        plan(Rows(batches=[[row]]), tmp_path)


def test_the_hash_changes_with_the_plan(tmp_path: Path) -> None:
    hashes = [plan(Rows(batches=[[{"key": key}]]), tmp_path / key)[2] for key in ("a", "b")]
    again = plan(Rows(batches=[[{"key": "a"}]]), tmp_path / "again")[2]
    assert hashes[0] == again != hashes[1]


def test_a_plan_file_is_never_written_twice(tmp_path: Path) -> None:
    plan(Rows(batches=[[{"key": "a"}]]), tmp_path)
    with pytest.raises(FileExistsError):
        plan(Rows(batches=[[{"key": "a"}]]), tmp_path)


def test_each_pair_gets_its_action(places: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = places
    put(source, "new", "1")
    put(source, "same-time", "1", 1e9)
    put(target, "same-time", "2", 1e9)  # not told apart: size and time are equal, as rsync takes it
    put(source, "same-bytes", "1", 1e9)
    put(target, "same-bytes", "1", 2e9)
    put(source, "other-size", "1")
    put(target, "other-size", "22")
    put(source, "other-bytes", "1", 1e9)
    put(target, "other-bytes", "2", 2e9)
    put(target, "only there", "x")
    (source / "link").symlink_to("new")
    rows = rows_of(CopyObjects(source, target), tmp_path / "work")
    assert {key: row.action for key, row in rows.items()} == {
        "new": "create",
        "same-time": "skip",
        "same-bytes": "skip",
        "other-size": "refuse",
        "other-bytes": "refuse",
        "link": "refuse",
    }
    assert "(listed)" in str(rows["same-time"].reason)
    assert "(re-read)" in str(rows["same-bytes"].reason)
    assert "2 bytes there, 1 here" in str(rows["other-size"].reason)
    assert json.loads(rows["other-size"].before or "")["size"] == 2


# Mutation: leave `compare` out of `same`.
def test_a_checksum_tells_apart_what_size_and_time_do_not(places: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = places
    for name, there in (("same", "1"), ("flipped", "2")):
        put(source, name, "1", 1e9)
        put(target, name, there, 1e9)
    listed = rows_of(CopyObjects(source, target), tmp_path / "a")
    assert {row.action for row in listed.values()} == {"skip"}
    for compare in ("etag", "checksum"):
        rows = rows_of(CopyObjects(source, target, compare=compare), tmp_path / compare)
        assert {key: row.action for key, row in rows.items()} == {"same": "skip", "flipped": "refuse"}


def test_overwrite_must_be_asked_for_and_is_marked(places: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = places
    put(source, "differs", "1")
    put(target, "differs", "22")
    put(source, "same", "1", 1e9)
    put(target, "same", "1", 1e9)
    row = rows_of(CopyObjects(source, target, overwrite="if-different", before="none"), tmp_path / "a")
    assert {key: r.action for key, r in row.items()} == {"differs": "overwrite", "same": "skip"}
    assert json.loads(row["differs"].detail or "") == {"irreversible": True}
    row = rows_of(CopyObjects(source, target, overwrite="always"), tmp_path / "b")
    assert {r.action for r in row.values()} == {"overwrite"}


def colliding(folder: Path, keys: list[str], there: list[str], case: bool = False, form: bool = False) -> set[str]:
    import pyarrow as pa

    from migrator.engine.listings import LISTING

    for name, listed in (("source", keys), ("target", there)):
        columns = [listed, [1] * len(listed), [1] * len(listed), ["e"] * len(listed), [None] * len(listed)]
        columns += [[None] * len(listed), [True] * len(listed), [0] * len(listed)]
        columns[4] = ["refused anyway" if "//" in key else None for key in listed]
        table = pa.table([pa.array(c, f.type) for c, f in zip(columns, LISTING, strict=True)], schema=LISTING)
        pq.write_table(table, folder / name)
    with duck.connect(folder) as connection:
        tables = join_listings(connection, [folder / "source"], folder / "target", Terms(Folding(case, form)))
        found = {row["key"]: row["collides"] for table in tables for row in table.to_pylist()}
    assert list(found) == sorted(keys)
    return {key for key, by in found.items() if by}


def test_keys_that_cannot_stand_beside_each_other_are_found(tmp_path: Path) -> None:
    keys = ["a", "a-b", "a/b", "a/b/c/d", "m", "m/", "o", "o//p", "x/y", "x/z", "x/y/q"]
    assert colliding(tmp_path, keys, []) == {"a", "a/b", "m", "x/y"}
    assert colliding(tmp_path, ["a", "b/c", "d", "e"], ["a/x", "b", "d", "e/"]) == {"a", "b/c", "e"}


def test_names_that_are_one_to_the_folder_are_found(tmp_path: Path) -> None:
    keys = ["Case", "case", "d/x", "D/y", "e\u0301", "\u00e9", "E", "other", "read"]
    assert colliding(tmp_path, keys, []) == set()
    assert colliding(tmp_path, keys, ["READ"], case=True) == {"Case", "case", "d/x", "D/y", "read"}
    assert colliding(tmp_path, keys, [], case=True, form=True) == {"Case", "case", "d/x", "D/y", "e\u0301", "\u00e9"}
    assert colliding(tmp_path, ["same"], ["same"], case=True, form=True) == set()


# Mutations: leave `terms.sources` or `terms.renamed` out of joining._parts; let a part begin after its first key (`>`
# for `>=`).
@pytest.mark.parametrize(
    "way",
    [{}, {"extras": True}, {"folding": Folding(True, True)}, {"sources": ("x", "y")}, {"renamed": True}],
    ids=str,
)
def test_listings_joined_a_range_of_keys_at_a_time_are_joined_as_at_once(
    way: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(5)
    names = [rng.choice(["a/", "it's ", "é", "🦀", ""]) + str(number) for number in range(400)]
    of = range(len(way.get("sources", "1")))
    renaming = CopyObjects("/a", "/b", strip_prefix="a/") if "renamed" in way else None
    listed = {f"source-{n}": View(place=n, renaming=renaming) for n in of} | {"target": View()}
    for name, view in listed.items():
        keys = rng.sample(names, 250)
        keys = [key.removeprefix("a/") for key in keys] if renaming and name == "target" else keys
        page = [ObjectInfo(key, 1, 1, "e") for key in keys]
        pq.write_table(listings.look(page, view), tmp_path / name)
    seen = []
    for at_once in (10_000, 7):
        monkeypatch.setattr(joining, "AT_ONCE", at_once)
        with duck.connect(tmp_path) as connection:
            there = [tmp_path / f"source-{n}" for n in of]
            tables = list(join_listings(connection, there, tmp_path / "target", Terms(**way)))
        seen.append([row for table in tables for row in table.to_pylist()])
        assert len(tables) > 20 or at_once > 7 or way.keys() & {"sources", "renamed"}
    assert seen[0] == seen[1]
    assert len(seen[0]) >= 250


# Mutation: leave out the look at the order in joining._parts.
@pytest.mark.parametrize("ordered", [True, False])
def test_only_listings_in_order_are_joined_in_very_many_ranges(
    ordered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number:03d}" for number in range(400)]
    for name in ("source", "target"):
        keys = names if ordered else random.Random(5).sample(names, 400)
        page = listings.look([ObjectInfo(key, 1, 1, "e") for key in keys], View())
        pq.write_table(page, tmp_path / name, row_group_size=50)
    monkeypatch.setattr(joining, "AT_ONCE", 7)
    with duck.connect(tmp_path) as connection:
        tables = list(join_listings(connection, [tmp_path / "source"], tmp_path / "target", Terms()))
    assert (len(tables) > joining.MOST_PASSES) == ordered
    assert sum(table.num_rows for table in tables) == 400


def test_items_show_the_newest_receipt(tmp_path: Path) -> None:
    shards, _, _ = plan(Rows(batches=[[{"key": "a"}, {"key": "b"}, {"key": "c", "action": "refuse"}]]), tmp_path)
    names = []
    for attempt, receipts in ((9, [Receipt(0, "failed"), Receipt(1, "copied")]), (10, [Receipt(0, "copied")])):
        names.append(tmp_path / f"00000-{attempt}-x.parquet")
        files.write_durably(files.receipt_table(receipts), names[-1])
    relation = duck.relate_items(tmp_path, [tmp_path / shards[0].plan_file], names, None)
    assert relation.select("key", "status").fetchall() == [("a", "copied"), ("b", "copied"), ("c", "refused")]


# Mutation: let _tally read the first file alone, or each by itself.
def test_of_each_item_the_newest_receipt_is_tallied(tmp_path: Path) -> None:
    first = [Receipt(0, "failed", losses="meta:x"), Receipt(1, "copied", "re-read", losses="acl,meta:x")]
    other = [Receipt(5, "copied", "re-read", losses="meta:x"), Receipt(6, "skipped", "listed")]
    for name, receipts in (("a", first), ("b", [Receipt(0, "copied", "size-only")]), ("c", other)):
        files.write_durably(files.receipt_table(receipts), tmp_path / name)
    shards = [Shard(0, 2, 0, "p", ("a", "b")), Shard(1, 2, 0, "p", ("c",)), Shard(2, 9, 0, "p")]
    assert tally_evidence(tmp_path, shards) == {
        "evidence": {"listed": 1, "re-read": 2, "size-only": 1}, "losses": {"meta:x": 2, "acl": 1}
    }  # fmt: skip


def test_receipts_survive_their_file(tmp_path: Path) -> None:
    receipts = [
        Receipt(1, "copied", "re-read", "xxh3:00", 5, "e", "meta:a,meta:b", None, 7),
        Receipt(2, "failed", error="é"),
    ]
    files.write_durably(files.receipt_table(receipts), tmp_path / "r")
    assert list(files.newest_receipts([tmp_path / "r"]).values()) == receipts
    files.write_durably(files.receipt_table([]), tmp_path / "empty")
    assert files.newest_receipts([tmp_path / "empty"]) == {}


# Mutation: leave the second reading out of the estimate.
def test_a_cost_counts_what_is_kept_and_what_is_read_again() -> None:
    from migrator.engine.pricing import Prices, estimate
    from migrator.stores import Location

    needs = [{"source": None, "listed": 10, "objects": 10, "bytes": 5_000_000_000, "puts": 10, "kept": 4}]
    there = {
        "endpoint": "http://127.0.0.1:1",
        "region": "r",
        "addressing": "path",
        "allow_http": True,
        "anonymous": True,
    }
    plain, keyed = (Location.parse("s3://b/p", **there, kms_key=key).resolve() for key in (None, "k"))
    costs = [estimate(needs, {None: Location.parse("/a")}, place, Prices()) for place in (plain, keyed)]
    assert costs[0].requests == {"PUT": 14, "GET": 4, "LIST": 1}
    assert costs[1].requests == {"PUT": 14, "GET": 4, "LIST": 1, "re-read": 10}
    assert (costs[0].bytes_out, costs[1].bytes_out) == (0, 5_000_000_000)
    assert costs[1].total - costs[0].total == pytest.approx(0.45, abs=0.001)


class Paged:
    """A store that lists pages, and waits before and after as a test says."""

    location = Location.parse("memory://b")

    def __init__(self, pages: list[int], first: Callable[[], object], then: Callable[[], object]) -> None:
        self._pages, self._first, self._then = pages, first, then

    def list(self) -> Iterator[list[ObjectInfo]]:
        self._first()
        for page, number in enumerate(self._pages):
            yield [ObjectInfo(f"{page}-{one}", 10, 0, None) for one in range(number)]
        self._then()


# Mutation: in Listings._foresee leave the target out of the difference, or its end unawaited, and more is expected.
def test_what_is_new_for_certain_is_told_while_the_source_is_still_listed(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    heard = threading.Event()

    def expect(items: int, size: int) -> None:
        told.append((items, size))
        heard.set()

    slow = Paged([700, 300], lambda: None, lambda: heard.wait(30))
    at_last = Paged([400], lambda: time.sleep(3 * listings.LOOK_S), lambda: None)
    places: Any = [(slow, listings.View())], (at_last, listings.View())
    listings.Listings(tmp_path, Control("r"), expect).all(*places)
    assert told[0] == (600, 6000)


# Mutations: let a listing go on for nothing; raise what the first of them met, which may be that it was given up.
def test_where_one_listing_fails_the_others_are_given_up_and_it_says_why(tmp_path: Path) -> None:
    begun, pages = threading.Event(), 0

    def endless() -> Iterator[list[ObjectInfo]]:
        nonlocal pages
        for pages in range(20_000):
            begun.set()
            yield [ObjectInfo(f"{pages:05}", 1, 0, "e")]
            time.sleep(0.001)

    def away() -> Iterator[list[ObjectInfo]]:
        begun.wait(20)
        raise StoreError("It is away.")
        yield

    here, there = (SimpleNamespace(location=Location.parse(f"memory://{name}"), list=listed, )
                   for name, listed in (("here", endless), ("there", away)))  # fmt: skip
    with pytest.raises(StoreError, match="It is away"):
        listings.Listings(tmp_path, Control("r")).all([(here, View())], (there, View()))  # pyright: ignore
    assert pages < 19_999
