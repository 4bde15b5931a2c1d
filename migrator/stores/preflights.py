"""Can it work, before anything is started: each thing that a copy needs is tried, and what to do is said."""

from __future__ import annotations

import html
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from ..errors import MigratorError, StoreError
from ..words import sized
from .abilities import Resumable, Served
from .base import Attributes, ObjectInfo, Store
from .locations import Location, overlap
from .opening import open_store
from .weather import Haste, under

# Signed requests are refused when the clocks are 15 minutes apart (AWS S3, RequestTimeTooSkewed).
SKEW_S, MUCH_SKEW_S = 60.0, 900.0
LITTLE_ROOM = 1 << 30
NAME = ".migrator-trial-preflight-"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was tried. ``state`` is ``ok``, ``note`` (it works, and should be known) or ``trouble``."""

    what: str
    state: str
    said: str


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found out about a source and a target."""

    source: str
    target: str
    lines: tuple[Line, ...]

    @property
    def well(self) -> bool:
        """Whether nothing is in the way."""
        return all(line.state != "trouble" for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "well": self.well}

    def __str__(self) -> str:
        signs = {"ok": "✓", "note": "·", "trouble": "✗"}
        wide = max(len(line.what) for line in self.lines)
        rows = [f"  {signs[line.state]} {line.what:<{wide}}  {line.said}".rstrip() for line in self.lines]
        end = "Nothing is in the way." if self.well else "Mend what is marked ✗, then try again."
        return "\n".join([f"{self.source} → {self.target}", *rows, end])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        td = '<td style="text-align: left">'
        rows = "".join(
            f"<tr>{''.join(f'{td}{html.escape(cell)}</td>' for cell in (one.state, one.what, one.said))}</tr>"
            for one in self.lines
        )
        return f"<p>{html.escape(self.source)} → {html.escape(self.target)}</p><table>{rows}</table>"


Place = Location | str | os.PathLike[str]


def preflight(source: Place | Sequence[Place], target: Place) -> Preflight:
    """Try what a copy from ``source``, or several, to ``target`` needs; what is written for it is taken back.

    Raises
    ------
    BadInput
        If one of them can't be a place.
    """
    given = [source] if isinstance(source, Location | str | os.PathLike) else source
    with under(Haste()):
        return _preflight(given, target)


def _preflight(given: Sequence[Place], target: Place) -> Preflight:
    *sources, there = (Location.parse(place).resolve() for place in (*given, target))
    lines: list[Line] = []
    for number, here in enumerate(sources, 1):
        found = [*_overlap(here, there), *_source(open_store(here))]
        lines += [replace(line, what=f"{number}: {line.what}") for line in found] if len(sources) > 1 else found
    lines += _target(open_store(there), there)
    return Preflight(", ".join(map(str, sources)), str(there), tuple(lines))


def _overlap(here: Location, there: Location) -> Iterator[Line]:
    where = overlap(here, there)
    said = {None: "", "same": "they are one place; choose another target"}.get(
        where, "one lies inside the other; choose a target that neither holds the source nor lies in it"
    )
    yield Line("apart", "trouble" if where else "ok", said)


def _source(store: Store) -> Iterator[Line]:
    first: list[ObjectInfo] = []
    reach = _tried("source: reach", store.probe)
    yield reach
    if reach.state == "trouble":
        return
    yield _tried("source: list", lambda: _first(store, first))
    if first:
        yield _tried("source: read", lambda: _read(store, first[0]))
    yield from _versions(store, "source", "older versions are not copied, only the newest of each object")
    yield from _clock(store, "source")


def _first(store: Store, found: list[ObjectInfo]) -> str:
    readable = (one for page in store.list() for one in page if one.problem is None)
    found += [one for one, _ in zip(readable, range(1), strict=False)]
    return "" if found else "nothing is listed there"


def _read(store: Store, one: ObjectInfo) -> str:
    with store.open(one.key, one.etag) as body:
        next(iter(body.chunks(1 << 20)), b"")
    return repr(one.key)


def _target(store: Store, there: Location) -> Iterator[Line]:
    name = f"{NAME}{secrets.token_hex(4)}"
    if there.kind == "local":
        yield from _room(there)
        if not Path(str(there.path)).exists():
            return
    reach = _tried("target: reach", store.probe)
    yield reach
    if reach.state == "trouble":
        return
    yield _tried("target: list", lambda: _first(store, []) and None)
    yield from _clock(store, "target")
    rights = [*_rights(store, name)]
    yield from rights
    if rights[-1].what == "target: delete" and rights[-1].state == "ok":
        yield from _uploads(store, f"{name}-parts")
    if rights[0].state == "trouble":  # what is to be found out by writing can't be
        return
    yield from _versions(
        store, "target", "what is replaced or deleted there stays as an older version, and is paid for"
    )
    try:
        remarks = store.try_out(name)
    except StoreError as error:
        remarks = [str(error)]
    yield from (Line("target", "note", remark) for remark in remarks)
    if not remarks and there.kind != "local":
        yield Line("target: conditional writes", "ok", "enforced: nothing of somebody else's is overwritten")


def _room(there: Location) -> Iterator[Line]:
    """Room on the disk, and whether the nearest folder that exists takes new entries."""
    folder = Path(str(there.path))
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    yield Line("target: room", "ok" if free > LITTLE_ROOM else "note", f"{sized(free)} free on the disk of {folder}")
    may = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    said = "" if may else f"nothing can be written to {folder}; choose another folder, or mend its rights"
    yield Line("target: a folder that takes files", "ok" if may else "trouble", said)


def _rights(store: Store, name: str) -> Iterator[Line]:
    """Write an object of our own, read it, and take it back."""
    etags: list[str] = []

    def write() -> None:
        etags.append(store.put(name, b"trial", Attributes(), before=None, mtime=None, scratch=name).etag or "")

    def read() -> None:
        with store.open(name, etags[0] or None) as body:
            if body.read() != b"trial":
                raise StoreError("what was written there is not what is read back; look at the store")

    def delete() -> None:
        try:
            gone = store.remove(name, etags[0])
        except StoreError as error:
            raise StoreError(f"{error} {name!r}, written for this trial, stays there: remove it.") from None
        if not gone:
            raise StoreError(f"{name!r}, written for this trial, is another one by now; look who writes there.")

    yield (written := _tried("target: write", write))
    if written.state == "ok":
        yield _tried("target: read", read)
        yield _tried("target: delete", delete)


def _uploads(store: Store, name: str) -> Iterator[Line]:
    """Begin uploads in parts, where rights of their own are needed for them, up to the first that is not allowed."""
    trials = store.upload_trials(name) if isinstance(store, Resumable) else {}
    for what, attempt in trials.items():
        yield (line := _tried(f"target: {what}", attempt))
        if line.state == "trouble":
            return


def _versions(store: Store, name: str, what: str) -> Iterator[Line]:
    """Whether older versions are kept, and what follows; a folder keeps none."""
    if store.capabilities.remote:
        kept = store.keeps_versions()
        said = {
            True: what,
            False: "it keeps no older ones",
            None: f"it does not tell; where it keeps older ones, {what}",
        }
        yield Line(f"{name}: versions", "ok" if kept is False else "note", said[kept])


def _clock(store: Store, name: str) -> Iterator[Line]:
    """How far the server's clock is from ours; a folder has none of its own."""
    if not isinstance(store, Served):
        return
    with suppress(MigratorError):
        ahead = parsedate_to_datetime(store.date()).timestamp() - time.time()
        said = f"{abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
        if abs(ahead) > MUCH_SKEW_S:
            yield Line(f"{name}: clock", "trouble", f"{said}; requests are refused at 15 minutes: set the clock")
        else:
            yield Line(f"{name}: clock", "ok" if abs(ahead) < SKEW_S else "note", said if abs(ahead) >= 1 else "")


def _tried(what: str, do: Callable[[], str | None]) -> Line:
    try:
        return Line(what, "ok", do() or "")
    except MigratorError as error:
        return Line(what, "trouble", str(error))
