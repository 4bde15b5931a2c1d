"""A listing in parts has every key once, whatever the keys and the answers; what it can't vouch for is no listing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from migrator.errors import StoreError
from migrator.stores import ObjectInfo
from migrator.stores.s3 import listing, sharding
from migrator.stores.s3.sharding import Following, Page, list_parts, raw

KEY = st.lists(st.text(alphabet="ab/é\udcff\U0001f980~", min_size=0, max_size=3), min_size=1, max_size=5).map("/".join)
MANY = [f"d{n:02}/{m:03}" for n in range(30) for m in range(20)]


class Bucket:
    """Lists its keys ``size`` at a time, in the order of their bytes or another."""

    def __init__(self, keys: Sequence[str], size: int, order=raw) -> None:
        self.keys, self.size, self._order = sorted(keys, key=order), size, order
        self.asked = 0
        self._turn = threading.Lock()

    def fetch(self, following: Following) -> Page:
        with self._turn:
            self.asked += 1
        after = None if following is None else following[1]
        keys = [key for key in self.keys if after is None or self._order(key) > self._order(after)]
        more = ("start-after", keys[self.size - 1]) if len(keys) > self.size else None
        return Page([ObjectInfo(key, 1, 1, "e") for key in keys[: self.size]], more)

    def prefixes(self, below: str, after: str) -> list[str]:
        inside = [key for key in self.keys if key.startswith(below) and self._order(key) > self._order(after)]
        cut = {key[: key.index("/", len(below)) + 1] for key in inside if "/" in key[len(below) :]}
        return sorted(cut, key=self._order)[: self.size]

    def listed(self, at_once: int) -> list[str]:
        first = self.fetch(None)
        rest = list_parts(first, self.fetch, self.prefixes, "", at_once) if first.following else ()
        return [one.key for page in (first.objects, *rest) for one in page]


# Mutations: `<` for `<=` in Part.take's last line; `self.end` kept as it was in Part.cut; a cut part without its end.
@settings(max_examples=100, deadline=None)
@given(keys=st.sets(KEY, min_size=1, max_size=60), size=st.integers(1, 7), at_once=st.integers(2, 9))
@example(keys=set(MANY), size=7, at_once=9)
@example(keys={"a", "a/", "a/b", "b/", "b/c", "c/"}, size=1, at_once=9)
def test_every_key_is_listed_once(keys: set[str], size: int, at_once: int) -> None:
    found = Bucket([*keys], size).listed(at_once)
    assert sorted(found) == sorted(keys)


# Mutation: leave the look at the idle places out, and a part that holds nearly all is listed by one request at a time.
def test_a_part_that_holds_nearly_all_is_cut_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharding, "ENOUGH", 2)
    deep = [f"z/y/{n:02}/{m:03}" for n in range(40) for m in range(20)]
    bucket = Bucket(["a/1", "b/1", "c/1", *deep], 5)
    together = most = 0

    def fetch(following: Following) -> Page:
        nonlocal together, most
        together += 1
        most = max(most, together)
        threading.Event().wait(0.002)
        page = bucket.fetch(following)
        together -= 1
        return page

    first = bucket.fetch(None)
    found = [one.key for page in list_parts(first, fetch, bucket.prefixes, "", 8) for one in page]
    assert len(found) == len(deep) + 3 - 5
    assert most >= 6


# Mutation: leave `in_order` out of Part.take, and keys are missing or there twice.
def test_a_bucket_that_lists_in_another_order_is_not_listed_in_parts() -> None:
    with pytest.raises(StoreError, match="MIGRATOR_LIST_AT_ONCE=1"):
        Bucket([f"{n:03}/{m}" for n in range(50) for m in "aBcD"], 3, order=str.lower).listed(4)


# Mutation: leave `check_order` out of Part.cut, and what lies in a folder is nobody's.
@settings(max_examples=50, deadline=None)
@given(keys=st.sets(KEY, min_size=1, max_size=60), size=st.integers(1, 7), at_once=st.integers(2, 9))
@example(keys={f"{folder}/{n}" for folder in ("0", "a", "a-b", "a-c", "b") for n in range(9)}, size=7, at_once=9)
def test_a_bucket_that_lists_by_folders_is_listed_whole_or_not_at_all(keys: set[str], size: int, at_once: int) -> None:
    bucket = Bucket([*keys], size, order=lambda key: [raw(part) for part in key.split("/")])
    try:
        found = bucket.listed(at_once)
    except StoreError:
        return
    assert sorted(found) == sorted(keys)


def test_a_part_that_fails_fails_the_listing() -> None:
    bucket = Bucket(MANY, 7)

    def fetch(following: Following) -> Page:
        if following and following[1].startswith("d17/"):
            raise StoreError("denied")
        return bucket.fetch(following)

    first = bucket.fetch(None)
    with pytest.raises(StoreError, match="denied"):
        list(list_parts(first, fetch, bucket.prefixes, "", 8))


# Mutation: look at the lane's threads before the first page is asked for.
def test_how_far_a_bucket_is_the_first_page_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = SimpleNamespace(threads=4, place=SimpleNamespace(prefix=""))
    asked: list[int] = []

    def fetch(lane: Any, following: Following) -> Page:
        lane.threads = 64
        return Page([ObjectInfo("a", 1, 1, "e")], ("continuation-token", "t"))

    monkeypatch.setattr(listing, "_fetch", fetch)
    monkeypatch.setattr(listing, "list_parts", lambda *args: asked.append(args[-1]) or ())
    assert len(list(listing.list_pages(lane, 16))) == 1  # pyright: ignore[reportArgumentType]
    assert asked == [16]


# Mutation: let a key that comes again be in order, and it is there twice.
def test_a_key_that_comes_again_is_out_of_order() -> None:
    assert sharding.in_order(["a", "b", "é"])
    assert not sharding.in_order(["a", "a"])
