"""DuckDB: its connection, and plans joined with receipts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..words import escape
from .files import PLAN, RECEIPT

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


MEMORY = "256MB"

ITEMS = """
    select p.key, p.target_key, p.bytes as size, p.action,
           coalesce(r.status, case when p.action in ('skip', 'omit') then 'skipped'
                              when p.action = 'refuse' then 'refused' else 'pending' end) as status,
           r.evidence, r.digest, coalesce(r.error, case when p.action = 'refuse' then p.reason end) as error,
           p.reason, r.losses, p.etag, r.etag as written_etag, p.before, p.detail, r.at, p.item_no,
           p.source
    from plan p left join receipts r using (item_no)
"""
# What tells that two objects of one size have the same bytes: what a plan found out, a tag that is a hash of the bytes
# or of the same parts. One that a store never checked (`~`) tells nothing.
CONTENT = "json_extract_string(detail, '$.content')"
TOLD = "if(regexp_full_match(etag, '[0-9a-f]{32}(-[0-9]+)?(@.*)?'), split_part(etag, '@', 1), null)"
DUPLICATES = f"""
    select content, size, key, target_key, source, count(*) over (partition by content, size) as copies from (
        select *, coalesce({CONTENT}, digest, {TOLD}) as content from ({ITEMS})
    ) where content is not null and size > 0 qualify copies > 1 order by size desc, content, item_no
"""
PLANNED = """
    select key, target_key, action, reason, bytes as size, make_timestamp_ms(mtime) as mtime, etag, before, detail,
           item_no, source
    from plan order by item_no
"""
# File names hold the shard and the attempt, so the greatest (attempt) per item is the newest receipt.
NEWEST = """
    select * exclude (filename, newest) from (
        select *, row_number() over (partition by item_no order by
            cast(split_part(parse_filename(filename), '-', 2) as integer) desc) as newest
        from read_parquet({files}, filename = true) {only}
    ) where newest = 1
"""


def connect(scratch: Path) -> duckdb.DuckDBPyConnection:
    """A connection that spills into ``scratch``, stays small, and loads nothing from outside."""
    import duckdb

    settings = {
        "memory_limit": MEMORY,
        "temp_directory": str(scratch),
        "threads": 2,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }
    return duckdb.connect(config=settings)


def load() -> None:
    """Load DuckDB before it is asked for anything."""
    import duckdb  # noqa: F401


def relate_items(
    scratch: Path, plans: Sequence[Path], receipts: Sequence[Path], status: str | None
) -> duckdb.DuckDBPyRelation:
    """A run's items: its plan joined with the newest receipts, in the plan's order.

    The relation owns its connection. It is a fixed picture: the files are immutable.
    """
    connection = connect(scratch)
    relate(connection, plans, receipts)
    relation = connection.sql(f"{ITEMS} order by p.item_no")
    return relation.filter(f"status = '{status}'") if status else relation


def relate_difference(
    scratch: Path, one: tuple[Sequence[Path], Sequence[Path]], other: tuple[Sequence[Path], Sequence[Path]]
) -> duckdb.DuckDBPyRelation:
    """Items of two runs, each by its plans and receipts, that differ. The relation owns its connection."""
    connection = connect(scratch)
    for name, files in (("one", one), ("other", other)):
        relate(connection, *files)
        connection.execute(f"create temp table {name} as {ITEMS}")
    names = ("action", "status", "size", "etag", "error")
    columns = [f"a.{name}" for name in names] + [f"b.{name} as other_{name}" for name in names]
    differ = " or ".join(f"a.{name} is distinct from b.{name}" for name in ("status", "size", "etag"))
    return connection.sql(
        f"select coalesce(a.key, b.key) as key, {', '.join(columns)} from one a full join other b on a.key = b.key"
        f" and a.source is not distinct from b.source where {differ} order by key"
    )


def relate_duplicates(scratch: Path, plans: Sequence[Path], receipts: Sequence[Path]) -> duckdb.DuckDBPyRelation:
    """Items that hold the same bytes, as far as plan and receipts tell. The relation owns its connection."""
    connection = connect(scratch)
    relate(connection, plans, receipts)
    return connection.sql(DUPLICATES)


def relate_plan(scratch: Path, plans: Sequence[Path]) -> duckdb.DuckDBPyRelation:
    """A plan, in its order, under the names that people see. The relation owns its connection."""
    connection = connect(scratch)
    relate(connection, plans, [])
    return connection.sql(PLANNED)


def relate_table(scratch: Path, table: pa.Table) -> duckdb.DuckDBPyRelation:
    """A table as a relation that owns its connection."""
    return connect(scratch).from_arrow(table)


def relate(
    connection: duckdb.DuckDBPyConnection, plans: Sequence[Path], receipts: Sequence[Path], text: str = ""
) -> None:
    """Let ``plan`` and ``receipts`` mean these files; of the plan only keys with ``text`` in them."""
    plan, only = _union(plans, PLAN), ""
    if text:  # few are left, and only their receipts are looked for
        matching = f"create or replace temp table matching as from ({plan}) where contains(lower(key), lower(?))"
        connection.execute(matching, [text])
        plan, only = "select * from matching", "where item_no in (select item_no from matching)"
    connection.execute(f"create or replace temp view plan as {plan}")
    newest = NEWEST.format(files=quoted(receipts), only=only) if receipts else _empty(RECEIPT)
    connection.execute(f"create or replace temp view receipts as {newest}")


def dicts(
    connection: duckdb.DuckDBPyConnection, statement: str, values: Sequence[Any] = ()
) -> tuple[dict[str, Any], ...]:
    """What a statement finds, a dictionary a row."""
    found = connection.execute(statement, list(values))
    names = [column[0] for column in found.description or ()]
    return tuple(dict(zip(names, row, strict=True)) for row in found.fetchall())


def fetch_items(
    connection: duckdb.DuckDBPyConnection, status: str | None, limit: int | None, error: str | None = None
) -> list[dict[str, Any]]:
    """The first related items of this status and with an error like that (None: any), in the plan's order."""
    wanted = "status = coalesce(?, status) and (?::varchar is null or coalesce(error, '') like ? escape '!')"
    statement = f"select * from ({ITEMS}) where {wanted} order by item_no limit ?"
    return list(dicts(connection, statement, [status, error, error, limit]))


def _union(files: Sequence[Path], schema: pa.Schema) -> str:
    # By name, since a plan of an older release may lack a column.
    read = f"select * from read_parquet({quoted(files)}) union all by name " if files else ""
    return read + _empty(schema)


def _empty(schema: pa.Schema) -> str:
    kinds = {"int64": "bigint", "string": "varchar"}
    columns = ", ".join(f'null::{kinds[str(field.type)]} as "{field.name}"' for field in schema)
    return f"select * from (select {columns}) where false"


def quoted(files: Iterable[Path]) -> str:
    """File names as a SQL list. They are ours, but the workspace's folder is the user's to name."""
    return listed(map(str, files))


def listed(texts: Iterable[str]) -> str:
    """Texts as a SQL list, as columns hold them."""
    return "[" + ", ".join("'" + escape(text).replace("'", "''") + "'" for text in texts) + "]"
