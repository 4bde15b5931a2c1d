"""Plans and receipts as files: Parquet, immutable, durable before anybody names them.

A key may hold what no Parquet text does (see `words.escape`): it is escaped on its way in, and back on its way out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import column, values_of
from ..model import Item, Receipt

if TYPE_CHECKING:
    from ..migrations import Batch

PLAN = pa.schema(
    [
        ("item_no", pa.int64()), ("key", pa.string()), ("target_key", pa.string()), ("action", pa.string()),
        ("reason", pa.string()), ("bytes", pa.int64()), ("mtime", pa.int64()), ("etag", pa.string()),
        ("before", pa.string()), ("detail", pa.string()), ("source", pa.string()),
    ]
)  # fmt: skip
RECEIPT = pa.schema(
    [
        ("item_no", pa.int64()), ("status", pa.string()), ("evidence", pa.string()), ("digest", pa.string()),
        ("bytes", pa.int64()), ("etag", pa.string()), ("losses", pa.string()), ("error", pa.string()),
        ("at", pa.int64()),
    ]
)  # fmt: skip


def plan_table(batch: Batch, first_no: int) -> pa.Table:
    """A batch of a migration's rows, numbered and with every column of a plan; the texts of a table as they are kept.

    Raises
    ------
    ValueError
        If a row has no key or a column that plans don't have.
    """
    table: pa.Table = batch if isinstance(batch, pa.Table) else _table_of(batch)  # pyright: ignore[reportAssignmentType]
    columns = {"item_no": column(range(first_no, first_no + table.num_rows), pa.int64())}
    for name, default in (("action", "run"), ("bytes", 0)):
        given = table[name].to_pylist() if name in table.column_names else [None] * table.num_rows
        columns[name] = column([default if value is None else value for value in given], PLAN.field(name).type)
    for field in PLAN:
        if field.name not in columns:
            has = field.name in table.column_names
            columns[field.name] = table[field.name] if has else pa.nulls(table.num_rows, field.type)
    if columns["key"].null_count:
        raise ValueError("a row of the plan has no key")
    return pa.table({field.name: columns[field.name] for field in PLAN}, schema=PLAN)


def _table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    names = set().union(*rows) if rows else set()
    if unknown := names - set(PLAN.names):
        raise ValueError(f"a row of the plan has unknown columns: {', '.join(sorted(unknown))}")
    given = [field for field in PLAN if field.name in names]
    return pa.table({f.name: column([row.get(f.name) for row in rows], f.type) for f in given})


def receipt_table(receipts: Sequence[Receipt]) -> pa.Table:
    columns = zip(*receipts, strict=True) if receipts else ([] for _ in RECEIPT)
    return pa.table([column(c, f.type) for c, f in zip(columns, RECEIPT, strict=True)], schema=RECEIPT)


def write_durably(table: pa.Table, path: Path) -> str:
    """Write a Parquet file that is whole and on the disk when it has its name.

    Returns
    -------
    str
        SHA-256 of its bytes.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return write_bytes_durably(sink.getvalue(), path)


def write_bytes_durably(data: Any, path: Path) -> str:
    """The same for any bytes. A name is given once: an existing file is an error."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        raise FileExistsError(f"{path} is there already; files of a run are never written twice")
    temporary.rename(path)
    sync_folder(path.parent)
    return hashlib.sha256(data).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_table(path: Path) -> pa.Table:
    # Pyarrow's own would import the whole of its datasets for this one file; and its threads would wait for a core that
    # the hands keep busy, longer than one takes to read a shard.
    return pq.ParquetFile(path).read(use_threads=False)


def read_columns(path: Path, names: list[str]) -> Iterator[tuple[Any, ...]]:
    """Some columns of a file, a tuple a row."""
    table = pq.ParquetFile(path).read(names, use_threads=False)
    return _rows(table.select(names))


def read_items(path: Path) -> list[Item]:
    return items_of(read_table(path))


def items_of(plan: pa.Table) -> list[Item]:
    return [Item(*row) for row in _rows(plan)]  # a plan of an older release has fewer columns


def newest_receipts(paths: Iterable[Path]) -> dict[int, Receipt]:
    """The newest receipt of each item; ``paths`` oldest first."""
    found: dict[int, Receipt] = {}
    for path in paths:
        found.update((row[0], Receipt._make(row)) for row in _rows(read_table(path)))
    return found


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*map(values_of, table.columns), strict=True)
