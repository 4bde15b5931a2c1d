"""Copy every object of one place to another: what is intended for each, and why."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import Field, field_validator, model_validator

from ..errors import BadInput
from ..options import option
from ..stores import Location
from ..stores.abilities import HasFolders
from ..stores.digests import Strong, check_strong
from .base import Batch, Ended, Migration, PlanContext, Target
from .choices import Before, Compare, Duplicates, OnLoss, Overwrite, SourceAfter
from .choosing import CHOICE, LIMITS, Choosing
from .deciding import decide, weigh_losses
from .placing import check_apart, check_distinct, check_folder, check_reached
from .renaming import RENAMING, Renaming
from .sampling import share_of

if TYPE_CHECKING:
    from ..model import ItemStatus, Snapshot

# One interpreter keeps one core busy. A process more costs a third of a second and 50 MB: a few thousand small objects.
MANY_OBJECTS, SMALL_BYTES, MOST_PROCESSES = 5_000, 1 << 20, 4


class CopyObjects(Choosing, Renaming, Migration, defer_build=True):
    """Copy objects between folders and S3-compatible stores, each checked.

    Parameters
    ----------
    source, target : str or path or Location
        A folder (``/data/in``, ``file:///data/in``), ``s3://bucket/prefix`` or
        ``name://bucket/prefix`` with a named connection of the configuration file.
    more_sources : list of str or path or Location
        Other sources, consolidated into the same target; ``source`` may be given as a list of all of them, too. Where
        their objects would get one name ``collisions`` says who yields; of equals those of the earlier source stay.
    overwrite : {"never", "if-different", "always"}
        What to do where a different object stands at the target. ``never`` refuses it;
        the other two replace it.
    compare : {"listed", "etag", "checksum"}
        By what two objects are taken for the same: size and ETag, or size and time where a folder has no other; by
        hashes alone, whatever the times say; or by reading both sides, too, where no hashes compare.
    before : {"keep", "none"}
        What becomes of what is replaced. ``keep`` copies it to ``.migrator-quarantine/<run>/<key>`` below the target,
        checked and durable, before anything is written; `migrator.restore` brings it back. ``none`` does not: the item
        is marked irreversible in the plan.
    duplicates : {"copy", "report", "once"}
        Objects of the same bytes under different keys: copy each; or find them in the plan, for `Run.duplicates`; or
        copy one of them, and map all to its name in `Run.key_map`. Buckets tell it by their hashes; files are read
        for it where another one has their size.
    preview_loss : bool
        Find out in the plan which headers, user metadata and tags a folder would not keep: a request for each object.
    on_loss : {"report", "refuse", "sidecar"}
        Copy what loses something at a folder and count it; or refuse it, in the plan; or copy it, and write what its
        file can't keep to ``.migrator-attributes/<name>.json`` below the target, first: a record for people and tools,
        which a copy back into a bucket does not read.
    reread : float or str
        Where no server's hash compares with what was read (SSE-KMS without checksums, odd servers): the share of the
        objects that is read again at the target, ``1`` for all, ``0`` for none, or such as ``"5%"``. The evidence of
        the others is their size alone, `size-only`.
    record : {"sha256", "blake3"}, optional
        A strong hash of the bytes, in the receipt beside the one that a server's word was compared with. The bytes
        pass through here for that, so no server copies them by itself.
    compare_metadata : bool
        Look at what the target kept of each object's headers, metadata and tags, and count what it did not as lost: a
        request more for each object.
    source_after : {"keep", "delete-verified", "quarantine-verified"}
        A move: when all is copied, delete the source objects whose copies are proved by ``server-hash`` or ``re-read``
        and which have not changed since, in a run of its own that this one waits for (`DeleteSource`).
        ``quarantine-verified`` copies each to ``.migrator-quarantine/`` below the source first.
    delete_extra : bool
        When all is copied, delete what only the target has, kept in quarantine first (`DeleteExtra`).
    max_deletes, max_delete_share : int and float, optional
        More than that to be deleted, as a number or a share (of this run's objects; for ``delete_extra`` of the
        target's, by default 0.1), and nothing is.
    max_drift : int, optional
        When a plan is applied, so many of its objects may have changed since: see `migrator.apply`.
    in_flight : int, optional
        Objects at once; by default what suits the two stores.
    processes : int, optional
        Processes that copy at once; by default one more than cores (four at most) where there are many small objects,
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
    >>> CopyObjects(["/data/a", "/data/b", "s3://old"], "s3://lake/all").title
    '3 sources → s3://lake/all/'
    """

    phases: ClassVar[tuple[str, ...]] = ("plan", "copy", "report")
    # What deletes is asked for in words.
    unformed: ClassVar[frozenset[str]] = frozenset(
        {"source_after", "delete_extra", "max_deletes", "max_delete_share", "max_drift"}
    )

    source: Location
    target: Location
    more_sources: tuple[Location, ...] = ()
    overwrite: Overwrite = "never"
    compare: Compare = "listed"
    before: Before = "keep"
    duplicates: Duplicates = "copy"
    preview_loss: bool = False
    on_loss: OnLoss = "report"
    reread: float = Field(default=1, ge=0, le=1)
    record: Strong | None = None
    compare_metadata: bool = False
    source_after: SourceAfter = "keep"
    delete_extra: bool = False
    max_deletes: int | None = Field(default=None, ge=0)
    max_delete_share: float | None = Field(default=None, gt=0, le=1)
    max_drift: int | None = Field(default=None, ge=0)
    in_flight: int | None = Field(default=None, ge=1, le=512)
    processes: int | None = Field(default=None, ge=0, le=64)

    def __init__(self, source: Any = None, target: Any = None, /, **data: Any) -> None:
        given = {"source": source, "target": target}
        super().__init__(**{name: place for name, place in given.items() if place is not None}, **data)

    @model_validator(mode="before")
    @classmethod
    def _may_be_several(cls, given: Any) -> Any:
        source = given.get("source") if isinstance(given, Mapping) else None
        if not isinstance(source, list | tuple):
            return given
        if not source or given.get("more_sources"):
            raise BadInput(
                f"{option('source')} is a place or a list of places, at least one; {option('more_sources')} goes with "
                "one place."
            )
        return {**given, "source": source[0], "more_sources": source[1:]}

    @field_validator("reread", mode="before")
    @classmethod
    def _percent(cls, given: Any) -> Any:
        return share_of("reread", given)

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> CopyObjects:
        deletes = "delete_extra" if self.delete_extra else "source_after" if self.source_after != "keep" else None
        if deletes and self.more_sources:
            raise BadInput(
                f"{option(deletes)} goes with one source. When all is copied, delete of each: `migrator delete-source "
                f"RUN`, or mg.DeleteSource.of(run), with {option('source')}."
            )
        if self.delete_extra and (self.source_after != "keep" or self.manifest):
            other = option("manifest" if self.manifest else "source_after")
            raise BadInput(
                f"{option('delete_extra')} makes the target like the source, which {other} contradicts. Choose one."
            )
        return self

    @property
    def title(self) -> str:
        several = len(self.sources)
        return f"{f'{several} sources' if several > 1 else self.source} → {self.target}"

    @property
    def sources(self) -> tuple[Location, ...]:
        """All of them, in their order."""
        return (self.source, *self.more_sources)

    def named(self) -> dict[str | None, Location]:
        """The sources by what a plan calls them: nothing where there is one."""
        return {str(place): place for place in self.sources} if self.more_sources else {None: self.source}

    @property
    def afterwards(self) -> str | None:
        return "delete" if self.delete_extra or self.source_after != "keep" else None

    @property
    def deletes(self) -> str | None:
        """What is deleted afterwards, in a sentence."""
        if self.delete_extra:
            return f"Afterwards what only {self.target} has is deleted there."
        kept = ", each kept in quarantine there" if self.source_after == "quarantine-verified" else ""
        gone = f"Afterwards the objects of {self.source} whose copies are proved are deleted{kept}."
        return None if self.source_after == "keep" else gone

    def then(self, run: Ended) -> Migration:
        """The deletion that was asked for."""
        most = {"max_objects": self.max_deletes, "max_share": self.max_delete_share}
        most = {name: given for name, given in most.items() if given is not None}
        if self.delete_extra:
            from .delete_extra import DeleteExtra

            meant = {name: getattr(self, name) for name in (*CHOICE, *RENAMING) if name not in LIMITS}
            return DeleteExtra(self.source, self.target, before=self.before, **meant, **most)
        from .delete_source import DeleteSource

        return DeleteSource.made_of(run, before="none" if self.source_after == "delete-verified" else "keep", **most)

    def resolve(self) -> CopyObjects:
        places = {name: getattr(self, name) for name in ("source", "target", "manifest")}
        resolved: dict[str, Any] = {name: place.resolve() for name, place in places.items() if place}
        more = tuple(place.resolve() for place in self.more_sources)
        return self.model_copy(update=resolved | {"more_sources": more})

    def check(self) -> None:
        """Raise BadInput or StoreError when source and target can't work together."""
        if self.record:
            check_strong(self.record)
        for source in self.sources:
            check_apart(source, self.target)
        check_distinct(self.sources)
        for source in self.sources:
            check_reached(source, "source")
        if self.target.kind != "local":  # a folder is made when it is needed
            check_reached(self.target, "target")
        else:
            check_folder(self.target)

    def processes_for(self, items: int, size: int) -> int:
        if self.processes is not None:
            return self.processes
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        # One more than cores: one interpreter's threads never keep a core quite busy. Measured: an eighth faster.
        worth = min(cores + 1, MOST_PROCESSES) if cores > 1 else 1
        if self.in_flight:
            worth = min(worth, self.in_flight)
        many = items >= MANY_OBJECTS and size < SMALL_BYTES * items
        return worth if many and worth > 1 else 0

    def plan(self, ctx: PlanContext) -> Iterator[Batch]:
        from . import ordinary  # with it pyarrow

        named, target = {name: ctx.open(place) for name, place in self.named().items()}, ctx.open(self.target)
        sources = [*named.values()]
        known = [remark for source in sources for remark in source.remarks(to_write=False)]
        for remark in known + (target.remarks(to_write=True) if ctx.dry_run else []):
            ctx.warn(remark)
        found = False
        sofar: dict[str, int] = {}
        for table in ctx.diff(sources, target, self, self, duplicates=self.duplicates):
            found = True
            if self.preview_loss or self.on_loss == "refuse":
                rows = weigh_losses(decide(table, sources, target, self), named, target, self.on_loss)
                self.check_amount(rows, sofar)
                yield rows
            else:
                planned = ordinary.decide_all(table, sources, target, self)
                self.check_amounts(ordinary.amounts(planned), sofar)
                yield planned
        for source in sources if not self.chooses else ():
            if isinstance(source, HasFolders) and (empty := source.empty_folders):
                ctx.warn(f"Folders of {source.location} without a file have no key, and are not copied: {empty:,}.")
        if not found and not self.chooses:
            ctx.warn(f"Nothing is listed at {' or '.join(map(str, self.sources))}: there is nothing to copy.")

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
        return [place for place in (*self.sources, self.target, self.manifest) if place]

    def needs(self) -> list[str]:
        return sorted({need for place in self.places() for need in place.needs()})


class Retried(Protocol):
    """What `CopyObjects.retry` asks of a run's handle."""

    def snapshot(self) -> Snapshot: ...

    def manifest(self, *statuses: ItemStatus) -> Path: ...
