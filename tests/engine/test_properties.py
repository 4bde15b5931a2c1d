"""What holds of every copy, whatever the keys, the names, what stands there already and what changes meanwhile."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from migrator import CopyObjects
from migrator.config import QUARANTINE
from migrator.engine import files
from migrator.engine.control import Control
from migrator.engine.copy_executor import CopyExecutor, CopyTask
from migrator.engine.planning import Planning, make_plan
from migrator.engine.work import Work
from migrator.model import Item, Receipt, Shard
from migrator.moving import DECIDED
from migrator.stores import Attributes, open_store

Files = Mapping[str, bytes]
SEGMENT = st.sampled_from(["a", "A", "b", "é", "e\u0301", "x.csv", "x.CSV", "..", " ", "\x10", "\U0001f980", "%41", ""])
KEY = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join).filter(bool)
FILES = st.dictionaries(KEY, st.sampled_from([b"", b"1", b"2", b"22"]), max_size=7)
SOURCES = st.lists(FILES, min_size=1, max_size=3)
NAMES = st.sampled_from([
    {}, {"flatten": True}, {"strip_prefix": "a/"}, {"rename": "[ab]", "rename_to": ""}, {"untangle": True},
    {"template": "{stem}{ext}"}, {"template": "{type}/{name}"}, {"template": "{hash8}"}, {"add_prefix": "a/"},
    {"template": "{etag}{ext}"},
])  # fmt: skip
COLLISIONS = st.sampled_from(["refuse", "rename", "keep-newest", "keep-identical-once"])
DUPLICATES = st.sampled_from(["copy", "report", "once"])
OVERWRITE = st.sampled_from(["never", "if-different", "always"])
TRIED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
_numbers = itertools.count()


class World:
    """Sources and a target in memory, which nobody else has."""

    def __init__(self, sources: Sequence[Files], there: Files, folder: Path, **how: Any) -> None:
        number = next(_numbers)
        self.places = [f"memory://s{number}-{n}" for n in range(len(sources))]
        self.target, self.folder = f"memory://t{number}", folder
        for place, held in zip([*self.places, self.target], [*sources, there], strict=True):
            put(place, held)
        self.migration = CopyObjects(self.places, self.target, **how)

    def plan(self) -> tuple[list[Shard], Path]:
        folder = self.folder / str(next(_numbers))
        folder.mkdir()
        control = Control("r")
        planning = Planning(folder, control)
        shards, *_ = make_plan(self.migration, planning, folder, "1-x", control)
        planning.clear()
        return shards, folder

    def apply(self, shards: Sequence[Shard], folder: Path) -> list[tuple[Item, Receipt]]:
        done = []
        control, executor = Control(f"r{next(_numbers)}"), CopyExecutor(CopyTask.of(self.migration))
        for shard in shards:
            work = Work.load(shard, folder)
            for receipt in executor.execute(shard, work.todo, control):
                work.add(receipt)
            rows = files.read_items(folder / shard.plan_file)
            # What is skipped is settled by columns.
            done += [(row, work.known.get(row.item_no) or Receipt(row.item_no, DECIDED[row.action])) for row in rows]
        return done

    def run(self) -> list[tuple[Item, Receipt]]:
        return self.apply(*self.plan())

    def there(self) -> dict[str, bytes]:
        return {key: data for key, data in held(self.target).items() if not key.startswith(QUARANTINE)}


def put(place: str, objects: Files) -> None:
    store = open_store(place)
    for key, data in objects.items():
        standing = store.head(key)
        store.put(key, data, Attributes(), before=standing and standing.etag, mtime=None, scratch="x")


def held(place: str) -> dict[str, bytes]:
    store = open_store(place)
    return {one.key: store.open(one.key, None).read() for page in store.list() for one in page}  # type: ignore[attr-defined]


def look_at(sources: Sequence[Files], there: Files, how: dict[str, Any], folder: Path) -> None:
    """All that is promised of one copy, its plan and its repetition."""
    world = World(sources, there, folder, **how)
    done = world.run()
    after = world.there()
    # Every object has its row, and each row the receipt that its action announced.
    at = dict(zip(world.places, sources, strict=True))
    names = {str(place): url for place, url in zip(world.migration.sources, world.places, strict=True)}
    of = {row.item_no: at[names[row.source] if row.source else world.places[0]] for row, _ in done}
    assert sum(map(len, sources)) == len(done)
    for row, receipt in done:
        assert receipt.status == DECIDED.get(row.action, "copied"), (row, receipt)
        assert row.action not in ("refuse", "omit") or row.reason
        settles = how["collisions"] != "refuse" and (row.target_key or "").strip("/")  # a name of none has no suffix
        assert not settles or "would get the same name" not in str(row.reason)
    # Nothing is lost: what was mapped to a name stands under it, what stood there stands there or is kept.
    for row, receipt in done:
        if receipt.status in ("copied", "adopted") or row.action == "skip":
            assert after[row.target_key or row.key] == of[row.item_no][row.key]
    replaced = {row.target_key: row for row, _ in done if row.action == "overwrite"}
    kept = {key.split("/", 2)[2]: data for key, data in held(world.target).items() if key.startswith(QUARANTINE)}
    for key, data in there.items():
        assert kept[key] == data if key in replaced else after[key] == data
    # The plan's counts are the target's: no two rows wrote one name.
    wrote = Counter(row.target_key for row, _ in done if row.action in ("create", "overwrite"))
    assert all(number == 1 for number in wrote.values())
    created = sum(row.action == "create" for row, _ in done)
    assert len(after) == len(there) + created
    if how["duplicates"] == "once" and how["overwrite"] == "if-different" and how["collisions"] == "rename":
        copied = [of[row.item_no][row.key] for row, _ in done if row.action == "create" and row.bytes]
        assert len(copied) == len(set(copied))  # the same bytes once
    # Again, and nothing changes.
    if how["overwrite"] != "always":
        again = world.run()
        assert not [receipt for _, receipt in again if receipt.status == "copied"]
    assert world.there() == after


# Mutations: leave `twin` out of `_decide_alone`; leave `{of}` out of SUFFIXED; leave the source out of YIELDS; leave
# `terms.sources` out of `_join`; leave the quarantine out of CopyExecutor.execute; `create` for `skip` in `_yield`, or
# leave the look at the target out of it.
@settings(max_examples=25, **TRIED)
@given(sources=SOURCES, there=FILES, names=NAMES, collisions=COLLISIONS, overwrite=OVERWRITE, duplicates=DUPLICATES)
@example(sources=[{"a/x.csv": b"1", "b/x.csv": b"2"}, {"a/x.csv": b"2"}], there={"x.csv": b"22"},
         names={"flatten": True}, collisions="rename", overwrite="if-different",
         duplicates="copy")  # fmt: skip
@example(sources=[{"a": b"1"}] * 3, there={}, names={}, collisions="rename", overwrite="never", duplicates="copy")
@example(sources=[{"a/": b""}] * 2, there={}, names={}, collisions="rename", overwrite="never", duplicates="copy")
@example(sources=[{"a": b"1"}, {"a": b"2"}, {"a": b"1"}], there={"a": b"2"}, names={},
         collisions="keep-identical-once", overwrite="always", duplicates="report")  # fmt: skip
@example(sources=[{"a": b"1"}, {"a": b"1"}], there={"a": b"2"}, names={},
         collisions="keep-identical-once", overwrite="never", duplicates="once")  # fmt: skip
@example(sources=[{"a": b"1", "b": b"1"}, {"b": b"1"}], there={}, names={},
         collisions="keep-identical-once", overwrite="never", duplicates="once")  # fmt: skip
def test_no_copy_loses_an_object_or_does_anything_twice(
    sources: list[Files], there: Files, names: dict[str, Any], **how: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        look_at(sources, there, {**names, **how}, Path(folder))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=3000, **TRIED)
@given(sources=SOURCES, there=FILES, names=NAMES, collisions=COLLISIONS, overwrite=OVERWRITE, duplicates=DUPLICATES)
def test_no_copy_of_thousands_does(sources: list[Files], there: Files, names: dict[str, Any], **how: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        look_at(sources, there, {**names, **how}, Path(folder))


NUMBERS = st.sets(st.integers(0, 6))
DRIFT = given(
    source=FILES, there=FILES, overwrite=OVERWRITE, changed=NUMBERS, gone=NUMBERS, appeared=NUMBERS,
)  # fmt: skip


# Mutations: leave the look at `before` out of the memory store's `put`; leave its `pinned` and the witness out.
@settings(max_examples=12, **TRIED)
@DRIFT
def test_a_plan_that_is_applied_later_is_the_plan_and_what_drifted_is_refused(**drawn: Any) -> None:
    apply_later(**drawn)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=1000, **TRIED)
@DRIFT
def test_so_are_a_thousand_plans(**drawn: Any) -> None:
    apply_later(**drawn)


def apply_later(
    source: Files, there: Files, overwrite: str, changed: set[int], gone: set[int], appeared: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        later, at_once = (World([source], there, Path(folder), overwrite=overwrite) for _ in range(2))
        plan = later.plan()
        rows = [row for shard in plan[0] for row in files.read_items(plan[1] / shard.plan_file)]
        written = [row.key for row in rows if row.action in ("create", "overwrite")]
        drifted = {key for n, key in enumerate(written) if n in changed | gone | appeared}
        put(later.places[0], {key: b"!" * len(source[key]) or b"!" for n, key in enumerate(written) if n in changed})
        for n, key in enumerate(written):
            store = open_store(later.places[0])
            if n in gone and (standing := store.head(key)):
                store.remove(key, standing.etag or "")
        put(later.target, {key: b"somebody's" for n, key in enumerate(written) if n in appeared})
        before = later.there()
        done = {row.key: receipt for row, receipt in later.apply(*plan)}
        direct = {row.key: receipt for row, receipt in at_once.run()}
        assert {key for key in written if done[key].status == "refused"} == drifted
        assert {key: one.status for key, one in done.items() if key not in drifted} == {
            key: one.status for key, one in direct.items() if key not in drifted
        }
        for key, data in later.there().items():
            assert data == (before[key] if key in drifted else at_once.there()[key])
