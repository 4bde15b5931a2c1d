"""The values that pass between the floors: frozen, typed, with no behaviour that acts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from .moving import DECIDED
from .words import OUTCOMES, outcome
from .words import Mode as Mode

Status = Literal[
    "draft", "queued", "starting", "running",
    "completed", "partial", "failed", "cancelled", "interrupted",
]  # fmt: skip
ItemStatus = Literal["pending", "copied", "adopted", "skipped", "failed", "refused", "cancelled", "deleted"]
Action = Literal[
    "create", "overwrite", "skip", "omit", "refuse", "run", "compare", "missing", "extra", "changed", "delete"
]
Evidence = Literal["server-hash", "re-read", "size-only", "listed"]

TERMINAL: frozenset[str] = frozenset({"completed", "partial", "failed", "cancelled", "interrupted"})
LIVE: frozenset[str] = frozenset({"queued", "starting", "running"})
RESUMABLE: frozenset[str] = frozenset({"interrupted", "cancelled", "failed", "partial"})
# An item with one of these needs nothing more; `done` counts them.
SETTLED: frozenset[str] = frozenset({"copied", "adopted", "skipped", "failed", "refused", "deleted"})
# What a run did is tallied in one column, whatever it was.
TALLIED_AS: Mapping[str, str] = {"deleted": "copied"}
EXIT_CODES: Mapping[str, int] = {
    "completed": 0, "partial": 10, "failed": 11, "cancelled": 12, "interrupted": 13,
}  # fmt: skip


class Item(NamedTuple):
    """One row of a plan: an object, or a unit of the user's own.

    ``bytes`` is its size, ``mtime`` milliseconds since the epoch, ``etag`` the version of the
    source that was planned. ``before`` (JSON) is what stood at the target, ``detail`` (JSON)
    whatever the migration wants its executor to know; ``source`` is which of several sources has it.
    """

    item_no: int
    key: str
    target_key: str | None = None
    action: str = "run"
    reason: str | None = None
    bytes: int = 0
    mtime: int | None = None
    etag: str | None = None
    before: str | None = None
    detail: str | None = None
    source: str | None = None


class Receipt(NamedTuple):
    """What happened to an item, and the evidence; made after the fact was checked.

    ``digest`` is ``algorithm:hex``; ``etag`` is the version that was written; ``losses`` names
    the attributes that the target could not hold.
    """

    item_no: int
    status: str
    evidence: str | None = None
    digest: str | None = None
    bytes: int = 0
    etag: str | None = None
    losses: str | None = None
    error: str | None = None
    at: int = 0


@dataclass(slots=True)
class Counts:
    """Tallies of one shard or one run. ``done`` counts the settled items."""

    copied: int = 0
    adopted: int = 0
    skipped: int = 0
    failed: int = 0
    refused: int = 0
    losses: int = 0
    bytes_done: int = 0

    @property
    def done(self) -> int:
        return self.copied + self.adopted + self.skipped + self.failed + self.refused

    def add(self, receipt: Receipt, times: int = 1) -> None:
        """Count a receipt; with ``times`` -1 take it back."""
        if receipt.status in SETTLED:
            column = TALLIED_AS.get(receipt.status, receipt.status)
            setattr(self, column, getattr(self, column) + times)
            self.bytes_done += receipt.bytes * times
            if receipt.losses:
                self.losses += (receipt.losses.count(",") + 1) * times

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in dataclasses.fields(Counts)})

    def __sub__(self, other: Counts) -> Counts:
        return Counts(**{f.name: getattr(self, f.name) - getattr(other, f.name) for f in dataclasses.fields(Counts)})


@dataclass(frozen=True, slots=True)
class Shard:
    """A slice of the plan: what is handed out, checkpointed and counted."""

    no: int
    items: int
    bytes: int
    plan_file: str
    receipts: tuple[str, ...] = ()
    state: str = "todo"
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that can be recognised again: a pid alone is reused."""

    host: str
    boot_id: str
    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True)
class Event:
    """A fact about a run, with its place in the run's history (``at``: ms since the epoch)."""

    seq: int
    at: int
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Phase:
    """A named part of a run. ``state`` is ``next``, ``now`` or ``done``."""

    name: str
    state: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The present picture of a run.

    Times are milliseconds since the epoch. ``done`` items are settled, whatever became of them; ``moved`` ones, of
    ``bytes_moved``, were carried over by the run's work. ``rate`` is items moved per second and ``byte_rate`` bytes
    per second over the last ten seconds; ``eta_s`` is the later of the items' and the bytes', ``None`` while unknown;
    ``engine_s`` is the time from first byte to last receipt, summed over attempts. ``silent_s`` is the time since the
    last heartbeat of a run with a process.

    Of a queued run ``position`` is its place (from 1), ``ahead`` the first runs before it, and
    ``waiting_for`` says what it waits for. ``held_for`` says why a running run writes nothing at
    the moment: it is paused, a disk is full, its lease was not renewed. ``limits`` are those set
    for this run: ``in_flight`` objects, ``bytes_per_s``. Of a draft and of a plan ``stakes`` says
    what would be destroyed. ``throttled`` says which store asks for fewer requests: ``by`` (short text) and ``since``;
    ``retries`` counts requests that were sent again, over all attempts.
    """

    id: str
    name: str
    title: str
    tags: tuple[str, ...]
    owner: str
    key: str | None
    migration: str
    spec: Mapping[str, Any]
    mode: str
    queue: str
    dry_run: bool
    status: str
    attempt: int
    phase: str | None
    phases: tuple[Phase, ...]
    done: int
    total: int
    bytes_done: int
    bytes_total: int
    copied: int
    adopted: int
    skipped: int
    failed: int
    refused: int
    losses: int
    rate: float | None
    byte_rate: float | None
    eta_s: float | None
    engine_s: float
    created_at: int
    started_at: int | None
    finished_at: int | None
    holder: Mapping[str, Any] | None
    silent_s: float | None
    position: int | None
    ahead: tuple[str, ...]
    waiting_for: str | None
    priority: int
    not_before: int
    start_requested: bool
    cancel_requested: bool
    pause_requested: bool
    held_for: str | None
    limits: Mapping[str, Any]
    crashes: int
    error: str | None
    workspace: str
    plan_run: str | None
    plan_hash: str | None
    interpreter: str
    seq: int
    actions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    stakes: tuple[str, ...] = ()
    throttled: Mapping[str, Any] | None = None
    retries: int = 0
    moved: int = 0
    bytes_moved: int = 0

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def outcome(self) -> str:
        """What came of the settled items, in words: ``1,500 copied, 2 failed``."""
        return outcome({name: getattr(self, name) for name in OUTCOMES}, self.migration)

    @property
    def to_do(self) -> int:
        """Items of a plan that are not skipped or refused by the plan itself."""
        return sum(tally["items"] for action, tally in self.actions.items() if action not in DECIDED)

    def to_dict(self) -> dict[str, Any]:
        """The snapshot as plain JSON-ready data."""
        return dataclasses.asdict(self)
