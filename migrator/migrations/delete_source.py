"""The second half of a move: delete what an earlier run copied and proved, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import ByteSize, Field

from ..errors import BadInput
from ..options import option
from ..stores import Location
from .base import Batch, Ended, Migration, PlanContext, Target
from .choices import Before
from .choosing import Choosing
from .copy_objects import CopyObjects
from .placing import check_reached

# By which evidence a copy is proved: the target's own hash of the bytes, or a second reading of them.
PROVED = ("server-hash", "re-read")
BATCH = 10_000


class DeleteSource(Migration, defer_build=True):
    """Delete the source objects of a copy that has receipts which prove it. Made by `DeleteSource.of`.

    Each is looked at once more: one that changed since it was copied stays, and so does one whose copy is not there any
    more as it was written. Before the first, a trial object shows that source and target are not one place seen twice.

    Parameters
    ----------
    source, target : Location
        As the run had them.
    proved : Location
        Keys, versions and evidence of what it copied: a Parquet file.
    run : str
        That run.
    before : {"none", "keep"}
        ``keep`` copies each to ``.migrator-quarantine/<run>/<key>`` below the source first.
    max_objects : int, optional
    max_bytes : int or str, optional
    max_share : float, optional
        More than that, as a share of ``total``, the objects that the run planned, and there is no plan.
    """

    formed: ClassVar[bool] = False  # what deletes is asked for in words, not found in a list
    phases: ClassVar[tuple[str, ...]] = ("plan", "delete", "report")

    source: Location
    target: Location
    proved: Location
    run: str
    before: Before = "none"
    max_objects: int | None = Field(default=None, ge=0)
    max_bytes: ByteSize | None = None
    max_share: float | None = Field(default=None, gt=0, le=1)
    total: int = 0

    @classmethod
    def of(cls, run: Ended, **terms: Any) -> DeleteSource:
        """What may be deleted after a run; ``source`` names one of several, as the run has it.

        Raises
        ------
        BadInput
            If it is no copy that ended, or proved nothing, or had several sources and none is named.
        """
        seen = run.snapshot()
        if seen.migration != "copy-objects" or seen.dry_run or seen.status not in ("completed", "partial"):
            what = "a dry run" if seen.dry_run else seen.status if seen.migration == "copy-objects" else "no copy"
            raise BadInput(f"Run {seen.id} is {what}; only what a completed or partial copy has proved can be deleted.")
        return cls.made_of(run, **terms)

    @classmethod
    def made_of(cls, run: Ended, *, source: str | None = None, **terms: Any) -> DeleteSource:
        """The same of a copy that has done its part, and may still be in its last phase."""
        seen = run.snapshot()
        made = CopyObjects.model_validate(seen.spec)
        if source is None and made.more_sources:
            raise BadInput(
                f"Run {seen.id} copied {len(made.sources)} sources; say which one's objects go: {option('source')}."
            )
        if source is not None and source not in map(str, made.sources):
            told = ", ".join(map(str, made.sources))
            raise BadInput(f"Run {seen.id} copied no source {source!r}; it copied {told}.")
        name = source if made.more_sources else None
        given = {"source": made.named()[name], "target": made.target, "proved": str(run.proved(name)), "run": seen.id}
        return cls.model_validate({**given, "total": seen.total, **terms})

    @property
    def title(self) -> str:
        return f"delete {self.source}, copied to {self.target} by {self.run}"

    def check(self) -> None:
        """Raise BadInput or StoreError when one of the places can't be reached."""
        check_reached(self.source, "source")
        check_reached(self.target, "target")

    def plan(self, ctx: PlanContext) -> Iterator[Batch]:
        import pyarrow.parquet as pq

        limits, sofar = Choosing(max_objects=self._most(), max_bytes=self.max_bytes), {}
        for batch in pq.ParquetFile(str(self.proved.path)).iter_batches(BATCH):
            rows = [_row(one) for one in batch.to_pylist()]
            limits.check_amount([{**row, "action": "create"} for row in rows], sofar, "deleted")
            yield rows

    def _most(self) -> int | None:
        """How many objects may go, by number or share."""
        share = None if self.max_share is None else int(self.max_share * self.total)
        return min((most for most in (self.max_objects, share) if most is not None), default=None)

    def writes(self) -> list[Target]:
        scope, path = self.source.identity()
        return [Target(scope, "/".join(path))]

    def needs(self) -> list[str]:
        return sorted({need for place in (self.source, self.target) for need in place.needs()})


def _row(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": one["key"], "target_key": one["target_key"], "action": "delete", "bytes": one["size"],
        "reason": f"its copy is proved ({one['evidence']})", "mtime": one["mtime"], "etag": one["etag"],
        "before": json.dumps({"size": one["size"], "mtime": None, "etag": one["written_etag"]}),
        "detail": json.dumps({"evidence": one["evidence"]}),
    }  # fmt: skip
