"""What runs keep of what they replaced or deleted: where, whose, since when, and what it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .config import MANIFESTS, QUARANTINE, keep_for
from .errors import BadInput
from .migrations.purge_quarantine import due, inside, kept_by, pages
from .model import Snapshot
from .state import runs as rows
from .state.schema import runs
from .stores import Location, open_store

if TYPE_CHECKING:
    import pyarrow as pa

    from .state import StateDB

# What a run has done to an object that is to be kept, by migration; and the side on which.
_KEEPS = {
    "copy-objects": ("overwrite", "target"),
    "delete-source": ("delete", "source"),
    "delete-extra": ("delete", "target"),
}
FIELDS = ("at", "attempt", "because", "key", "kept_as", "size", "mtime", "etag", "kept_etag", "digest", "evidence")
NUMBERS = ("at", "attempt", "size", "mtime")
CARRIED = ("headers", "metadata", "tags")


@dataclass(frozen=True, slots=True)
class Kept:
    """What one run keeps at a place.

    ``kept_at`` and ``expires`` are milliseconds since the epoch: when it kept something last, and from when on a purge
    that is told no other age takes it; None where no manifest tells. ``status`` is the run's, None where the state DB
    does not know it. ``needed_by`` names a run that has not ended and is to bring it back, or keeps more.
    """

    run: str
    status: str | None
    objects: int
    bytes: int
    kept_at: int | None
    expires: int | None
    needed_by: str | None


def look(db: StateDB, place: Location) -> list[Kept]:
    """What runs keep at a place, the oldest first; where nothing was ever kept, nothing.

    Raises
    ------
    StoreError
        If it can't be listed.
    """
    place = place.resolve()
    open_store(place).probe()
    needed = needed_by(db, place)
    kept = kept_by(open_store(inside(place)))
    with db.read() as connection:
        statuses = {row["id"]: row["status"] for row in rows.select(connection, runs.c.id.in_(list(kept)))}
    found = [
        Kept(run, statuses.get(run), one.objects, one.bytes, one.at, expiry(one.at), needed.get(run))
        for run, one in kept.items()
    ]
    return sorted(found, key=lambda one: (one.kept_at or 0, one.run))


def holds(place: Location, run: str) -> bool:
    """Whether a run keeps something at a place. The whole quarantine is not listed for that."""
    return any(pages(open_store(inside(place.resolve()).below(run))))


def expiry(at: int | None) -> int | None:
    """From when on a purge takes what was kept then, as the configuration has it."""
    return None if at is None else due(at, keep_for())


def needed_by(db: StateDB, place: Location) -> dict[str, str]:
    """Of the runs whose quarantine at a place is still needed, which run needs it: one that has not ended."""
    scope, here = inside(place).identity()
    found: dict[str, str] = {}
    with db.read() as connection:
        unended = rows.unended(connection) + rows.select(connection, runs.c.status == "interrupted")
    for row in unended:
        found[row["id"]] = row["id"]
        if row["migration"] == "copy-objects":
            there, path = Location.parse(row["spec"]["source"]).identity()
            if there == scope and path[: len(here)] == here and len(path) > len(here):
                found[path[len(here)]] = row["id"]
    return found


def place_of(seen: Snapshot) -> tuple[Location, Location]:
    """Where a run keeps what it replaced or deleted, and where that was.

    Raises
    ------
    BadInput
        If it kept nothing.
    """
    if not keeps(seen):
        raise BadInput(f"Run {seen.id} kept nothing in quarantine, so there is nothing to bring back.")
    place = Location.parse(seen.spec[_KEEPS[seen.migration][1]])
    return place.below(f"{QUARANTINE}{seen.id}"), place


def keeps(seen: Snapshot) -> bool:
    """Whether a run keeps something in quarantine, by its plan."""
    action, _ = _KEEPS.get(seen.migration, ("", ""))
    return bool(not seen.dry_run and seen.actions.get(action) and seen.spec.get("before") == "keep")


def read_manifest(seen: Snapshot) -> pa.Table:
    """What stood where, as a run wrote it down before it replaced or deleted anything; of each key the newest."""
    import pyarrow as pa

    from .columns import column

    newest = {entry["key"]: entry for entry in sorted(_entries(seen), key=lambda entry: entry["at"])}.values()
    columns = {
        name: column([one.get(name) for one in newest], pa.int64() if name in NUMBERS else pa.string())
        for name in FIELDS
    }
    carried = {name: column([_json(one.get(name)) for one in newest], pa.string()) for name in CARRIED}
    return pa.table({**columns, **carried})


def _entries(seen: Snapshot) -> Iterator[dict[str, Any]]:
    _, place = place_of(seen)
    store = open_store(place.below(f"{QUARANTINE}{seen.id}{MANIFESTS}".rstrip("/")))
    for page in store.list():
        for one in page:
            with store.open(one.key, one.etag) as body:
                yield from map(json.loads, body.read().splitlines())


def _json(value: Any) -> str | None:
    return json.dumps(value) if value else None
