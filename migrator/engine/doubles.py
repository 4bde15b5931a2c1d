"""Which objects of a source hold the same bytes: told by hashes of the stores, and of files by reading them.

A file is read only where another object has its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import column, values_of
from ..stores import Store
from ..stores.digests import PART_BYTES, digest_of, told
from .duck import quoted

if TYPE_CHECKING:
    import duckdb

    from .control import Control

READ = "sha256:"  # what begins the content of an object that was read
AT_ONCE, BATCH = 4, 1000
CONTENTS = pa.schema([("source", pa.int64()), ("key", pa.string()), ("content", pa.string())])
CANDIDATES = """
    select source, key, size, etag from listed where chosen and problem is null and size > 0 and size in (
        select size from listed where chosen and problem is null group by size having count(*) > 1) order by source, key
"""


def find_contents(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[Store], scratch: Path, control: Control
) -> None:
    """Make a view ``contents`` of what `CANDIDATES` hold: ``source key content``.

    Raises
    ------
    StoreError
        If one can't be read.
    """
    path = scratch / "contents.parquet"
    with pq.ParquetWriter(path, CONTENTS) as writer, ThreadPoolExecutor(AT_ONCE) as pool:
        for batch in connection.sql(CANDIDATES).to_arrow_reader(BATCH):
            control.check()
            of, keys, _, etags = (values_of(pa.chunked_array([one])) for one in batch.columns)
            found = list(pool.map(_content, [sources[one] for one in of], keys, etags))
            columns = zip((of, keys, found), CONTENTS, strict=True)
            writer.write_table(pa.table([column(values, field.type) for values, field in columns], CONTENTS))
    connection.execute(f"create view contents as from read_parquet({quoted([path])}) where content is not null")


def _content(store: Store, key: str, etag: str | None) -> str | None:
    """What an object holds, as a hash; None where that is not known without a request for it."""
    if store.location.kind != "local":
        return told(etag, checked=True)
    with store.open(key, etag) as body:
        return READ + digest_of(body.chunks(PART_BYTES), "sha256")
