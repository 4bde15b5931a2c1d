"""The seam: a migration says what to do, an executor does it, and neither knows of runs.

A user's own migration is a `Migration` with a ``plan`` and an executor registered for it::

    class Backfill(Migration):
        table: str

        def plan(self, ctx):
            yield [{"key": str(day)} for day in days(self.table)]

    @executes(Backfill)
    class BackfillExecutor(Executor):
        def execute(self, shard, rows, control):
            for row in rows:
                if control.cancelled():
                    return
                fill(self.migration.table, row.key)
                yield Receipt(row.item_no, "copied", evidence="re-read")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import BadForm, DiskFull
from ..model import Item, Receipt, Shard
from .faults import faults_of

if TYPE_CHECKING:
    import pyarrow as pa

    from ..model import Snapshot
    from ..stores import Location, Store
    from .choices import Duplicates
    from .choosing import Choosing
    from .renaming import Renaming

# Rows of a plan: dicts with some of Item's fields (never item_no: the engine numbers them),
# or an Arrow table of the same columns.
Batch: TypeAlias = "Sequence[dict[str, Any]] | pa.Table"


@dataclass(frozen=True, slots=True)
class Target:
    """What a migration writes, for leases: ``scope`` (endpoint and bucket, or host and device)
    and a path of whole segments inside it."""

    scope: str
    path: str


class PlanContext(Protocol):
    """What planning may ask for. The engine fits it."""

    @property
    def dry_run(self) -> bool:
        """Whether the run ends with the plan."""
        ...

    def open(self, location: Location) -> Store: ...

    def diff(
        self, source: Store | Sequence[Store], target: Store, choosing: Choosing | None = None,
        renaming: Renaming | None = None, *, extras: bool = False, duplicates: Duplicates = "copy",
    ) -> Iterator[pa.Table]:  # fmt: skip
        """Both listings joined by name, in the order of the source's keys; of the source only what is chosen.

        The columns: ``key size mtime etag problem`` of the source, ``name`` at the target, ``t_size t_mtime t_etag``
        of what stands there (null where nothing does), ``collides`` (another name that can't stand beside this one
        in a folder), ``twin`` (another key that would get the same name), ``r_key r_size r_mtime r_etag`` (the one
        that keeps a name which this one yields). With ``extras`` also what only the target has, and the choice means:
        ``key`` is null then. Of several sources ``source`` says which one it is, from 0, and ``twin_source`` and
        ``r_source`` the same of the others; their order comes first then. ``content`` tells objects of the same bytes
        where ``duplicates`` are looked for; with ``once`` those that yield to another one have its name.
        """
        ...

    def cancelled(self) -> bool: ...

    def warn(self, text: str) -> None: ...


class Control(Protocol):
    """What an executor may ask while it works."""

    @property
    def run_id(self) -> str: ...

    @property
    def attempt(self) -> int: ...

    @property
    def shares(self) -> int:
        """How many processes of the run do this at once."""
        ...

    @property
    def workspace(self) -> Path | None:
        """The run's own folder, for notes that another attempt is to find."""
        ...

    @property
    def limited(self) -> bool:
        """Whether the run has a limit of bytes a second now: then nothing is fetched before it is needed."""
        ...

    def at_once(self, wanted: int) -> int:
        """How many items may be in flight now, of the ``wanted``: a limit, or a store that throttles, may say less."""
        ...

    def cancelled(self) -> bool:
        """Whether to stop: finish or abort what is in flight, and return.

        Ask before each thing that is written: while the run is paused the answer is waited for.
        """
        ...

    def progress(self, bytes_done: int) -> None:
        """Bytes of an unfinished item that have moved since the last call."""
        ...

    def spend(self, size: int) -> None:
        """Wait until so many bytes more are within the run's limit of bytes a second."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Around what a thread that an executor started writes; the thread that calls ``execute`` counts anyway."""
        ...

    def aside(self) -> AbstractContextManager[None]:
        """Around a wait for such threads: whoever is inside is in the middle of nothing."""
        ...

    def warn(self, text: str) -> None:
        """Say something that people should know, as an event of the run and in its output."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether to stop, without waiting."""
        ...

    def until_room(self, error: DiskFull) -> bool:
        """Hold the run until the disk has room again; False when it is asked to stop instead."""
        ...


class Ended(Protocol):
    """What a migration may ask of a run that has done its part: a run's handle."""

    def snapshot(self) -> Snapshot: ...

    def proved(self, source: str | None = None) -> Path: ...


class Migration(BaseModel):
    """What to do, as typed data. Subclass it with fields; the fields are the specification.

    ``resumable``: another attempt may go on where one stopped. ``idempotent``: an item may be
    executed twice. ``formed``: a form may offer it; ``unformed`` are fields that it does
    not. ``phases`` names the parts of a run in order; the second one
    executes. ``processes``: shards at a time, each in a process of its own (0: all in the runner; None: as many as are
    worth it).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    resumable: ClassVar[bool] = True
    idempotent: ClassVar[bool] = True
    formed: ClassVar[bool] = True
    unformed: ClassVar[frozenset[str]] = frozenset()
    phases: ClassVar[tuple[str, ...]] = ("plan", "run", "report")

    processes: Annotated[
        int | None, Field(ge=0, le=64, description="Shards at a time, each in a process of its own; 0: in the runner.")
    ] = 0

    def __init__(self, **data: Any) -> None:
        """Raise BadForm, which says what is wrong with each field, where one does not fit."""
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise BadForm(faults_of(type(self), error)) from None  # its own words would repeat the values

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What was said of it, without all that was left as it is by default."""
        fields = sorted(type(self).model_fields.items(), key=lambda field: not field[1].is_required())
        yield from ((name, getattr(self, name)) for name, field in fields if getattr(self, name) != field.get_default())

    def __str__(self) -> str:
        return repr(self)

    @property
    def title(self) -> str:
        """One line for people: what, or what → where."""
        return type(self).__name__

    def resolve(self) -> Migration:
        """The same migration with everything the environment decides written into it.

        Called once, when the run is recorded; the runner uses only the result.
        """
        return self

    def check(self) -> None:
        """Raise one clear MigratorError if this can't work. Called before anything is written."""

    def plan(self, ctx: PlanContext) -> Iterator[Batch]:
        """Every intended action, in batches. Touches no target."""
        raise NotImplementedError

    @property
    def afterwards(self) -> str | None:
        """The name of a last phase, in which what `then` gives is run and waited for; None where there is none."""
        return None

    def then(self, run: Ended) -> Migration:
        """What is to be run when this has done its own part, as a run of its own.

        Raises
        ------
        BadInput
            If there is nothing to be done.
        """
        raise NotImplementedError

    def processes_for(self, items: int, size: int) -> int:
        """How many processes are worth it for so many items of so many bytes together."""
        return self.processes or 0

    def writes(self) -> list[Target]:
        """What will be written, for leases; empty where nothing else could write it."""
        return []

    def needs(self) -> list[str]:
        """What a worker must have to run it: ``env:NAME`` and ``profile:NAME`` of credentials."""
        return []


class Executor(Protocol):
    """How. Made once in each process as ``Executor(migration)``; keeps no state that matters."""

    def __init__(self, migration: Any, /) -> None: ...

    def execute(self, shard: Shard, rows: Sequence[Item], control: Control) -> Iterable[Receipt]:
        """Do the rows, giving a receipt for each after it was checked, in any order.

        A row without a receipt is still pending and comes again with the next attempt.
        An exception that leaves this method fails the run; one item's failure is a receipt.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Called once at the end."""
