"""Check a copy that any tool made: what is missing, extra or changed, and by which evidence the rest is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from pydantic import Field, field_validator

from ..stores import Location, Store
from ..stores.digests import told
from ..words import unescape
from .base import Batch, Migration, PlanContext
from .choosing import Choosing
from .placing import check_reached
from .renaming import Renaming
from .sampling import Sampling, share_of

# Actions that are differences by the listings alone; a comparison may find more.
DIFFERENT = ("missing", "extra", "changed")


class Verify(Choosing, Renaming, Migration, defer_build=True):
    """Compare two places object by object; writes to neither.

    The run ends ``completed`` when nothing differs, ``partial`` when something does: its failed items are the
    differences, each a kind (``missing``, ``extra``, ``changed``, ``metadata``, ``unreadable``) and a sentence.

    Parameters
    ----------
    source, target : str or path or Location
        As for `CopyObjects`.
    sample : float or str, optional
        The share of the objects that is read again on both sides, such as ``0.01`` or ``"1%"``; which ones is told by
        their keys. The run says with which confidence that speaks for the others.
    download : bool
        Read all of them again on both sides.
    metadata : bool
        Also compare headers, user metadata and tags where both sides hold them: two requests more for each object.
    in_flight : int, optional
        Objects at once; by default what suits the two stores.
    **choice, **names
        Which objects are meant, and what they are called at the target: as for `CopyObjects`.

    Examples
    --------
    >>> Verify("/data/in", "s3://lake/in", sample="1%").title
    'verify /data/in = s3://lake/in/'
    """

    phases: ClassVar[tuple[str, ...]] = ("plan", "verify", "report")

    source: Location
    target: Location
    sample: float | None = Field(default=None, gt=0, le=1)
    download: bool = False
    metadata: bool = False
    in_flight: int | None = Field(default=None, ge=1, le=512)

    def __init__(self, source: Any = None, target: Any = None, /, **data: Any) -> None:
        given = {"source": source, "target": target}
        super().__init__(**{name: place for name, place in given.items() if place is not None}, **data)

    @field_validator("sample", mode="before")
    @classmethod
    def _percent(cls, given: Any) -> Any:
        return share_of("sample", given)

    @property
    def title(self) -> str:
        return f"verify {self.source} = {self.target}"

    def resolve(self) -> Verify:
        places = {name: getattr(self, name) for name in ("source", "target", "manifest")}
        return self.model_copy(update={name: place.resolve() for name, place in places.items() if place})

    def check(self) -> None:
        """Raise BadInput or StoreError when one of the two can't be listed."""
        check_reached(self.source, "source")
        check_reached(self.target, "target")

    def plan(self, ctx: PlanContext) -> Iterator[Batch]:
        source, target = ctx.open(self.source), ctx.open(self.target)
        tally = Sampling(self.sample)
        found = False
        for table in ctx.diff(source, target, self, self, extras=True):
            found = True
            pairs = (_Pair(*row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True))
            yield [self._judge(pair, source, target, tally) for pair in pairs]
        if not found and not self.chooses:
            ctx.warn(f"Neither {self.source} nor {self.target} has anything listed: there is nothing to compare.")
        if said := tally.told():
            ctx.warn(said)

    def needs(self) -> list[str]:
        return sorted({need for place in (self.source, self.target, self.manifest) if place for need in place.needs()})

    def _judge(self, pair: _Pair, source: Store, target: Store, tally: Sampling) -> dict[str, Any]:
        """What is known of a pair by the listings, and whether to look closer."""
        if pair.key is None:
            return _row(pair, "extra", f"only at the target: {pair.t_size:,} bytes")
        if pair.r_key is not None:
            return _row(pair, "omit", f"{unescape(pair.r_key)!r} has the same name")
        if pair.problem or pair.twin:
            return _row(pair, "refuse", pair.problem or f"{unescape(pair.twin or '')!r} would get the same name")
        if pair.t_size is None:
            return _row(pair, "missing", "not at the target")
        if pair.size != pair.t_size:
            return _row(pair, "changed", f"{pair.t_size:,} bytes at the target, {pair.size:,} at the source")
        again = self.download or tally.takes(pair.key)
        if not (again or self.metadata) and _same_etag(pair, source, target):
            return _row(pair, "skip", "both have the same ETag")
        return _row(pair, "compare", "to be read again" if again else "to be compared", again=again)


class _Pair(NamedTuple):
    """A row of two listings joined by name; ``key`` is None where only the target has it. See `PlanContext.diff`."""

    key: str | None
    size: int | None
    mtime: int | None
    etag: str | None
    problem: str | None
    name: str
    t_size: int | None
    t_mtime: int | None
    t_etag: str | None
    collides: str | None
    twin: str | None
    r_key: str | None
    r_size: int | None
    r_mtime: int | None
    r_etag: str | None
    source: int | None = None
    twin_source: int | None = None
    r_source: int | None = None
    content: str | None = None


def _same_etag(pair: _Pair, source: Store, target: Store) -> bool:
    """Whether two servers tell one hash, which they made of the bytes; a folder's tag is made of times."""
    remote = source.capabilities.remote and target.capabilities.remote
    digest = told(pair.etag, checked=True)
    return remote and digest is not None and digest == told(pair.t_etag, checked=True)


def _row(pair: _Pair, action: str, reason: str, **detail: Any) -> dict[str, Any]:
    before = None if pair.t_size is None else {"size": pair.t_size, "mtime": pair.t_mtime, "etag": pair.t_etag}
    name = unescape(pair.name)
    return {
        "key": name if pair.key is None else unescape(pair.key), "target_key": name, "action": action, "reason": reason,
        "bytes": pair.size if pair.size is not None else pair.t_size or 0, "mtime": pair.mtime, "etag": pair.etag,
        "before": before and json.dumps(before), "detail": json.dumps(detail) if detail else None,
    }  # fmt: skip
