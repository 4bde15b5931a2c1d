"""A run's record, added up from its plan and receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..reasons import gist_in_sql
from . import duck

MOST_LISTED = 100
_KINDS = f"""
    select status, {gist_in_sql("coalesce(error, reason)", "key")} as why,
           count(*) as items, sum(size)::bigint as bytes, min(key) as example
    from items where status in ('failed', 'refused') group by all order by items desc, why limit 50
"""
_ACTIONS = f"""
    select action, {gist_in_sql("reason")} as reason, status, coalesce(evidence, '') as evidence,
           count(*) as items, sum(size)::bigint as bytes
    from items group by all order by items desc, action, status, reason
"""
_WENT = "action in ('overwrite', 'delete') and status in ('copied', 'deleted')"
_REPLACED = f"""
    select action, count(*) as items,
           sum(case when action = 'delete' then size else (before->>'size')::bigint end)::bigint as bytes
    from items where {_WENT} group by all order by action
"""
_GONE = f"select key, action, size from items where {_WENT} order by item_no limit ?"
_FAILURES = "select key, status, error from items where status in ('failed', 'refused') order by item_no limit ?"
_LOSSES = """
    select loss, count(*) as items from (select unnest(string_split(losses, ',')) as loss from items
    where losses is not null) group by 1 order by 2 desc, 1 limit 50
"""


@dataclass(frozen=True, slots=True)
class Tallies:
    """What a run's items come to.

    Attributes
    ----------
    outcomes : tuple of dict
        ``action reason status evidence items bytes``.
    replaced : tuple of dict
        What stood somewhere and does not any more: ``action items bytes``.
    gone : tuple of dict
        The first of that: ``key action size``.
    troubles : tuple of dict
        Failed and refused items by kind: ``status why items bytes example``.
    failures : tuple of dict
        The first of them: ``key status error``.
    losses : tuple of dict
        Attributes that the target can't hold: ``loss items``.
    """

    outcomes: tuple[dict[str, Any], ...]
    replaced: tuple[dict[str, Any], ...]
    gone: tuple[dict[str, Any], ...]
    troubles: tuple[dict[str, Any], ...]
    failures: tuple[dict[str, Any], ...]
    losses: tuple[dict[str, Any], ...]


def tally(scratch: Path, plan_files: Sequence[Path], receipts: Sequence[Path]) -> Tallies:
    """Add a run up."""
    with duck.connect(scratch) as connection:
        duck.relate(connection, plan_files, receipts)
        connection.execute(f"create temp view items as {duck.ITEMS}")
        return Tallies(
            duck.dicts(connection, _ACTIONS), duck.dicts(connection, _REPLACED),
            duck.dicts(connection, _GONE, [MOST_LISTED]), duck.dicts(connection, _KINDS),
            duck.dicts(connection, _FAILURES, [MOST_LISTED]), duck.dicts(connection, _LOSSES),
        )  # fmt: skip
