"""The one place that knows DuckDB: the join of two listings, and plans joined with receipts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import PLAN, RECEIPT

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from ..stores.names import Folding

MEMORY = "256MB"
BATCH = 10_000

# What a folder can't hold beside each other: a file and a folder of one name; where it folds names, two that fold
# to one. `names` are the files that are to be there, here = of the source; `needed` the folders that they lie in.
COLLISIONS = """
    create temp table names as
        select key, {fold} as folded, true as here from source where problem is null
        union all select key, {fold}, false from target;
    create temp table needed as
        select key, here, unnest([array_to_string(parts[1:i], '/') for i in range(1, len(parts))]) as folder{spelling}
        from (select key, here, string_split(folded, '/') as parts, string_split(key, '/') as spelled
              from names where contains(folded, '/'));
    create temp table collisions as
        select key, min(other) as other from (
            select n.key, d.key as other from names n join needed d on n.folded = d.folder where n.here
            union all
            select d.key, n.key from needed d join names n on n.folded = d.folder where d.here and not n.here
            {twins}
        ) group by key
"""
SPELLING = ", unnest([array_to_string(spelled[1:i], '/') for i in range(1, len(parts))]) as spelling"
TWINS = """
            union all
            select n.key, o.key from names n join names o on n.folded = o.folded where n.here and n.key != o.key
            union all
            select d.key, if(d.key = o.key, o.last, o.key) from needed d join (
                select folder, min(key) as key, max(key) as last from needed
                group by folder having count(distinct spelling) > 1
            ) o on d.folder = o.folder where d.here
"""
JOIN = """
    select s.key, s.size, s.mtime, s.etag, s.problem,
           t.size as t_size, t.mtime as t_mtime, t.etag as t_etag, {collides} as collides
    from source s left join target t on s.key = t.key {folders}
    order by s.key
"""
ITEMS = """
    select p.key, p.target_key, p.bytes as size, p.action,
           coalesce(r.status, case p.action when 'skip' then 'skipped' when 'refuse' then 'refused'
                              else 'pending' end) as status,
           r.evidence, r.digest, coalesce(r.error, case when p.action = 'refuse' then p.reason end) as error,
           p.reason, r.losses, p.etag, r.etag as written_etag, p.before, p.detail, r.at, p.item_no
    from plan p left join receipts r using (item_no)
"""
PLANNED = """
    select key, target_key, action, reason, bytes as size, make_timestamp_ms(mtime) as mtime, etag, before, detail,
           item_no
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


def join_listings(
    connection: duckdb.DuckDBPyConnection, source: Path, target: Path, folding: Folding | None
) -> Iterator[pa.Table]:
    """Two listings joined by key, in key order, a batch at a time, out of core.

    Where the target is a folder, ``folding`` says how it tells names apart: keys are looked for that can't stand
    beside each other there.
    """
    import pyarrow as pa

    for name, path in (("source", source), ("target", target)):
        connection.execute(f"create view {name} as select * from read_parquet({_quoted([path])})")
    if folding is not None:
        more = {"spelling": SPELLING, "twins": TWINS} if any(folding) else {"spelling": "", "twins": ""}
        connection.execute(COLLISIONS.format(fold=_folded("key", folding), **more))
    join = "" if folding is None else "left join collisions c on s.key = c.key"
    statement = JOIN.format(collides="c.other" if join else "null::varchar", folders=join)
    reader = connection.sql(statement).to_arrow_reader(BATCH)
    for batch in reader:
        yield pa.Table.from_batches([batch])


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


def relate_plan(scratch: Path, plans: Sequence[Path]) -> duckdb.DuckDBPyRelation:
    """A plan, in its order, under the names that people see. The relation owns its connection."""
    connection = connect(scratch)
    relate(connection, plans, [])
    return connection.sql(PLANNED)


def relate(
    connection: duckdb.DuckDBPyConnection, plans: Sequence[Path], receipts: Sequence[Path], text: str = ""
) -> None:
    """Let ``plan`` and ``receipts`` mean these files; of the plan only keys with ``text`` in them."""
    plan, only = _union(plans, PLAN), ""
    if text:  # few are left, and only their receipts are looked for
        matching = f"create or replace temp table matching as {plan} where contains(lower(key), lower(?))"
        connection.execute(matching, [text])
        plan, only = "select * from matching", "where item_no in (select item_no from matching)"
    connection.execute(f"create or replace temp view plan as {plan}")
    newest = NEWEST.format(files=_quoted(receipts), only=only) if receipts else _empty(RECEIPT)
    connection.execute(f"create or replace temp view receipts as {newest}")


def fetch_items(connection: duckdb.DuckDBPyConnection, status: str | None, limit: int | None) -> list[dict[str, Any]]:
    """The first related items of this status (None: any), in the plan's order."""
    statement = f"select * from ({ITEMS}) where status = coalesce(?, status) order by item_no limit ?"
    found = connection.execute(statement, [status, limit])
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def tally_evidence(scratch: Path, receipts: Sequence[Path]) -> dict[str, dict[str, int]]:
    """Items by status and evidence, and attributes lost by name, over the newest receipts."""
    if not receipts:
        return {"evidence": {}, "losses": {}}
    with connect(scratch) as connection:
        connection.execute(f"create temp view receipts as {NEWEST.format(files=_quoted(receipts), only='')}")
        evidence = "select coalesce(evidence, status), count(*) from receipts group by 1 order by 1"
        losses = (
            "select loss, count(*) from (select unnest(string_split(losses, ',')) as loss from receipts"
            " where losses is not null) group by 1 order by 2 desc, 1 limit 50"
        )
        return {
            name: dict(connection.execute(statement).fetchall())
            for name, statement in (("evidence", evidence), ("losses", losses))
        }


def _folded(name: str, folding: Folding) -> str:
    """A name as a folder compares it."""
    name = f"nfc_normalize({name})" if folding.form else name
    return f"lower({name})" if folding.case else name


def _union(files: Sequence[Path], schema: pa.Schema) -> str:
    return f"select * from read_parquet({_quoted(files)})" if files else _empty(schema)


def _empty(schema: pa.Schema) -> str:
    kinds = {"int64": "bigint", "string": "varchar"}
    columns = ", ".join(f'null::{kinds[str(field.type)]} as "{field.name}"' for field in schema)
    return f"select * from (select {columns}) where false"


def _quoted(files: Iterable[Path]) -> str:
    """File names as a SQL list. They are ours, but the workspace's folder is the user's to name."""
    return "[" + ", ".join("'" + str(file).replace("'", "''") + "'" for file in files) + "]"
