"""Let go of what runs kept when they replaced or deleted something, once it is old enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from ..config import MANIFESTS, QUARANTINE, keep_for
from ..options import option
from ..stores import Location, ObjectInfo, Store, open_store
from ..words import counted, moment
from .base import Batch, Migration, PlanContext, Target
from .choosing import is_age, read_time


class PurgeQuarantine(Migration, defer_build=True):
    """Delete what runs keep below a place since longer ago than an age. It can't be brought back then.

    Of each run all goes, or nothing: what counts is when it kept something last. A run that writes there holds the
    place, so that nothing of a live one goes; nor does what a restore that has not ended is to bring back.

    Parameters
    ----------
    place : str or path or Location
        Where the runs wrote: their target, or for a move with quarantine its source.
    older_than : str, optional
        An age (``30d``, ``12h``) or a time; by default ``keep_for`` of ``[quarantine]`` in the configuration file, or
        90 days.
    run : str, optional
        Only what this run kept.

    Examples
    --------
    >>> PurgeQuarantine("/data/lake", older_than="30d").title
    'purge the quarantine of /data/lake'
    """

    formed: ClassVar[bool] = False  # what deletes is asked for in words, not found in a list
    phases: ClassVar[tuple[str, ...]] = ("plan", "delete", "report")

    place: Location
    older_than: str | None = None
    run: str | None = Field(default=None, min_length=1)

    def __init__(self, place: Any = None, /, **data: Any) -> None:
        super().__init__(**({} if place is None else {"place": place}), **data)

    @property
    def title(self) -> str:
        return f"purge the quarantine of {self.place}" + (f": run {self.run}" if self.run else "")

    def resolve(self) -> PurgeQuarantine:
        older = self.older_than or keep_for()
        return self.model_copy(update={"place": self.place.resolve(), "older_than": older})

    def check(self) -> None:
        """Raise BadInput or StoreError when the age is none, or the place can't be listed."""
        self._before()
        open_store(self.place).probe()

    def plan(self, ctx: PlanContext) -> Iterator[Batch]:
        store, before = ctx.open(inside(self.place)), self._before()
        kept = kept_by(store)
        old = {run: one for run, one in kept.items() if self.run in (None, run) and one.at and one.at < before}
        for run, one in kept.items():
            if one.at is None and self.run in (None, run):
                ctx.warn(f"When run {run} kept {counted(one.objects, 'object')} is not known, since no manifest of it "
                         "is there; all of it stays. Delete it by hand, if nobody needs it.")  # fmt: skip
        if not old:
            ctx.warn(self._why_nothing(kept))
        manifests: list[ObjectInfo] = []
        for page in pages(store):
            mine = [one for one in page if owner_of(one.key) in old]
            manifests += [one for one in mine if is_manifest(one.key)]
            yield [_row(one, old) for one in mine if not is_manifest(one.key)]
        yield [_row(one, old) for one in manifests]  # what tells of the others goes last

    def _why_nothing(self, kept: Mapping[str, KeptBy]) -> str:
        """Why nothing goes, and when something would."""
        dated = [(one.at, run) for run, one in kept.items() if one.at and self.run in (None, run)]
        if not dated:
            return f"Nothing is kept at {self.place}" + (f" by run {self.run}." if self.run else ".")
        (at, run), older = min(dated), self.older_than or keep_for()
        when = f"it goes from {moment(due(at, older))} on, or sooner" if is_age(older) else "it goes"
        return (
            f"Nothing that is kept at {self.place} is older than {older}. The oldest is what run {run} keeps, of "
            f"{moment(at)}: {when} by {option('older_than')}."
        )

    def writes(self) -> list[Target]:
        scope, path = inside(self.place).identity()
        return [Target(scope, "/".join(path))]

    def needs(self) -> list[str]:
        return self.place.needs()

    def _before(self) -> int:
        """Milliseconds since the epoch."""
        moment = read_time(self.older_than or keep_for(), datetime.now(UTC)).replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)


class KeptBy(NamedTuple):
    """What one run keeps: ``at`` in milliseconds since the epoch, the last time; None where that can't be told."""

    objects: int
    bytes: int
    at: int | None


def due(at: int, age: str) -> int:
    """From when on what was kept at a moment has this age."""
    then = datetime.fromtimestamp(at / 1000, UTC)
    return at + (then - read_time(age, then).replace(tzinfo=UTC)) // timedelta(milliseconds=1)


def inside(place: Location) -> Location:
    """Where runs keep what they replace at a place."""
    return place.below(QUARANTINE.rstrip("/"))


def kept_by(store: Store) -> dict[str, KeptBy]:
    """What is kept in a quarantine, by run."""
    found: dict[str, KeptBy] = {}
    for page in pages(store):
        for one in page:
            run, manifest = owner_of(one.key), is_manifest(one.key)
            sofar = found.get(run, KeptBy(0, 0, None))
            at = _stamp(one.key) if manifest else one.mtime if store.capabilities.remote else None
            found[run] = KeptBy(
                sofar.objects + (not manifest), sofar.bytes + (0 if manifest else one.size),
                max((each for each in (sofar.at, at) if each is not None), default=None),
            )  # fmt: skip
    return found


def pages(store: Store) -> Iterator[list[ObjectInfo]]:
    """A quarantine's listing; where nothing was ever kept it is empty."""
    return iter(()) if store.location.absent else store.list()


def owner_of(key: str) -> str:
    """The run that keeps it."""
    return key.partition("/")[0].removesuffix(MANIFESTS.rstrip("/"))


def is_manifest(key: str) -> bool:
    """Whether it tells what is kept, and is none of it."""
    return key.partition("/")[0].endswith(MANIFESTS.rstrip("/"))


def _stamp(key: str) -> int | None:
    moment = key.partition("/")[2].partition("-")[0]
    return int(moment) if moment.isdecimal() else None


def _row(one: ObjectInfo, old: dict[str, KeptBy]) -> dict[str, Any]:
    kept = datetime.fromtimestamp((old[owner_of(one.key)].at or 0) / 1000, UTC)
    return {
        "key": one.key, "action": "delete", "reason": f"kept since {kept:%Y-%m-%d}", "bytes": one.size,
        "mtime": one.mtime, "etag": one.etag,
    }  # fmt: skip
