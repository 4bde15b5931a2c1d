"""A list of keys that somebody made, as the source of a run: CSV or Parquet, from a folder or a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..stores import Location, open_store
from ..words import shown
from .duck import listed, quoted

if TYPE_CHECKING:
    import duckdb

PIECE = 8 << 20
NAMED = "create temp table manifest as select key, {of}::bigint as source from {read} where key is not null"
UNKNOWN = "select distinct source from {read} where source is not null and not list_contains({sources}, source) limit 1"


def fetch(place: Location, scratch: Path) -> Path:
    """Bring a manifest onto this disk.

    Raises
    ------
    BadInput
        If it is not there, or is neither CSV nor Parquet by its name.
    """
    form = _form(place)
    folder, name = place.parent()
    store = open_store(folder)
    found = store.head(name)
    if found is None:
        raise BadInput(f"The manifest {place} is not there. It is a CSV or Parquet file with a column key.")
    path = scratch / f"manifest.{form}"
    with store.open(name, found.etag) as body, path.open("wb") as file:
        for chunk in body.chunks(PIECE):
            file.write(chunk)
    return path


def load(connection: duckdb.DuckDBPyConnection, path: Path, place: Location, sources: Sequence[str] = ()) -> None:
    """Make a table ``manifest`` of its keys; where there are several sources, of which one each is.

    Raises
    ------
    BadInput
        If it can't be read, has no column ``key``, no keys, names one twice, or a source that is none.
    """
    import duckdb

    csv = "read_csv({}, header = true, all_varchar = true)"
    read = (csv if path.suffix == ".csv" else "read_parquet({})").format(quoted([path]))
    try:
        columns = [name for name, *_ in connection.execute(f"describe select * from {read}").fetchall()]
        if "key" not in columns:
            raise BadInput(f"The manifest {place} has no column key; it has {', '.join(map(shown, columns[:10]))}.")
        several = bool(sources) and "source" in columns
        unknown = several and connection.execute(UNKNOWN.format(read=read, sources=listed(sources))).fetchone()
        if unknown:
            raise BadInput(f"The manifest {place} names the source {shown(unknown[0])}, which this copy does not have.")
        of = f"list_position({listed(sources)}, source) - 1" if several else "null"
        connection.execute(NAMED.format(read=read, of=of))
        twice = "select key, count(*) from manifest group by key, source having count(*) > 1 order by key limit 3"
        doubled = connection.execute(twice).fetchall()
        [(named,)] = connection.execute("select count(*) from manifest").fetchall()
    except duckdb.Error as error:
        said = str(error).strip().partition("\n")[0].replace(str(path), str(place))
        raise BadInput(f"The manifest {place} can't be read: {shown(said)}") from None
    if doubled:
        keys = ", ".join(f"{shown(key)!r} ({times} times)" for key, times in doubled)
        raise BadInput(f"The manifest {place} names keys more than once: {keys}. Name each once.")
    if not named:
        raise BadInput(f"The manifest {place} names no keys.")


def _form(place: Location) -> str:
    name = str(place).rstrip("/").lower()
    for form in ("csv", "parquet"):
        if name.endswith(f".{form}"):
            return form
    raise BadInput(f"The manifest {place} is neither .csv nor .parquet.")
