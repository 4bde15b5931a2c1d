"""Whether what somebody asks for may be started: looked at before anything is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from .errors import BadInput, KeyConflict
from .handle import Run
from .migrations import CopyObjects, DeleteExtra, Migration, PurgeQuarantine, Verify, registry
from .migrations.choosing import read_time
from .model import LIVE, RESUMABLE, Mode, Snapshot
from .options import option
from .quarantines import holds, needed_by
from .recording import Terms
from .state import runs as rows

if TYPE_CHECKING:
    from .state import StateDB


def check_arguments(migration: object, terms: Terms, connection: object) -> None:
    if not isinstance(migration, Migration):
        what = type(migration).__name__
        raise BadInput(f"start() takes a migration such as CopyObjects(source, target), not {what}.")
    if terms.mode not in get_args(Mode):
        raise BadInput(f"There is no mode {terms.mode!r}; there are 'streaming' (now) and 'queue' (at its turn).")
    if isinstance(terms.tags, str):
        raise BadInput(f"Tags are a list of words: {option('tags', [terms.tags])}.")
    if not terms.queue or len(terms.queue) > 64:
        raise BadInput(f"A queue's name has 1 to 64 characters, not {terms.queue!r}.")
    if terms.max_attempts < 1:
        raise BadInput(f"{option('max_attempts')} is at least 1, not {terms.max_attempts}.")
    if connection is not None and terms.mode != "queue":
        raise BadInput(
            f"{option('connection')} is for {option('mode', 'queue')}: a process can't be started in a transaction "
            "that may be undone."
        )


def check_worth(planned: Run, seen: Snapshot, max_cost: float | None, max_age: str) -> None:
    made = datetime.fromtimestamp((seen.finished_at or 0) / 1000, UTC).replace(tzinfo=None)
    if made < read_time(max_age, datetime.now(UTC)):
        raise BadInput(
            f"The plan of run {seen.id} is of {made:%Y-%m-%d %H:%M} UTC, older than {max_age}. Make the dry run again, "
            f"or allow it by {option('max_age')}."
        )
    cost = None if max_cost is None else planned.plan_summary().cost
    if cost is not None and max_cost is not None and cost.total > max_cost:
        allowed = option("max_cost", max_cost)
        raise BadInput(f"The plan of run {seen.id} costs {cost}, more than {allowed} allows. Nothing was done.")


def bounded(migration: Migration, max_drift: int | None) -> Migration:
    """A migration whose plan is applied, with how far that may be from what is true.

    Raises
    ------
    BadInput
        If it is no copy, or the figure makes no sense.
    """
    if max_drift is None:
        return migration
    if not isinstance(migration, CopyObjects) or max_drift < 0:
        raise BadInput(f"{option('max_drift', max_drift)} counts objects of a copy's plan; it is at least 0.")
    return migration.model_copy(update={"max_drift": max_drift})


def check_choice(migration: Migration) -> None:
    """Raise BadInput when SQL, a regular expression or a template of it can't be worked out."""
    if isinstance(migration, CopyObjects | Verify | DeleteExtra) and (migration.chooses or migration.renames):
        from .engine.listings import try_out  # loads Arrow and DuckDB, which a plain copy's command has no use for

        try_out(migration, migration)


def check_unneeded(db: StateDB, migration: Migration, dry_run: bool) -> None:
    """Raise BadInput when what a purge is to delete is needed by a run that has not ended."""
    if dry_run or not isinstance(migration, PurgeQuarantine):
        return
    needed = needed_by(db, migration.place)
    wanted = [run for run in needed if migration.run in (None, run)]
    if kept := [run for run in wanted if holds(migration.place, run)]:
        raise BadInput(
            f"What run {kept[0]} keeps at {migration.place} is needed by run {needed[kept[0]]}, which has not ended. "
            f"Let it end, or cancel it; or purge one run's by {option('run')}."
        )


def earlier(db: StateDB, key: str, migration: Migration, dry_run: bool) -> Run | None:
    """The run that this key stands for, carried on if need be."""
    with db.read() as connection:
        row = rows.by_key(connection, key)
    if row is None:
        return None
    _check_same(row, migration, dry_run)
    run = Run(row["id"], db)
    if run.status in RESUMABLE:
        try:
            return run.resume()
        except BadInput:  # another caller with the same key was first
            if run.status not in LIVE:
                raise
    return run


def _check_same(row: Any, migration: Migration, dry_run: bool) -> None:
    asked = migration.model_dump(mode="json") | {
        "migration": registry.reference(type(migration)), "dry_run": dry_run,
    }  # fmt: skip
    known = _as_now(row["spec"], type(migration)) | {"migration": row["migration"], "dry_run": row["dry_run"]}
    differing = _differences(known, asked)
    if differing:
        raise KeyConflict(
            f"{option('key', row['key'])} belongs to run {row['id']}, which was started differently: "
            f"{'; '.join(differing)}. Use another key, or the same arguments."
        )


def _as_now(spec: dict[str, Any], kind: type[Migration]) -> dict[str, Any]:
    """A specification as this release writes it: fields that were added since have their defaults."""
    try:
        return kind.model_validate(spec).model_dump(mode="json")
    except ValueError:  # of another kind, or with fields that are gone
        return spec


def _differences(known: Any, asked: Any, path: str = "") -> list[str]:
    if isinstance(known, dict) and isinstance(asked, dict):
        names = dict.fromkeys([*known, *asked])
        found = (_differences(known.get(n), asked.get(n), f"{path}.{n}" if path else n) for n in names)
        return [difference for differences in found for difference in differences]
    return [] if known == asked else [f"{path} was {known!r} and is {asked!r}"]
