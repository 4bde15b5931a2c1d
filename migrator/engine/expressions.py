"""The SQL that people write in ``where=``: one expression over a row's columns, of functions that can't run away.

A connection without access to files keeps an expression from reading, and from writing. It does not keep it from
taking all memory: DuckDB's limit counts no strings, and ``repeat('x', 1e10)`` ends the process, which may be a kernel.
So only functions are taken whose results are no larger than what they are given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import BadInput
from ..options import option

if TYPE_CHECKING:
    import duckdb

_NAMES = """
    abs ceil ceiling floor round trunc sign mod greatest least if ifnull nullif hash md5 sha256
    lower upper length len strlen starts_with ends_with prefix suffix contains strpos position instr left right
    substr substring trim ltrim rtrim reverse ascii split_part like_escape not_like_escape ilike_escape not_ilike_escape
    concat regexp_matches regexp_full_match regexp_extract json_extract json_extract_string json_extract_path
    json_extract_path_text parse_filename parse_dirname parse_dirpath
    now today current_date current_timestamp get_current_timestamp age date_part datepart date_trunc datetrunc date_diff
    datediff date_add year month day hour minute second week quarter dayofweek dayofyear isodow weekday yearweek epoch
    epoch_ms make_date make_timestamp make_timestamp_ms strftime strptime try_strptime to_timestamp timezone
    to_years to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds monthname dayname last_day
"""
FUNCTIONS = frozenset(_NAMES.split())
_CLASSES = "CONSTANT COLUMN_REF COMPARISON CONJUNCTION OPERATOR BETWEEN CASE CAST COLLATE FUNCTION TYPE"
CLASSES = frozenset(_CLASSES.split())
# Plain ones: a type with a size, such as INTEGER[100000], takes that room for each row.
_KINDS = """
    boolean bool tinyint smallint int2 integer int int4 bigint int8 long hugeint ubigint float real double float8
    decimal numeric varchar text string char date time timestamp timestamptz timestamp_ms timestamp_s interval json
"""
KINDS = frozenset(_KINDS.split())


def check(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Raise BadInput unless this is one expression of what is known here; its syntax tree says so."""
    if not where.strip():
        raise BadInput(f"{option('where')} is empty, so it is no expression; leave it out to choose all.")
    [(told,)] = connection.execute("select json_serialize_sql(?)", [f"select 1 where ({where}\n)"]).fetchall()
    tree = json.loads(told)
    if tree.get("error"):
        raise BadInput(
            f"{option('where', where)} is no expression of SQL: {tree.get('error_message', 'it has no end')}."
        )
    node = tree["statements"][0]["node"]
    one = len(tree["statements"]) == 1 and node["type"] == "SELECT_NODE" and node["from_table"]["type"] == "EMPTY"
    if not one or node["group_expressions"] or node.get("having") or node["modifiers"]:
        raise BadInput(f"{option('where', where)} is more than one expression.")
    for part in _parts(node["where_clause"]):
        _check_part(where, part)


def _check_part(where: str, part: dict[str, Any]) -> None:
    if part["class"] in ("SUBQUERY", "WINDOW", "PARAMETER", "STAR"):
        raise BadInput(
            f"{option('where', where)} asks for more than the row at hand; write an expression over its columns."
        )
    name = str(part.get("function_name", "")).lower()
    if name and any(c.isalpha() for c in name) and name not in FUNCTIONS:  # the others are operators
        raise BadInput(
            f"{option('where', where)} uses {name}(), which is not among the functions that can't run away; there are "
            "those over texts, numbers and times, such as lower, contains, split_part, regexp_matches, date_trunc, now."
        )
    kind = str(part.get("type_name") or (part.get("cast_type") or {}).get("id") or "").lower()
    if part["class"] not in CLASSES or (kind and kind not in KINDS):
        raise BadInput(
            f"{option('where', where)} uses {kind or part['class']}, which is more than an expression over a row "
            "takes; write one over plain texts, numbers and times."
        )


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    """Every expression in a syntax tree."""
    if isinstance(node, dict):
        if "class" in node:
            yield node
        for inner in node.values():
            yield from _parts(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _parts(inner)
