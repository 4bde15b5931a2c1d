"""Listings on disk, so that memory stays flat whatever their length."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import column
from ..config import QUARANTINE, SIDECAR
from ..migrations.choosing import Choosing
from ..migrations.renaming import Renaming
from ..stores import ObjectInfo, Store
from ..words import counted
from .sieve import Sieve, check_regex, substitute

if TYPE_CHECKING:
    from .control import Control

log = logging.getLogger("migrator")

LISTING = pa.schema(
    [
        ("key", pa.string()), ("size", pa.int64()), ("mtime", pa.int64()), ("etag", pa.string()),
        ("problem", pa.string()), ("target_key", pa.string()), ("chosen", pa.bool_()), ("source", pa.int64()),
    ]
)  # fmt: skip

WRITTEN_AT_ONCE = 10_000
LOOK_S = 0.1
OURS = (QUARANTINE, SIDECAR)
Expect: TypeAlias = Callable[[int, int], None]
Refusal: TypeAlias = Callable[[str, int], str | None]


@dataclass(frozen=True, slots=True)
class View:
    """How a listing is looked at.

    ``sieve`` says what of it is chosen, ``renaming`` what it is called at the target, ``refusal`` what the target can't
    hold under that name: such a one is in no other's way. ``whole`` also keeps what is not chosen. ``place`` tells
    several sources apart, by their order.
    """

    sieve: Sieve | None = None
    renaming: Renaming | None = None
    refusal: Refusal | None = None
    whole: bool = False
    place: int = 0


class _GivenUp(Exception):
    """Another listing failed, so this one is for nothing."""


class Listings:
    """Where listings are written, and whom they tell how far they are.

    ``expect`` hears, from the thread that waits for them, how many objects of how many bytes are new for certain.
    """

    def __init__(self, scratch: Path, control: Control, expect: Expect = lambda _items, _size: None) -> None:
        self._scratch, self._control, self._expect = scratch, control, expect
        self._failed = threading.Event()
        self._here = self._bytes = self._there = 0  # objects chosen of the sources, their bytes; objects of the target

    def all(self, sources: Sequence[tuple[Store, View]], target: tuple[Store, View]) -> list[Path]:
        """List sources and target at the same time; where one fails the others are given up."""
        with ThreadPoolExecutor(len(sources) + 1, "migrator-listing") as pool:
            asked = [pool.submit(self._or_fail, self.source, *one) for one in sources]
            asked.append(pool.submit(self._or_fail, self.target, *target))
            while wait(asked, LOOK_S).not_done:
                self._foresee(asked[-1])
        # The one that failed by itself says why; the others only that they were given up.
        faults = [fault for one in asked if (fault := one.exception())]
        for fault in sorted(faults, key=lambda fault: isinstance(fault, _GivenUp)):
            raise fault
        return [one.result() for one in asked]

    def _foresee(self, target: Future[Path]) -> None:
        """More than the target has at all is not there; meanwhile whoever will copy it can get ready."""
        if target.done() and (new := self._here - self._there) > 0:
            self._expect(new, self._bytes * new // self._here)

    def _or_fail(self, listing: Callable[[Store, View], Path], store: Store, view: View) -> Path:
        try:
            return listing(store, view)
        except BaseException:
            self._failed.set()
            raise

    def source(self, store: Store, view: View) -> Path:
        """List a source; that it is not there is an error."""
        listed = chosen = 0

        def tables() -> Iterator[pa.Table]:
            nonlocal listed, chosen
            for page in self._pages(store, self._control.warn):
                self._control.listed(len(page))
                table = look(page, view)
                mine = table["chosen"].to_pylist().count(True)
                listed, chosen = listed + len(page), chosen + mine
                self._here, self._bytes = self._here + mine, self._bytes + sum(table["size"].to_pylist())
                yield table

        _write(tables(), path := self._scratch / f"source-{view.place}.parquet")
        if view.sieve:
            log.info("plan: %s of %s listed objects are chosen", f"{chosen:,}", f"{listed:,}")
            if listed and not chosen:
                self._control.warn(f"Of {counted(listed, 'object')} listed at {store.location} none is chosen.")
        return path

    def target(self, store: Store, view: View) -> Path:
        """List a target; a folder that is not there yet is empty."""
        path = self._scratch / "target.parquet"

        def tables() -> Iterator[pa.Table]:
            for page in () if store.location.absent else self._pages(store, log.info):
                self._there += len(page)
                yield look(page, view)

        _write(tables(), path)
        return path

    def _pages(self, store: Store, say: Callable[[str], None]) -> Iterator[Sequence[ObjectInfo]]:
        """A store's listing, but for what runs have put there for themselves; of that it is said how much it is."""
        kept = 0
        for page in store.list():
            self._control.check()
            if self._failed.is_set():
                raise _GivenUp
            if any(one.key.startswith(OURS) for one in page):
                rest = [one for one in page if not one.key.startswith(OURS)]
                kept, page = kept + len(page) - len(rest), rest
            yield page
        if kept:
            ours = " or ".join(OURS)
            say(f"Objects of {store.location} below {ours} are what earlier runs keep, and left out: {kept:,}.")


def _write(tables: Iterable[pa.Table], path: Path) -> None:
    """Pages as a file, several at a time: each piece of it has its cost, when it is written and when it is read."""
    held: list[pa.Table] = []
    with pq.ParquetWriter(path, LISTING) as writer:
        for table in tables:
            held.append(table)
            if sum(one.num_rows for one in held) >= WRITTEN_AT_ONCE:
                writer.write_table(pa.concat_tables(held))
                held.clear()
        if held:
            writer.write_table(pa.concat_tables(held))


def sieve_of(choosing: Choosing | None) -> Sieve | None:
    """The filter that a choice asks for, if any."""
    if choosing is None:
        return None
    conditions = choosing.conditions(datetime.now(UTC))
    return Sieve(choosing.where, conditions) if conditions or choosing.where is not None else None


def try_out(choosing: Choosing, renaming: Renaming) -> None:
    """Look at one imagined object, so that what is written wrong is told before anything is listed.

    Raises
    ------
    BadInput
        If the choice or the names can't be worked out.
    """
    if choosing.regex is not None:
        check_regex(choosing.regex)
    look([ObjectInfo("a/b.c", 1, 0, "e")], View(sieve_of(choosing), renaming, whole=True))


def look(page: Sequence[ObjectInfo], view: View) -> pa.Table:
    """A page of a listing as a table: chosen, named, and with what is in the way of each."""
    chosen = [True] * len(page)
    if view.sieve and page:
        places = set(view.sieve.choose(_seen(page)))
        chosen = [place in places for place in range(len(page))]
        if not view.whole:
            page, chosen = [one for one, mine in zip(page, chosen, strict=True) if mine], [True] * len(places)
    renames = view.renaming is not None and view.renaming.renames
    names = view.renaming.names(page, substitute) if view.renaming and renames else [one.key for one in page]
    if view.refusal:
        page = [_refused(one, name, view.refusal) for one, name in zip(page, names, strict=True)]
    columns = [*(zip(*page, strict=True) if page else [()] * 5), names if renames else [None] * len(page), chosen]
    columns.append([view.place] * len(page))
    return pa.table([column(c, f.type) for c, f in zip(columns, LISTING, strict=True)], LISTING)


def _refused(one: ObjectInfo, name: str, refusal: Refusal) -> ObjectInfo:
    why = one.problem or refusal(name, one.size)
    return one._replace(problem=why) if why else one


def _seen(page: Sequence[ObjectInfo]) -> pa.Table:
    """Listed objects as people name their columns."""
    keys, sizes, times, etags, _ = zip(*page, strict=True)
    return pa.table({
        "key": column(keys, pa.string()), "size": column(sizes, pa.int64()),
        "mtime": column(times, pa.timestamp("ms")), "etag": column(etags, pa.string()),
    })  # fmt: skip
