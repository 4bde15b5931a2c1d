"""The store in memory: shared by threads, seen by no other process."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import migrator as mg
from migrator.errors import AlreadyExists, BadInput
from migrator.stores import Attributes, open_store

NONE = Attributes()


def put(store, key: str, data: bytes) -> str | None:
    try:
        return store.put(key, data, NONE, before=None, mtime=None, scratch="s").etag
    except AlreadyExists:
        return None


class Slow(dict[str, Any]):
    """Another thread has its turn between a look and the write after it."""

    def get(self, key: str, default: Any = None) -> Any:
        found = super().get(key, default)
        time.sleep(0.001)
        return found


def test_one_of_many_threads_creates_an_object() -> None:
    """Mutation: without the lock around look and write, two may create it."""
    store: Any = open_store("memory://race/p")
    store._shelf.objects = Slow()
    with ThreadPoolExecutor(8) as pool:
        for key in map(str, range(5)):
            made = [etag for etag in pool.map(lambda n, key=key: put(store, key, b"%d" % n), range(8)) if etag]
            assert len(made) == 1
            head = store.head(key)
            assert head is not None
            assert head.etag == made[0]


def test_a_prefix_sees_only_its_own() -> None:
    put(open_store("memory://shelf/a"), "k", b"1")
    put(open_store("memory://shelf/ab"), "k", b"2")
    assert [one.key for page in open_store("memory://shelf/a").list() for one in page] == ["k"]
    assert [one.key for page in open_store("memory://shelf").list() for one in page] == ["a/k", "ab/k"]


@pytest.mark.parametrize("pair", [("memory://x/a", "/tmp/never"), ("/tmp", "memory://x/a")])
def test_a_run_of_another_process_is_refused_what_only_this_one_has(pair: tuple[str, str], state: str) -> None:
    """Mutation: without the check in recording, a run copies nothing and is called completed."""
    with pytest.raises(BadInput, match="in the memory of this process"):
        mg.start(mg.CopyObjects(*pair))
    assert list(mg.runs()) == []


def test_a_place_in_memory_takes_no_options() -> None:
    with pytest.raises(BadInput, match="no option 'endpoint'; there are none"):
        mg.Location.parse("memory://x", endpoint="http://127.0.0.1")
