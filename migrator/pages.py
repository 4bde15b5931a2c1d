"""Tables under headings as one page: HTML that is complete in itself, or Markdown. All text is text, never markup."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .words import shown

# Everything below one class: in a notebook the page stands among other people's, in the colours of its theme. Jupyter's
# own rules for tables (to the right, striped, in another ink) give way to the class named twice.
STYLE = """
.mg-page { --ink: var(--jp-content-font-color1, #1b2430); --dim: var(--jp-content-font-color2, #5b6672);
  --line: var(--jp-border-color2, #dfe4ea); --faint: var(--jp-layout-color2, #f5f7f9);
  --paper: var(--jp-layout-color0, #fff); --good: var(--jp-success-color1, #1a7f4b);
  --even: var(--jp-brand-color1, #3b6fb6); --weak: var(--jp-warn-color1, #b7791f);
  --bad: var(--jp-error-color1, #c0392b); --none: var(--jp-border-color1, #a5afba);
  color: var(--ink); background: var(--paper); font: 15px/1.55 system-ui, "Segoe UI", sans-serif;
  max-width: 64rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem }
main.mg-page.mg-page h1 { font-size: 1.6em; line-height: 1.25; margin: 0 0 .6rem; font-weight: 650;
  overflow-wrap: anywhere }
main.mg-page.mg-page h2 { font-size: 1.02em; margin: 2.4rem 0 .5rem; font-weight: 650 }
.mg-page p { margin: .4rem 0; color: var(--dim) }
.mg-page .mg-status { display: inline-block; font-weight: 650; border-radius: 99px; padding: .1rem .75rem;
  margin-right: .6rem; color: var(--hue); border: 1.5px solid var(--hue) }
.mg-page .good { --hue: var(--good) } .mg-page .even { --hue: var(--even) } .mg-page .weak { --hue: var(--weak) }
.mg-page .bad { --hue: var(--bad) } .mg-page .none { --hue: var(--none) }
.mg-page .mg-figures { display: flex; flex-wrap: wrap; gap: .8rem 2.6rem; margin: 1.6rem 0 1.2rem }
.mg-page .mg-figures b { display: block; font-size: 1.45em; font-weight: 600; line-height: 1.2;
  font-variant-numeric: tabular-nums }
.mg-page .mg-figures span, .mg-page .mg-key span { color: var(--dim); font-size: .87em }
.mg-page .mg-bar { display: flex; gap: 2px; height: 14px; border-radius: 4px; overflow: hidden }
.mg-page .mg-bar i { background: var(--hue); min-width: 3px }
.mg-page .mg-key { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin-top: .5rem }
.mg-page .mg-key i { display: inline-block; width: .7em; height: .7em; border-radius: 2px; background: var(--hue);
  margin-right: .45em }
main.mg-page.mg-page table { border-collapse: collapse; width: 100%; margin: 0; color: inherit;
  font-size: .93em; table-layout: auto }
main.mg-page.mg-page th { font-weight: 600; color: var(--dim); font-size: .92em }
main.mg-page.mg-page tbody tr { background: none }
main.mg-page.mg-page :is(th, td) { padding: .38rem 1rem .38rem 0; border: 0; border-bottom: 1px solid var(--line);
  vertical-align: top; text-align: left; overflow-wrap: anywhere; background: none }
.mg-page .t { white-space: nowrap }
.mg-page code { font: .92em ui-monospace, monospace; background: var(--faint); padding: .1em .35em; border-radius: 4px }
main.mg-page.mg-page :is(th, td).n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.mg-page .mg-facts td:first-child { width: 9.5rem; color: var(--dim) }
@media screen and (prefers-color-scheme: dark) {
  .mg-own { background: #12171d }
  .mg-own .mg-page { --ink: #e4e9ee; --dim: #98a4b0; --line: #2a323b; --faint: #1a2027; --paper: #12171d;
    --good: #4cbf84; --even: #7ba9e6; --weak: #dfa84e; --bad: #ec7f73; --none: #66717d }
}
@media print {
  @page { margin: 16mm 14mm }
  .mg-page { padding: 0; max-width: none; font-size: 11px; print-color-adjust: exact;
    -webkit-print-color-adjust: exact }
  .mg-page h2 { margin-top: 1.7em; break-after: avoid }
  .mg-page tr, .mg-page .mg-figures, .mg-page .mg-bar { break-inside: avoid }
  .mg-page thead { display: table-header-group }
}
"""
_MARKUP = {c: "\\" + c for c in "\\`*_[]|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


@dataclass(frozen=True, slots=True)
class Section:
    """A table under a heading. Without names of columns it is a list of facts.

    Columns named with a closing ``#`` hold figures, with a closing ``.`` words that are never broken. What stands
    between backticks in the note is code.
    """

    heading: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole: what it is called, how much it is, and how good: ``good even weak bad none``."""

    name: str
    amount: int
    hue: str


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on it, from top to bottom: ``figures`` as (figure, what it is), ``shares`` as a bar."""

    title: str
    status: str
    hue: str
    line: str
    figures: Sequence[tuple[str, str]]
    shares: Sequence[Share]
    sections: Sequence[Section]

    def to_html(self) -> str:
        """The page as HTML, complete in itself."""
        head = f'<meta charset="utf-8"><title>{_text(self.title)}</title>'
        body = f'<body class="mg-own" style="margin:0">{self.to_fragment()}</body>'
        return f'<!doctype html><html lang="en"><head>{head}</head>{body}</html>\n'

    def to_fragment(self) -> str:
        """The same as a part of another page, with its style."""
        status = f'<span class="mg-status {self.hue}">{_text(self.status)}</span>'
        figures = "".join(
            f"<div><b>{_text(figure)}</b><span>{_text(what)}</span></div>" for figure, what in self.figures
        )
        return (
            f'<style>{STYLE}</style><main class="mg-page"><h1>{_text(self.title)}</h1><p>{status}{_text(self.line)}</p>'
            f'<div class="mg-figures">{figures}</div>{_bar(self.shares)}{"".join(map(_section, self.sections))}</main>'
        )

    def to_markdown(self) -> str:
        """The page as Markdown."""
        lines = [f"# {_mark(self.title)}", "", f"**{_mark(self.status)}** · {_mark(self.line)}", ""]
        lines += [" · ".join(f"{_mark(figure)} {_mark(what)}" for figure, what in self.figures)] if self.figures else []
        for section in self.sections:
            lines += ["", f"## {section.heading}", "", *_markdown_table(section)]
            lines += ["", section.note] if section.note else []
        return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return html.escape(shown(text))


def _bar(shares: Sequence[Share]) -> str:
    whole = sum(share.amount for share in shares)
    if not whole:
        return ""
    parts = "".join(f'<i class="{one.hue}" style="width:{one.amount / whole:.3%}"></i>' for one in shares)
    key = "".join(f'<span><i class="{one.hue}"></i>{_text(one.name)}: {one.amount:,}</span>' for one in shares)
    return f'<div class="mg-bar" aria-hidden="true">{parts}</div><div class="mg-key">{key}</div>'


def _section(section: Section) -> str:
    named = any(section.columns)
    head = f"<thead>{_row('th', map(_name, section.columns), section)}</thead>" if named else ""
    rows = "".join(_row("td", row, section) for row in section.rows)
    note = re.sub("`([^`]*)`", r"<code>\1</code>", _text(section.note))
    note = f"<p>{note}</p>" if note else ""
    facts = "" if named else ' class="mg-facts"'
    return (
        f"<section><h2>{_text(section.heading)}</h2><table{facts}>{head}<tbody>{rows}</tbody></table>{note}</section>"
    )


def _name(column: str) -> str:
    return column.rstrip("#.")


def _row(kind: str, cells: Iterable[str], section: Section) -> str:
    return f"<tr>{''.join(_cell(kind, *pair) for pair in zip(cells, section.columns, strict=True))}</tr>"


def _cell(kind: str, text: str, column: str) -> str:
    how = {"#": ' class="n"', ".": ' class="t"'}.get(column[-1:], "")
    return f"<{kind}{how}>{_text(text)}</{kind}>"


def _markdown_table(section: Section) -> list[str]:
    rule = ["---:" if name.endswith("#") else "---" for name in section.columns]
    names = list(map(_name, section.columns))
    return [_piped(names, str), _piped(rule, str), *(_piped(row, _mark) for row in section.rows)]


def _piped(cells: Iterable[str], how: Callable[[str], str]) -> str:
    return f"| {' | '.join(map(how, cells))} |"


def _mark(text: str) -> str:
    """Text as Markdown shows it letter by letter: no character of it is markup."""
    return "".join(_MARKUP.get(c, c) for c in shown(text))
