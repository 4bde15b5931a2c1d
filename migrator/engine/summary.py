"""What a plan would do, in the figures that somebody wants before they say yes."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..words import shown, sized
from . import duck

BIGGEST, SAMPLES = 5, 3
# A reason may name figures; rows that differ in those only are one line.
_GROUPS = """
    select action, regexp_replace(coalesce(reason, ''), '[0-9][0-9,]*', '…', 'g') as why, count(*) as items,
           sum(bytes)::bigint as bytes, arg_min(key, item_no, {samples}) as samples
    from plan group by all order by action, items desc
"""
_BIGGEST = """
    select key, action, bytes from plan where action not in ('skip', 'omit', 'refuse') order by bytes desc, key limit {}
"""


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """A plan by action and reason.

    Attributes
    ----------
    groups : tuple of dict
        ``action``, ``why``, ``items``, ``bytes``, and a few ``samples`` of keys.
    biggest : tuple of dict
        The largest objects that would be written: ``key``, ``action``, ``bytes``.
    """

    run: str
    groups: tuple[dict[str, Any], ...]
    biggest: tuple[dict[str, Any], ...]

    @property
    def to_write(self) -> tuple[int, int]:
        """How many objects would be written, and how many bytes."""
        rows = [group for group in self.groups if group["action"] not in ("skip", "omit", "refuse")]
        return sum(row["items"] for row in rows), sum(row["bytes"] for row in rows)

    def __str__(self) -> str:
        items, size = self.to_write
        lines = [f"The plan of {self.run}: {items:,} to write, {sized(size)}"]
        for one in self.groups:
            lines.append(f"  {one['action']:<10}{one['items']:>10,}  {sized(one['bytes']):>10}  {one['why']}")
            lines += [f"  {'':32}  {shown(key)}" for key in one["samples"]]
        if self.biggest:
            lines.append("  the biggest:")
            lines += [f"  {sized(one['bytes']):>32}  {shown(one['key'])}" for one in self.biggest]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """A plain table, which every notebook viewer shows."""
        items, size = self.to_write
        head = "<tr><th>action</th><th>items</th><th>bytes</th><th>why</th><th>for example</th></tr>"
        rows = "".join(
            f"<tr><td>{one['action']}</td><td>{one['items']:,}</td><td>{sized(one['bytes'])}</td>"
            f"<td>{html.escape(one['why'])}</td>"
            f"<td>{'<br>'.join(html.escape(shown(key)) for key in one['samples'])}</td></tr>"
            for one in self.groups
        )
        return f"<p>The plan of {self.run}: {items:,} to write, {sized(size)}</p><table>{head}{rows}</table>"


def summarize(run_id: str, scratch: Path, plan_files: Sequence[Path]) -> PlanSummary:
    """Add a plan up."""
    with duck.connect(scratch) as connection:
        duck.relate(connection, plan_files, [])
        groups = duck.dicts(connection, _GROUPS.format(samples=SAMPLES))
        return PlanSummary(run_id, groups, duck.dicts(connection, _BIGGEST.format(BIGGEST)))
