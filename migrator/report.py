"""The record of a run on one page, for an engineer and for an auditor: as HTML, Markdown or JSON."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from .model import Snapshot
from .words import lasting, shown, sized

if TYPE_CHECKING:
    from .engine.reporting import Tallies

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2.5rem auto; padding: 0 1rem; color: #1f2328 }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.05rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th { text-align: left; font-weight: 600; color: #59636e }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d1d9e0; vertical-align: top; overflow-wrap: anywhere }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3 } th { color: #9198a1 } th, td { border-color: #3d444d }
}
"""


_MARKUP = {c: "\\" + c for c in "\\`*_[]|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# Of a process's identity, what tells people nothing.
_INNER = ("boot_id", "start_ticks")


@dataclass(frozen=True, slots=True)
class Section:
    """A table under a heading; columns named with a closing ``#`` hold figures."""

    heading: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run was, by whom, and what came of it. Prints as Markdown, and shows itself in a notebook.

    Attributes
    ----------
    run : Snapshot
        The run when the report was made.
    tallies : Tallies
        Its items, added up: ``outcomes``, ``troubles``, ``failures``, ``losses``.
    history : tuple of dict
        Its events of kinds that matter to a reader: ``at kind data``.
    """

    KINDS: ClassVar[frozenset[str]] = frozenset({"status", "warning", "request"})

    run: Snapshot
    tallies: Tallies
    history: tuple[dict[str, Any], ...]

    def to_json(self) -> str:
        """All of it as one JSON object."""
        told = {"run": self.run.to_dict(), **asdict(self.tallies), "history": self.history}
        return json.dumps(told, ensure_ascii=False, indent=2, default=str)

    def to_markdown(self) -> str:
        """The page as Markdown; text from keys and errors is escaped."""
        lines = [f"# {_mark(self.run.title)}", "", f"**{self.run.status}** · {_mark(_sum(self.run))}"]
        for section in self.sections():
            lines += ["", f"## {section.heading}", "", *_markdown_table(section)]
            lines += ["", section.note] if section.note else []
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """The page as HTML, complete in itself."""
        title = html.escape(shown(self.run.title))
        head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        return f'<!doctype html><html lang="en"><head>{head}</head><body>{self._repr_html_()}</body></html>\n'

    def _repr_html_(self) -> str:
        title = html.escape(shown(self.run.title))
        top = f"<h1>{title}</h1><p><b>{self.run.status}</b> · {html.escape(_sum(self.run))}</p>"
        return top + "".join(map(_html_section, self.sections()))

    def __str__(self) -> str:
        return self.to_markdown()

    __repr__ = __str__

    def sections(self) -> list[Section]:
        """The page's tables, in order."""
        made = [Section("Run", ("", ""), _facts(self.run))]
        made += _sections(self.tallies)
        if self.history:
            rows = [(_moment(one["at"]), one["kind"], _told(one["data"])) for one in self.history]
            made.append(Section("History", ("when", "what", ""), rows))
        return made


def _facts(seen: Snapshot) -> list[tuple[str, str]]:
    facts = {
        "run": seen.id + (f" ({seen.name})" if seen.name != seen.id else ""),
        "migration": seen.migration,
        "asked by": seen.owner,
        "tags": ", ".join(seen.tags),
        "kind": "dry run: nothing was written" if seen.dry_run else f"{seen.mode}, attempt {seen.attempt}",
        "plan": f"{seen.plan_hash or 'none yet'}" + (f", of run {seen.plan_run}" if seen.plan_run else ""),
        "asked for": _moment(seen.created_at),
        "started": _moment(seen.started_at),
        "finished": _moment(seen.finished_at),
        "at work": lasting(seen.engine_s) if seen.engine_s else "",
        "rate": _rate(seen),
        "requests sent again": f"{seen.retries:,}" if seen.retries else "",
        "ran on": f"{seen.holder['host']}, pid {seen.holder['pid']}" if seen.holder else "",
        "error": seen.error or "",
        "specification": json.dumps(_given(seen.spec), ensure_ascii=False, default=str),
    }  # fmt: skip
    return [(name, value) for name, value in facts.items() if value]


def _given(value: Any) -> Any:
    """A specification without what is not set."""
    if not isinstance(value, dict):
        return value
    spared = {name: _given(each) for name, each in value.items()}
    return {name: each for name, each in spared.items() if each not in (None, "", (), [], {}) and each is not False}


def _sections(tallies: Tallies) -> list[Section]:
    figures = lambda one: (f"{one['items']:,}", sized(one["bytes"] or 0))  # noqa: E731
    made = [
        Section(
            "Items by action, outcome and evidence", ("action", "outcome", "evidence", "items#", "bytes#"),
            [(one["action"], one["status"], one["evidence"], *figures(one)) for one in tallies.outcomes],
            "Evidence: server-hash, the target's own hash of the bytes; re-read, they were read again; listed, both "
            "listings agree; size-only, nothing but the size could be compared.",
        )
    ]  # fmt: skip
    if tallies.troubles:
        rows = [(one["status"], one["why"], *figures(one), one["example"]) for one in tallies.troubles]
        made.append(
            Section("What failed or was refused, by kind", ("", "why", "items#", "bytes#", "for example"), rows)
        )
        rows = [(one["status"], one["key"], one["error"] or "") for one in tallies.failures]
        made.append(Section("One by one", ("", "key", "why"), rows, _rest(tallies)))
    if tallies.losses:
        rows = [(one["loss"], f"{one['items']:,}") for one in tallies.losses]
        made.append(Section("Attributes that the target can't hold", ("attribute", "items#"), rows))
    return made


def _rest(tallies: Tallies) -> str:
    left = sum(one["items"] for one in tallies.troubles) - len(tallies.failures)
    return f"and {left:,} more: `migrator items RUN --format csv` lists all." if left > 0 else ""


def _html_section(section: Section) -> str:
    head = (
        _html_row("th", (name.removesuffix("#") for name in section.columns), section) if any(section.columns) else ""
    )
    rows = "".join(_html_row("td", row, section) for row in section.rows)
    note = f"<p>{html.escape(section.note)}</p>" if section.note else ""
    return f"<h2>{section.heading}</h2><table>{head}{rows}</table>{note}"


def _html_row(kind: str, cells: Iterable[str], section: Section) -> str:
    return f"<tr>{''.join(_html_cell(kind, *pair) for pair in zip(cells, section.columns, strict=True))}</tr>"


def _html_cell(kind: str, text: str, column: str) -> str:
    figures = ' class="n"' if column.endswith("#") else ""
    return f"<{kind}{figures}>{html.escape(shown(text))}</{kind}>"


def _markdown_table(section: Section) -> list[str]:
    rule = ["---:" if name.endswith("#") else "---" for name in section.columns]
    names = [name.removesuffix("#") for name in section.columns]
    return [_piped(names, str), _piped(rule, str), *(_piped(row, _mark) for row in section.rows)]


def _piped(cells: Iterable[str], how: Callable[[str], str]) -> str:
    return f"| {' | '.join(map(how, cells))} |"


def _mark(text: str) -> str:
    """Text as Markdown shows it letter by letter: no character of it is markup."""
    return "".join(_MARKUP.get(c, c) for c in shown(text))


def _told(data: dict[str, Any]) -> str:
    given = {name: value for name, value in data.items() if value not in (None, "", {}, []) and name not in _INNER}
    return ", ".join(f"{name} {value}" for name, value in given.items())


def _sum(seen: Snapshot) -> str:
    return f"{seen.outcome or 'nothing done'} · {sized(seen.bytes_done)}"


def _rate(seen: Snapshot) -> str:
    if not seen.engine_s or not seen.done:
        return ""
    return f"{seen.done / seen.engine_s:,.0f} items/s, {sized(seen.bytes_done / seen.engine_s)}/s"


def _moment(at: int | None) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else ""
