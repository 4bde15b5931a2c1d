"""A part of a plan, as a plan of its own: the rows for which an expression of SQL is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import column
from ..errors import BadInput
from ..options import option
from .planning import Plan, write_plan
from .sieve import Sieve

COLUMNS = ("key", "target_key", "action", "reason", "bytes", "mtime", "etag", "before", "detail", "source")


def select(plan_files: Sequence[Path], where: str, workspace: Path, label: str) -> Plan:
    """Write the chosen rows of a plan into another run's workspace; they keep their numbers.

    Raises
    ------
    BadInput
        If ``where`` is no expression over a plan's columns, or is true for none of its rows.
    """
    sieve = Sieve(where)
    plan = write_plan(_chosen(plan_files, sieve), workspace, label)
    if not plan[0]:
        raise BadInput(f"{option('where', where)} is true for none of the plan's rows; there is nothing to apply.")
    return plan


def _chosen(plan_files: Sequence[Path], sieve: Sieve) -> Iterator[pa.Table]:
    for file in plan_files:
        table = pq.ParquetFile(file).read()
        places = sieve.choose(as_seen(table))
        if places:
            yield table.take(column(places, pa.int64()))


def as_seen(table: pa.Table) -> pa.Table:
    """A plan's rows under the names that people see: ``size`` in bytes, ``mtime`` as a timestamp (UTC)."""
    table = table.select([name for name in COLUMNS if name in table.column_names]).rename_columns({"bytes": "size"})
    place = table.column_names.index("mtime")
    return table.set_column(place, "mtime", table["mtime"].cast(pa.int64()).cast(pa.timestamp("ms")))
