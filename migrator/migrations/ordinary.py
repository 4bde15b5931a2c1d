"""The rows of a copy's plan that columns alone decide, which are nearly all: a batch at a time instead of one by one.

What is said of such a row is what `deciding.decide` says of it, to the letter; any other row is left to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute

from ..columns import column, scalar
from ..stores import Store
from .deciding import decide
from .sameness import alike

if TYPE_CHECKING:
    from .copy_objects import CopyObjects

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker knows them
_TEXTS = ("key", "target_key", "action", "reason", "etag", "before", "detail", "source")
KINDS = dict.fromkeys(_TEXTS, pa.string()) | dict.fromkeys(("bytes", "mtime"), pa.int64())
_ESCAPED = "\x10"  # begins what was escaped: see `words.escape`
_IN_JSON = r'[\x00-\x1f"\\]|[^\x00-\x7f]'  # what JSON writes in another way


def decide_all(table: pa.Table, sources: Sequence[Store], target: Store, how: CopyObjects) -> pa.Table:
    """The intended action for each pair of a joined listing, with its reason, in the same order.

    The listing has said of each name whether the target can hold it. Of several sources the rows are in their order.
    """
    if len(sources) == 1:
        return _decide_of(table, None, sources, target, how)
    parts = [(of, table.filter(pc.equal(table["source"], scalar(of)))) for of in range(len(sources))]
    return pa.concat_tables([_decide_of(part, of, sources, target, how) for of, part in parts if part.num_rows])


def _decide_of(table: pa.Table, of: int | None, sources: Sequence[Store], target: Store, how: CopyObjects) -> pa.Table:
    """The same where all are of one source."""
    name = None if of is None else str(how.sources[of])
    new, same = _ordinary(table, sources[of or 0], target, how)
    rest = pc.invert(pc.or_(new, same))
    if not pc.any(rest).as_py():
        return _settled(table, same, name)
    numbers = column(range(table.num_rows), pa.int64())
    others = _table_of(decide(table.filter(rest), sources, target, how))
    done = _settled(table.filter(pc.invert(rest)), same.filter(pc.invert(rest)), name)
    places = pa.concat_arrays([numbers.filter(pc.invert(rest)), numbers.filter(rest)])
    return pa.concat_tables([done, others]).take(pc.sort_indices(places))


def amounts(planned: pa.Table) -> list[tuple[str, int, int]]:
    """The actions of a plan's rows, each with the number of its objects and their bytes."""
    sizes = {
        action: planned["bytes"].filter(pc.equal(planned["action"], scalar(action)))
        for action in pc.unique(planned["action"]).to_pylist()
    }
    return [(action, len(each), pc.sum(each).as_py()) for action, each in sizes.items()]


def _ordinary(table: pa.Table, source: Store, target: Store, how: CopyObjects) -> tuple[pa.Array, pa.Array]:
    """Which rows are new at the target and nothing is in their way; and which are there already, by the listings."""
    clear = [pc.is_null(table[name]) for name in ("problem", "twin", "r_key", "collides", "content")]
    clear += [pc.invert(pc.match_substring(table[name], _ESCAPED)) for name in ("key", "name")]
    if target.location.kind == "local":  # a marker may be there without being listed
        clear += [pc.not_equal(table["name"], scalar("")), pc.invert(pc.ends_with(table["name"], "/"))]
    if how.collisions == "rename":  # what it is called now was not looked at when it was listed
        clear += [pc.equal(table["key"], table["name"])]
    absent = pc.is_null(table["t_size"])
    same = _false(table) if how.overwrite == "always" or how.compare != "listed" else alike(table, source, target)
    plain = pc.invert(pc.match_substring_regex(pc.fill_null(table["t_etag"], scalar("")), _IN_JSON))
    return _all([*clear, absent]), _all([*clear, same, plain])  # `alike` is null where nothing stands there


def _settled(table: pa.Table, same: pa.Array, source: str | None) -> pa.Table:
    """What is planned for ordinary rows: ``same`` are skipped, the others created."""
    etag = _joined('"', pc.fill_null(table["t_etag"], scalar("")), '"')
    there = _joined(
        '{"size": ', _text(table["t_size"]), ', "mtime": ', _text(table["t_mtime"]), ', "etag": ',
        pc.if_else(pc.is_null(table["t_etag"]), scalar("null"), etag), "}",
    )  # fmt: skip
    nothing = pa.nulls(table.num_rows, pa.string())
    return _as_planned({
        "key": table["key"], "target_key": table["name"],
        "action": pc.if_else(same, scalar("skip"), scalar("create")),
        "reason": pc.if_else(
            same, scalar("the same stands at the target (listed)"), scalar("not at the target")
        ),
        "bytes": table["size"], "mtime": table["mtime"], "etag": table["etag"],
        "before": pc.if_else(same, there, nothing), "detail": nothing,
        "source": nothing if source is None else pa.repeat(scalar(source), table.num_rows),
    })  # fmt: skip


def _table_of(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({name: column([row[name] for row in rows], kind) for name, kind in KINDS.items()})


def _as_planned(columns: dict[str, Any]) -> pa.Table:
    return pa.table({name: pc.cast(columns[name], kind) for name, kind in KINDS.items()})


def _all(masks: list[Any]) -> pa.Array:
    """Rows of which all is true; null is not."""
    found = pc.fill_null(reduce(pc.and_, masks), scalar(False))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _false(table: pa.Table) -> pa.Array:
    return pa.repeat(scalar(False), table.num_rows)


def _joined(*texts: Any) -> pa.ChunkedArray:
    """Texts one after the other, in each row."""
    columns = [scalar(text) if isinstance(text, str) else text for text in texts]
    return pc.binary_join_element_wise(*columns, scalar(""))


def _text(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(numbers, pa.string())
