"""What columns decide of a plan is what is decided row by row, to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from migrator import CopyObjects
from migrator.engine import duck, files
from migrator.engine.joining import Terms, join_listings
from migrator.engine.listings import View, look
from migrator.migrations.deciding import decide
from migrator.migrations.ordinary import amounts, decide_all
from migrator.stores import Location, ObjectInfo, Store, open_store
from migrator.stores.names import Folding

FAR = {"endpoint": "http://127.0.0.1:1", "region": "us-east-1", "anonymous": True}
KEY = st.sampled_from(["a", "A", "a/b", "a/c/", "", "é", "e\u0301", "\udcff", "x\x10y", 'q"', "long" * 300])
# Two of each, so that many meet: equal and not; an ETag may be none, empty, or what JSON would escape.
ETAG = st.sampled_from([None, "", "0" * 32, "1" * 32, 'o"dd', "é"])
OBJECT = st.tuples(KEY, st.sampled_from([0, 5]), st.sampled_from([1, 1_700_000_000_000]), ETAG)
LISTING = st.lists(OBJECT, min_size=3, max_size=11, unique_by=lambda one: one[0])
# The second gets a suffix where names meet, and with it a name that no folder takes.
SAME_NAMES = [(f"{folder}/{'n' * 250}", 5, at, "0" * 32) for at, folder in enumerate("xy", 1)]
HOW = st.fixed_dictionaries(
    {"overwrite": st.sampled_from(["never", "if-different", "always"]), "before": st.sampled_from(["keep", "none"])},
    optional={"collisions": st.sampled_from(["rename", "keep-newest"]), "flatten": st.just(True)},
)


def places(kind: str, folder: Path) -> list[Any]:
    local = {"source": folder / "in", "target": folder / "out"}
    far = {name: Location.parse(f"s3://{name}/x", **FAR) for name in local}
    return [(local if part == "local" else far)[name] for part, name in zip(kind.split("→"), local, strict=True)]


def joined(here: list, there: list, source: Store, target: Store, how: CopyObjects, folder: Path) -> list[pa.Table]:
    view = View(renaming=how, refusal=target.refusal)
    pq.write_table(look([ObjectInfo(*one) for one in here], view), folder / "source")
    pq.write_table(look([ObjectInfo(*one) for one in there], View()), folder / "target")
    folding = Folding(False, False) if target.location.kind == "local" else None
    with duck.connect(folder) as connection:
        terms = Terms(folding, how.renames, how.collisions)
        return list(join_listings(connection, [folder / "source"], folder / "target", terms))


# Mutations: leave any one condition out of `_ordinary` (`content`: see test_duplicates); let `alike` go by size.
@pytest.mark.parametrize("kind", ["S3→S3", "S3→local", "local→S3", "local→local"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(here=LISTING, there=LISTING, how=HOW)
@example(here=SAME_NAMES, there=[], how={"flatten": True})
@example(here=SAME_NAMES, there=[], how={"flatten": True, "collisions": "keep-newest"})
@example(here=SAME_NAMES, there=[], how={"flatten": True, "collisions": "rename"})
@example(here=[("stands/", 0, 1, None), ("", 5, 1, "0" * 32)], there=[], how={})
@example(here=[("b", 5, 1, "0" * 32)], there=[("b", 5, 1, "0" * 32)], how={"overwrite": "always"})
@example(here=[("x\x10y", 5, 1, "0" * 32), ("\udcff", 5, 1, "0" * 32)], there=[], how={})
@example(here=[("\udcff/k", 5, 1, "0" * 32)], there=[], how={"flatten": True})
@example(here=[("b", 5, 1, None)], there=[("b", 5, 1, None)], how={"compare": "etag"})
def test_nothing_is_decided_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, here: list, there: list, how: dict[str, Any]
) -> None:
    # Whatever needs a look at the bytes gets an answer that no column knows.
    monkeypatch.setattr("migrator.migrations.sameness._hash", lambda store, info, algorithm: f"{info.size}")
    (tmp_path / "out" / "stands").mkdir(parents=True, exist_ok=True)
    migration = CopyObjects(*places(kind, tmp_path), **how)
    source, target = open_store(migration.source), open_store(migration.target)
    for table in joined(here, there, source, target, migration, tmp_path):
        slowly = decide(table, [source], target, migration)
        planned = decide_all(table, [source], target, migration)
        assert files.plan_table(planned, 7).equals(files.plan_table(slowly, 7))
        tally = {action: (number, size) for action, number, size in amounts(planned)}
        for action in {row["action"] for row in slowly}:
            sizes = [row["bytes"] for row in slowly if row["action"] == action]
            assert tally[action] == (len(sizes), sum(sizes))
