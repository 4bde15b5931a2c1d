"""How far two places are from what a plan of them says: looked at before the plan of an earlier run is applied."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..migrations import CopyObjects, Migration
from ..options import option
from ..stores import open_store
from ..words import counted, shown
from . import duck
from .duck import listed, quoted
from .listings import Listings, View

if TYPE_CHECKING:
    from .control import Control

SHOWN = 3
# What is to be written, and whose source or target is another one by now, or gone, or new.
DRIFTED = """
    select p.key from plan p
    left join read_parquet({source}) s on s.key = p.key and {same_source}
    left join read_parquet({target}) t on t.key = coalesce(p.target_key, p.key)
    where p.action in ('create', 'overwrite') and (
        s.key is null or s.etag is distinct from p.etag or s.size != p.bytes
        or t.etag is distinct from json_extract_string(p.before, '$.etag'))
    order by p.item_no
"""


def check_drift(migration: Migration, plan_files: Sequence[Path], scratch: Path, control: Control) -> None:
    """List both places again, and compare.

    Raises
    ------
    BadInput
        If more rows have drifted than ``max_drift`` of the migration allows.
    """
    if not isinstance(migration, CopyObjects) or migration.max_drift is None:
        return
    scratch.mkdir(exist_ok=True)
    places = [(open_store(place), View(place=number)) for number, place in enumerate(migration.sources)]
    *sources, target = Listings(scratch, control).all(places, (open_store(migration.target), View()))
    of = f"s.source = list_position({listed(map(str, migration.sources))}, p.source) - 1"
    same = of if migration.more_sources else "true"
    with duck.connect(scratch) as connection:
        duck.relate(connection, plan_files, [])
        drifted = DRIFTED.format(source=quoted(sources), target=quoted([target]), same_source=same)
        [(number,)] = connection.execute(f"select count(*) from ({drifted})").fetchall()
        first = connection.execute(f"{drifted} limit {SHOWN}").fetchall()
    if number > migration.max_drift:
        keys = ", ".join(repr(shown(key)) for (key,) in first)
        raise BadInput(
            f"Not as planned any more: {counted(number, 'object')}, more than "
            f"{option('max_drift', migration.max_drift)} allows; the first: {keys}. "
            "Nothing was written: make the dry run again."
        )
