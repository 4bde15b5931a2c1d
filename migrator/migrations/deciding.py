"""What is intended for each object of a copy, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from ..options import option
from ..stores import ObjectInfo, Store
from ..words import storable, unescape
from .losses import look_for_losses
from .sameness import identical, same

if TYPE_CHECKING:
    import pyarrow as pa

    from .choices import Compare
    from .copy_objects import CopyObjects


class Pair(NamedTuple):
    """A row of the joined listings: a source object, its name at the target, and what stands there.

    ``collides``: a name that can't stand beside it; ``twin``: a key that would get the same name; ``rival``: the object
    that keeps the name, so that this one yields. ``of``, ``twin_of`` and ``rival_of`` say of which source each is.
    ``content`` is what it holds, as a hash, where that was looked for: with a rival the two hold the same.
    """

    source: ObjectInfo
    name: str
    target: ObjectInfo | None = None
    collides: str | None = None
    twin: str | None = None
    rival: ObjectInfo | None = None
    of: int = 0
    twin_of: int = 0
    rival_of: int = 0
    content: str | None = None


def decide(table: pa.Table, sources: Sequence[Store], target: Store, how: CopyObjects) -> list[dict[str, Any]]:
    """The intended action for each pair of a joined listing, with its reason."""
    pairs = [_pair(row, target) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]
    rows = [_decide_alone(pair, sources, target, how) for pair in pairs]
    undecided = [number for number, row in enumerate(rows) if row is None]
    verdicts = _compare(sources, target, [pairs[number] for number in undecided], how.compare)
    for number, verdict in zip(undecided, verdicts, strict=True):
        rows[number] = _decide_against(pairs[number], verdict, how)
    called = [*how.named()]
    for row, pair in zip(rows, pairs, strict=True):
        if row is not None:
            row["source"] = called[pair.of]
            if pair.content:
                row["detail"] = json.dumps(json.loads(row["detail"] or "{}") | {"content": pair.content})
    return [row for row in rows if row is not None]


def weigh_losses(
    rows: list[dict[str, Any]], sources: Mapping[str | None, Store], target: Store, on_loss: str
) -> list[dict[str, Any]]:
    """The same rows, with what each object would lose at the target in its detail; or refused for it."""
    if target.capabilities.holds_attributes:
        return rows
    written = [row for row in rows if row["action"] in ("create", "overwrite")]
    written = [row for row in written if sources[row["source"]].capabilities.holds_attributes]
    for row, names in zip(written, look_for_losses(written, sources), strict=True):
        if names:
            row["detail"] = json.dumps(json.loads(row["detail"] or "{}") | {"loses": names})
        if names and on_loss == "refuse":
            row |= {"action": "refuse", "reason": f"a folder does not keep its {names.replace(',', ', ')}"}
    return rows


def _compare(sources: Sequence[Store], target: Store, pairs: Sequence[Pair], compare: Compare) -> list[str | None]:
    """By which evidence each pair is the same."""

    def look(pair: Pair) -> str | None:
        return same(sources[pair.of], target, pair.source, pair.target, compare)

    if compare != "checksum" and "local" not in [store.location.kind for store in (*sources, target)]:
        return [look(pair) for pair in pairs]
    # Telling two objects apart may mean hashing a local file: several at once, the GIL is free then.
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(look, pairs))


def _pair(row: tuple[Any, ...], target: Store) -> Pair:
    key, size, mtime, etag, problem, name, *standing, collides, twin = row[:11]
    r_key, r_size, r_mtime, r_etag, *ofs = row[11:]
    name, collides, twin = unescape(name), collides and unescape(collides), twin and unescape(twin)
    there = None if standing[0] is None else ObjectInfo(name, *standing)
    if there is None and not problem and target.location.kind == "local" and (not name or name[-1] == "/"):
        there = target.head(name)  # a folder is in no listing, and its marker may be there all the same
    rival = None if r_key is None else ObjectInfo(unescape(r_key), r_size, r_mtime, r_etag)
    return Pair(ObjectInfo(unescape(key), size, mtime, etag, problem), name, there, collides, twin, rival, *ofs)


def _decide_alone(pair: Pair, sources: Sequence[Store], target: Store, how: CopyObjects) -> dict[str, Any] | None:
    """What needs no look at the target's object; None when it does."""
    if problem := pair.source.problem or target.refusal(pair.name, pair.source.size):
        return _row(pair, "refuse", problem)
    if pair.twin is not None:
        twin = _told(pair.twin, pair.twin_of, how)
        who = f"{option('collisions')} says who yields"
        return _row(pair, "refuse", f"{twin} would get the same name, {pair.name!r}; {who}")
    if pair.rival is not None:
        return _yield(pair, pair.rival, sources, target, how)
    if pair.collides:
        return _row(pair, "refuse", f"a folder can't hold both this and {pair.collides!r}")
    if pair.target is None:
        return _row(pair, "create", "not at the target")
    return None


def _yield(pair: Pair, rival: ObjectInfo, sources: Sequence[Store], target: Store, how: CopyObjects) -> dict[str, Any]:
    """What becomes of an object whose name another one keeps."""
    told = _told(rival.key, pair.rival_of, how)
    if how.collisions == "keep-newest" and not pair.content:
        return _row(pair, "omit", f"{told} has the same name and is newer")
    if pair.content or identical(sources[pair.of], pair.source, sources[pair.rival_of], rival):
        # The other one may be refused itself; then this one's bytes are not there either.
        stands = pair.target is None or how.overwrite != "never"
        if pair.collides or not (stands or same(sources[pair.rival_of], target, rival, pair.target, how.compare)):
            return _row(pair, "refuse", f"the same bytes as {told}, which has the name and is refused")
        return _row(pair, "skip", f"the same bytes as {told}, which has the name{' for both' if pair.content else ''}")
    return _row(pair, "refuse", f"{told} gets the same name, {pair.name!r}, and has other bytes")


def _told(key: str, of: int, how: CopyObjects) -> str:
    """A key for people, where there are several sources with its own."""
    return f"{key!r} of {how.sources[of]}" if len(how.sources) > 1 else repr(key)


def _decide_against(pair: Pair, verdict: str | None, how: CopyObjects) -> dict[str, Any]:
    assert pair.target is not None
    if verdict and how.overwrite != "always":
        return _row(pair, "skip", f"the same stands at the target ({verdict})")
    if how.overwrite == "never":
        shown = f"{pair.target.size:,} bytes there, {pair.source.size:,} here"
        would = f"{option('overwrite', 'if-different')} would replace it"
        return _row(pair, "refuse", f"a different object stands at the target ({shown}); {would}")
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
