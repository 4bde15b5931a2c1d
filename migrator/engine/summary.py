"""What a plan would do, in the figures that somebody wants before they say yes."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..reasons import gist_in_sql
from ..stores import Location
from ..words import shown, sized
from . import duck, pricing
from .pricing import Cost, Prices
from .probing import told_time

BIGGEST, SAMPLES, PREFIXES, BAR = 5, 3, 8, 24
_GROUPS = f"""
    select action, {gist_in_sql("reason")} as why, count(*) as items, sum(bytes)::bigint as bytes,
           arg_min(key, item_no, {SAMPLES}) as samples
    from plan group by all order by action, items desc
"""
_BIGGEST = """
    select key, action, bytes from plan where action not in ('skip', 'omit', 'refuse') order by bytes desc, key limit {}
"""
_PREFIXES = """
    select if(contains(key, '/'), split_part(key, '/', 1) || '/', '') as prefix, count(*) as items,
           sum(bytes)::bigint as bytes, min(mtime) as oldest, max(mtime) as newest
    from plan where action not in ('skip', 'omit', 'refuse') group by 1 order by bytes desc, prefix limit {}
"""
_LOSSES = """
    select loss, count(*) as items from (
        select unnest(string_split(json_extract_string(detail, '$.loses'), ',')) as loss from plan
        where detail like '%"loses"%'
    ) group by 1 order by 2 desc, 1 limit 50
"""
_DOUBLES = f"""
    select count(*) as groups, coalesce(sum(items), 0)::bigint as items, coalesce(sum(spare), 0)::bigint as bytes from (
        select count(*) as items, sum(bytes) - any_value(bytes) as spare from (
            select bytes, coalesce({duck.CONTENT}, {duck.TOLD}) as content
            from plan where bytes > 0 and (action not in ('skip', 'omit', 'refuse') or detail like '%"content"%')
        ) where content is not null group by content, bytes having count(*) > 1
    )
"""
# Files that were read to find them.
_READ = """
    select count(*) as items, coalesce(sum(bytes), 0)::bigint as bytes from plan
    where detail like '%"content": "sha256:%'
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
    prefixes : tuple of dict
        What would be written by its keys' first segment: ``prefix``, ``items``, ``bytes``, ``oldest``, ``newest`` (ms).
    losses : tuple of dict
        With ``preview_loss``: ``loss`` (an attribute that the target can't hold) and ``items``.
    doubles : dict
        Objects of the same bytes, as far as a listing tells: ``groups``, ``items``, and the ``bytes`` to be spared; and
        files that were ``read`` to find them, ``read_bytes``.
    cost : Cost, optional
        Requests, bytes that leave, and what the stores would take for it.
    more : tuple of str
        What else there is to know, such as that something is deleted afterwards.
    """

    run: str
    groups: tuple[dict[str, Any], ...]
    biggest: tuple[dict[str, Any], ...]
    prefixes: tuple[dict[str, Any], ...] = ()
    losses: tuple[dict[str, Any], ...] = ()
    doubles: dict[str, Any] = field(default_factory=dict)
    cost: Cost | None = None
    more: tuple[str, ...] = ()

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
        if len(self.prefixes) > 1:
            lines.append("  by prefix:")
            lines += [f"  {line}" for line in self._picture().split("\n")]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes())])

    def notes(self) -> list[str]:
        """What else there is to know, a sentence each."""
        notes = []
        if self.losses:
            lost = ", ".join(f"{one['loss']} of {one['items']:,}" for one in self.losses[:10])
            notes.append(f"Not held by the target: {shown(lost)}.")
        if self.doubles.get("items"):
            same, spare = self.doubles["items"], sized(self.doubles["bytes"])
            notes.append(f"{same:,} objects have the bytes of another one: {spare} more than once.")
        if self.doubles.get("read"):
            notes.append(f"To find them {self.doubles['read']:,} files were read: {sized(self.doubles['read_bytes'])}.")
        if self.cost is not None:
            notes.append(f"Cost: {self.cost}.")
        return [*notes, *self.more]

    def _bar(self, one: dict[str, Any]) -> str:
        most = max(each["bytes"] for each in self.prefixes) or 1
        return "█" * max(1, round((BAR - 2) * one["bytes"] / most))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, with ``notes`` in words."""
        told = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "cost"}
        cost = self.cost and self.cost.to_dict()
        return {**told, "to_write": self.to_write, "notes": self.notes(), "cost": cost}

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """A plain table, which every notebook viewer shows."""
        items, size = self.to_write
        th, td = (f'<{cell} style="text-align: left; vertical-align: top">' for cell in ("th", "td"))
        head = f"<tr>{th}action</th><th>items</th><th>bytes</th>{th}why</th>{th}for example</th></tr>"
        figure = '<td style="text-align: right; vertical-align: top">'
        rows = "".join(
            f"<tr>{td}{one['action']}</td>{figure}{one['items']:,}</td>{figure}{sized(one['bytes'])}</td>"
            f"{td}{html.escape(one['why'])}</td>"
            f"{td}{'<br>'.join(html.escape(shown(key)) for key in one['samples'])}</td></tr>"
            for one in self.groups
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes())
        wide = '<pre style="white-space: pre; overflow-x: auto">'
        picture = f"{wide}{html.escape(self._picture())}</pre>" if len(self.prefixes) > 1 else ""
        top = f"<p>The plan of {self.run}: {items:,} to write, {sized(size)}</p>"
        return f"{top}<table>{head}{rows}</table>{picture}{notes}"

    def _picture(self) -> str:
        return "\n".join(f"{self._bar(one):<{BAR}}{sized(one['bytes']):>10}  {_told(one)}" for one in self.prefixes)


def summarize(
    run_id: str, scratch: Path, plan_files: Sequence[Path],
    places: tuple[Mapping[str | None, Location], Location] | None = None, more: Iterable[str] = (),
    measured: dict[str, Any] | None = None,
) -> PlanSummary:  # fmt: skip
    """Add a plan up; with sources and target also what it would cost, with what a probe ``measured`` also how long it
    would take, and with ``more`` that is to be known of it."""
    with duck.connect(scratch) as connection:
        duck.relate(connection, plan_files, [])
        groups = duck.dicts(connection, _GROUPS)
        [doubles], [read] = duck.dicts(connection, _DOUBLES), duck.dicts(connection, _READ)
        doubles |= {"read": read["items"], "read_bytes": read["bytes"]} if read["items"] else {}
        needs = duck.dicts(connection, pricing.NEEDS)
        objects, size = (sum(one[name] for one in needs) for name in ("objects", "bytes"))
        return PlanSummary(
            run_id, groups, duck.dicts(connection, _BIGGEST.format(BIGGEST)),
            duck.dicts(connection, _PREFIXES.format(PREFIXES)), duck.dicts(connection, _LOSSES), doubles,
            pricing.estimate(needs, *places, Prices.read()) if places else None,
            (*([told_time(measured, objects, size)] if measured else []), *more),
        )  # fmt: skip


def _told(one: dict[str, Any]) -> str:
    """A prefix with the days that its objects are of."""
    days = [f"{datetime.fromtimestamp(one[name] / 1000, UTC):%Y-%m-%d}" for name in ("oldest", "newest") if one[name]]
    return f"{shown(one['prefix']) or '(no folder)'}  {one['items']:,}, {' to '.join(dict.fromkeys(days))}"
