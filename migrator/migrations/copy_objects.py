"""Copy every object of one place to another: what is intended for each, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import Field

from ..config import QUARANTINE
from ..errors import BadInput
from ..stores import Location, ObjectInfo, Store, open_store, overlap
from ..words import storable, unescape
from .base import Batch, Migration, PlanContext, Target
from .choosing import Choosing
from .renaming import Collisions, Renaming
from .sameness import identical, same

if TYPE_CHECKING:
    import pyarrow as pa

    from ..model import ItemStatus, Snapshot

# One interpreter keeps one core busy. A process more costs a third of a second and 50 MB: a few thousand small objects.
MANY_OBJECTS, SMALL_BYTES, MOST_PROCESSES = 5_000, 1 << 20, 4
Overwrite = Literal["never", "if-different", "always"]
Before = Literal["keep", "none"]


class CopyObjects(Choosing, Renaming, Migration):
    """Copy objects between folders and S3-compatible stores, each checked.

    Parameters
    ----------
    source, target : str or path or Location
        A folder (``/data/in``, ``file:///data/in``), ``s3://bucket/prefix`` or
        ``name://bucket/prefix`` with a named connection of the configuration file.
    overwrite : {"never", "if-different", "always"}
        What to do where a different object stands at the target. ``never`` refuses it;
        the other two replace it.
    before : {"keep", "none"}
        What becomes of what is replaced. ``keep`` copies it to ``.migrator-quarantine/<run>/<key>`` below the target,
        checked and durable, before anything is written; `migrator.restore` brings it back. ``none`` does not: the item
        is marked irreversible in the plan.
    in_flight : int, optional
        Objects at once; by default what suits the two stores.
    processes : int, optional
        Processes that copy at once; by default one for each core (four at most) where there are many small objects,
        else 0: all is done in the runner.
    **choice
        Which objects are meant: ``include``, ``exclude``, ``regex``, ``where``, ``min_size``, ``max_size``,
        ``newer_than``, ``older_than``; and what may be touched at most: ``max_objects``, ``max_bytes``,
        ``max_overwrites``. See `Choosing`.
    **names
        What they are called at the target: ``strip_prefix``, ``rename`` and ``rename_to``, ``flatten``, ``template``,
        ``add_prefix``; and who yields where two would get one name: ``collisions``. See `Renaming`.

    Examples
    --------
    >>> CopyObjects("/data/in", "s3://lake/in").title
    '/data/in → s3://lake/in/'
    """

    phases: ClassVar[tuple[str, ...]] = ("plan", "copy", "report")

    source: Location
    target: Location
    overwrite: Overwrite = "never"
    before: Before = "keep"
    in_flight: int | None = Field(default=None, ge=1, le=512)
    processes: int | None = Field(default=None, ge=0, le=64)

    def __init__(self, source: Any = None, target: Any = None, /, **data: Any) -> None:
        given = {"source": source, "target": target}
        super().__init__(**{name: place for name, place in given.items() if place is not None}, **data)

    @property
    def title(self) -> str:
        return f"{self.source} → {self.target}"

    def resolve(self) -> CopyObjects:
        places = {name: getattr(self, name) for name in ("source", "target", "manifest")}
        return self.model_copy(update={name: place.resolve() for name, place in places.items() if place})

    def check(self) -> None:
        """Raise BadInput or StoreError when source and target can't work together."""
        where = overlap(self.source, self.target)
        if where == "a inside b" and self._is_kept():
            where = None  # no listing of the target has what is in quarantine there
        if where == "same":
            raise BadInput(f"Source and target are the same place: {self.target}. Choose another target.")
        if where:
            inner, outer = (self.source, self.target) if where == "a inside b" else (self.target, self.source)
            raise BadInput(
                f"{inner} lies inside {outer}, so the copy would meet itself. Choose a target that neither holds "
                "the source nor lies in it."
            )
        open_store(self.source).probe()
        if self.target.kind != "local":  # a folder is made when it is needed
            open_store(self.target).probe()
        else:
            _check_folder(self.target)

    def _is_kept(self) -> bool:
        """Whether the source is what earlier runs replaced at the target."""
        (_, here), (_, there) = self.source.identity(), self.target.identity()
        return here[len(there) :][:1] == (QUARANTINE.rstrip("/"),)

    def processes_for(self, items: int, size: int) -> int:
        if self.processes is not None:
            return self.processes
        worth = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, MOST_PROCESSES)
        if self.in_flight:
            worth = min(worth, self.in_flight)
        many = items >= MANY_OBJECTS and size < SMALL_BYTES * items
        return worth if many and worth > 1 else 0

    def plan(self, ctx: PlanContext) -> Iterator[Batch]:
        source, target = ctx.open(self.source), ctx.open(self.target)
        for remark in source.remarks(to_write=False) + (target.remarks(to_write=True) if ctx.dry_run else []):
            ctx.warn(remark)
        found = False
        sofar: dict[str, int] = {}
        for table in ctx.diff(source, target, self, self):
            found = True
            rows = decide(table, source, target, self)
            self.check_amount(rows, sofar)
            yield rows
        if not found and not self.chooses:
            ctx.warn(f"Nothing is listed at {self.source}: there is nothing to copy.")

    @classmethod
    def retry(cls, run: Retried, **changes: Any) -> CopyObjects:
        """The same copy again, of those objects only that failed or were refused in an earlier run.

        Parameters
        ----------
        run : Run
            The earlier run, of `CopyObjects`.
        **changes
            What is to be different this time, such as ``overwrite="if-different"``.

        Raises
        ------
        BadInput
            If nothing failed or was refused in it, or it copied no objects.
        """
        seen = run.snapshot()
        if seen.migration != "copy-objects":
            raise BadInput(f"Run {seen.id} is one of {seen.migration}; only a copy of objects can be retried so.")
        return cls.model_validate({**seen.spec, "manifest": str(run.manifest("failed", "refused")), **changes})

    def writes(self) -> list[Target]:
        scope, path = self.target.identity()
        return [Target(scope, "/".join(path))]

    def places(self) -> list[Location]:
        """All that it reads and writes."""
        return [place for place in (self.source, self.target, self.manifest) if place]

    def needs(self) -> list[str]:
        return sorted({need for place in self.places() for need in place.needs()})


class Retried(Protocol):
    """What `CopyObjects.retry` asks of a run's handle."""

    def snapshot(self) -> Snapshot: ...

    def manifest(self, *statuses: ItemStatus) -> Path: ...


class Pair(NamedTuple):
    """A row of the joined listings: a source object, its name at the target, and what stands there.

    ``collides``: a name that can't stand beside it; ``twin``: a key that would get the same name; ``rival``: the object
    that keeps the name, so that this one yields.
    """

    source: ObjectInfo
    name: str
    target: ObjectInfo | None = None
    collides: str | None = None
    twin: str | None = None
    rival: ObjectInfo | None = None


def decide(table: pa.Table, source: Store, target: Store, how: CopyObjects) -> list[dict[str, Any]]:
    """The intended action for each pair of a joined listing, with its reason."""
    pairs = [_pair(row, target) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]
    rows = [_decide_alone(pair, source, target, how.collisions) for pair in pairs]
    open_pairs = [number for number, row in enumerate(rows) if row is None]
    # Telling two objects apart may mean hashing a local file: several at once, the GIL is free then.
    with ThreadPoolExecutor(4) as pool:
        verdicts = pool.map(lambda n: same(source, target, pairs[n].source, pairs[n].target), open_pairs)
        for number, verdict in zip(open_pairs, verdicts, strict=True):
            rows[number] = _decide_against(pairs[number], verdict, how)
    return [row for row in rows if row is not None]


def _pair(row: tuple[Any, ...], target: Store) -> Pair:
    key, size, mtime, etag, problem, name, *standing, collides, twin, r_key, r_size, r_mtime, r_etag = row
    name, (collides, twin, r_key) = unescape(name), (text and unescape(text) for text in (collides, twin, r_key))
    there = None if standing[0] is None else ObjectInfo(name, *standing)
    if there is None and not problem and target.location.kind == "local" and (not name or name[-1] == "/"):
        there = target.head(name)  # a folder is in no listing, and its marker may be there all the same
    rival = None if r_key is None else ObjectInfo(r_key, r_size, r_mtime, r_etag)
    return Pair(ObjectInfo(unescape(key), size, mtime, etag, problem), name, there, collides, twin, rival)


def _decide_alone(pair: Pair, source: Store, target: Store, collisions: Collisions) -> dict[str, Any] | None:
    """What needs no look at the target's object; None when it does."""
    if problem := pair.source.problem or target.refusal(pair.name, pair.source.size):
        return _row(pair, "refuse", problem)
    if pair.twin is not None:
        return _row(
            pair, "refuse", f"{pair.twin!r} would get the same name, {pair.name!r}; collisions= says who yields"
        )
    if pair.rival is not None:
        return _yield(pair, pair.rival, source, collisions)
    if pair.collides:
        return _row(pair, "refuse", f"a folder can't hold both this and {pair.collides!r}")
    if pair.target is None:
        return _row(pair, "create", "not at the target")
    return None


def _yield(pair: Pair, rival: ObjectInfo, source: Store, collisions: Collisions) -> dict[str, Any]:
    """What becomes of an object whose name another one keeps."""
    if collisions == "keep-newest":
        return _row(pair, "omit", f"{rival.key!r} has the same name and is newer")
    if identical(source, pair.source, rival):
        return _row(pair, "skip", f"the same bytes as {rival.key!r}, which has the name")
    return _row(pair, "refuse", f"{rival.key!r} gets the same name, {pair.name!r}, and has other bytes")


def _decide_against(pair: Pair, verdict: str | None, how: CopyObjects) -> dict[str, Any]:
    assert pair.target is not None
    if verdict and how.overwrite != "always":
        return _row(pair, "skip", f"the same stands at the target ({verdict})")
    if how.overwrite == "never":
        shown = f"{pair.target.size:,} bytes there, {pair.source.size:,} here"
        reason = f"a different object stands at the target ({shown}); overwrite='if-different' would replace it"
        return _row(pair, "refuse", reason)
    if how.before == "none":
        return _row(pair, "overwrite", "differs; what stands there now can't be brought back", irreversible=True)
    return _row(pair, "overwrite", "differs; what stands there now is kept in quarantine first")


def _row(pair: Pair, action: str, reason: str, **detail: Any) -> dict[str, Any]:
    there = pair.target
    if not pair.source.key.isascii() and not storable(pair.source.key):
        detail["key_bytes"] = os.fsencode(pair.source.key).hex()  # what the key is shown by is only its escaped form
    before = None if there is None else {"size": there.size, "mtime": there.mtime, "etag": there.etag}
    return {
        "key": pair.source.key,
        "target_key": pair.name,
        "action": action,
        "reason": reason,
        "bytes": pair.source.size,
        "mtime": pair.source.mtime,
        "etag": pair.source.etag,
        "before": before and json.dumps(before),
        "detail": json.dumps(detail) if detail else None,
    }


def _check_folder(target: Location) -> None:
    """The nearest folder that exists must take new entries."""
    path = Path(str(target.path))
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        path = path.resolve()
        if not path.is_dir():
            raise BadInput(f"The target {target} is not a folder. Name a folder.")
    while not path.exists():
        path = path.parent
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        raise BadInput(f"Nothing can be written to {target}: {path} does not allow it. Choose another, or mend that.")
