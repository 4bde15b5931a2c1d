"""A bucket's listing in parts, several of which are asked for at once.

One page tells where the next one begins, so a listing waits for each answer: at 100 ms that is ten thousand objects a
second at most. A part is a range of keys between two prefixes. Ranges hold every key once, whatever the prefixes are,
provided that the server lists in the order of bytes; that is looked at on every page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from ...errors import StoreError
from ..base import ObjectInfo

LEVELS, ENOUGH = 4, 8  # of folders that are looked at for prefixes, and how many of those will do
PATIENCE = 4  # pages of a part before it is worth a look whether it can be cut
Following: TypeAlias = tuple[str, str] | None
# The common prefixes below a prefix that begin after a key.
Prefixes: TypeAlias = Callable[[str, str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page, and the query that asks for the next."""

    objects: list[ObjectInfo]
    following: Following


@dataclass(slots=True)
class Part:
    """The keys after ``last`` and up to ``end``; to the last one where there is no end."""

    last: str
    end: str | None
    following: Following
    pages: int = 0
    patience: int = PATIENCE

    def take(self, page: Page) -> list[ObjectInfo]:
        """What of a page belongs to this part.

        Raises
        ------
        StoreError
            If the keys are not in order: they might be another part's, too, or nobody's.
        """
        keys = [self.last, *(one.key for one in page.objects)]
        check_order(keys)
        self.last, self.following, self.pages = keys[-1], page.following, self.pages + 1
        if self.end is None or raw(self.last) <= (end := raw(self.end)):
            return page.objects
        self.following = None
        return [one for one in page.objects if raw(one.key) <= end]

    def cut(self, prefixes: Prefixes, below: str, most: int) -> list[Part]:
        """Keep the first piece of what is left, and give the others away: each ends with a page that goes beyond it."""
        bounds = [bound for bound in _bounds(self.last, prefixes) if self.end is None or raw(bound) < raw(self.end)]
        check_order(bounds)
        self.pages, self.patience = 0, 2 * self.patience
        if not bounds:
            return []
        cuts = bounds[:: -(-len(bounds) // most)]
        made = [
            Part(here, there, ("start-after", below + here))
            for here, there in zip(cuts, [*cuts[1:], self.end], strict=True)
        ]
        self.end = cuts[0]
        return made


def list_parts(
    first: Page, fetch: Callable[[Following], Page], prefixes: Prefixes, below: str, at_once: int
) -> Iterator[list[ObjectInfo]]:
    """Every object after the first page, which has more to follow, in no order.

    Parameters
    ----------
    fetch, prefixes : callable
        The page that a query asks for; the next common prefixes.
    below : str
        What all keys of the place begin with, in a query.
    at_once : int
        Pages that are asked for at the same time, at most.
    """
    part = Part(first.objects[-1].key, None, first.following)
    waiting, asked = [*part.cut(prefixes, below, at_once)[::-1], part], dict[Future[Page], Part]()
    with ThreadPoolExecutor(at_once, "migrator-list") as pool:
        try:
            while waiting or asked:
                while waiting and len(asked) < at_once:
                    part = waiting.pop()
                    asked[pool.submit(fetch, part.following)] = part
                for done in wait(asked, return_when=FIRST_COMPLETED).done:
                    part = asked.pop(done)
                    objects = part.take(done.result())
                    if part.following and part.pages >= part.patience and not waiting and 2 * len(asked) < at_once:
                        waiting += part.cut(prefixes, below, at_once)
                    if part.following:  # first, so that it is on its way while this page is looked at
                        asked[pool.submit(fetch, part.following)] = part
                    if objects:
                        yield objects
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def check_order(keys: Sequence[str]) -> None:
    """Raise StoreError where a server's order is not that of bytes: what lies between two prefixes is then unknown."""
    if not in_order(keys):
        raise StoreError(
            "The bucket does not list its keys in the order of their bytes, so it can't be listed in parts. Set "
            "MIGRATOR_LIST_AT_ONCE=1 to ask for one page after the other."
        )


def in_order(keys: Sequence[str]) -> bool:
    """Whether keys are in the order of their bytes, and each is there once."""
    return all(before < after for before, after in pairwise(map(raw, keys)))


def raw(key: str) -> bytes:
    """A key as a bucket orders it."""
    return key.encode("utf-8", "surrogateescape")


def _bounds(last: str, prefixes: Prefixes) -> list[str]:
    """Prefixes after a key, in order: of the folders that it lies in, from the outermost until there are enough."""
    bounds: list[str] = []
    below = ""
    for _ in range(LEVELS):
        bounds = [*(one for one in prefixes(below, last) if raw(one) > raw(last)), *bounds]
        slash = last.find("/", len(below))
        if len(bounds) >= ENOUGH or slash < 0:
            break
        below = last[: slash + 1]
    return bounds
