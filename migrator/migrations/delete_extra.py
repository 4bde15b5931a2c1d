"""Make a target hold no more than its source: what only the target has is deleted, kept in quarantine first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import ByteSize, Field

from ..errors import BadInput
from ..options import option
from ..stores import Location
from ..words import unescape
from .base import Batch, Migration, PlanContext, Target
from .choices import Before
from .choosing import Choosing
from .placing import check_reached
from .renaming import Renaming


class DeleteExtra(Choosing, Renaming, Migration, defer_build=True):
    """Delete what stands at the target and not at the source. Off unless asked for by this very name.

    A source that lists nothing deletes nothing: an empty listing is more often a mistake than a wish. Each object is
    looked at once more on both sides before it goes.

    Parameters
    ----------
    source, target : str or path or Location
        As for `CopyObjects`.
    max_share : float
        The share of the target's objects that may go; more, and there is no plan.
    before : {"keep", "none"}
        ``keep`` copies each to ``.migrator-quarantine/<run>/<key>`` below the target first.
    **choice, **names
        Which objects are meant, of the target by its own names and times; and what the source's are called there: as
        for the copy.
    """

    formed: ClassVar[bool] = False  # what deletes is asked for in words, not found in a list
    phases: ClassVar[tuple[str, ...]] = ("plan", "delete", "report")

    source: Location
    target: Location
    max_share: float = Field(default=0.1, gt=0, le=1)
    before: Before = "keep"
    max_bytes: ByteSize | None = None

    def __init__(self, source: Any = None, target: Any = None, /, **data: Any) -> None:
        given = {"source": source, "target": target}
        super().__init__(**{name: place for name, place in given.items() if place is not None}, **data)

    @property
    def title(self) -> str:
        return f"delete what {self.source} does not have from {self.target}"

    def resolve(self) -> DeleteExtra:
        return self.model_copy(update={"source": self.source.resolve(), "target": self.target.resolve()})

    def check(self) -> None:
        """Raise BadInput or StoreError when one of the two can't be listed."""
        check_reached(self.source, "source")
        check_reached(self.target, "target")

    def plan(self, ctx: PlanContext) -> Iterator[Batch]:
        here = there = extra = 0
        sofar: dict[str, int] = {}
        for table in ctx.diff(ctx.open(self.source), ctx.open(self.target), self, self, extras=True):
            rows = table.to_pylist()
            extras = [_row(row) for row in rows if row["key"] is None]
            here += len(rows) - len(extras)
            there += sum(row["t_size"] is not None for row in rows)
            extra += len(extras)
            self.check_amount([{**row, "action": "create"} for row in extras], sofar, "deleted")
            yield extras
        if extra and not here:
            raise BadInput(f"{self.source} lists nothing that is meant, so nothing is deleted. Is it the right place?")
        if extra > self.max_share * there:
            raise BadInput(
                f"{extra:,} of {there:,} objects at {self.target} would be deleted, and {option('max_share')} allows "
                f"{self.max_share:.0%}. Nothing was deleted: look at the two places, or raise it."
            )

    def writes(self) -> list[Target]:
        scope, path = self.target.identity()
        return [Target(scope, "/".join(path))]

    def needs(self) -> list[str]:
        return sorted({need for place in (self.source, self.target) for need in place.needs()})


def _row(row: dict[str, Any]) -> dict[str, Any]:
    key = unescape(row["name"])
    return {
        "key": key, "target_key": key, "action": "delete", "reason": "the source does not have it",
        "bytes": row["t_size"], "mtime": row["t_mtime"], "etag": row["t_etag"],
    }  # fmt: skip
