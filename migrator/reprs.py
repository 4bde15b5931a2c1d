"""A run, some runs or a queue as a plain table: for notebooks, saved pages and viewers that run no script.

There is no script in it, what comes from outside is escaped, and times are UTC: it is read anywhere. Its one style
keeps text at the left, where Jupyter puts a table's to the right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from .model import Snapshot
from .words import counted, moment, sized

_TH, _TD = '<th style="text-align: left">', '<td style="text-align: left">'
LISTED = ("Run", "Status", "Migration", "Objects", "Started")


def as_table(seen: Snapshot) -> str:
    """A run as an HTML table, a line for each fact."""
    return _upright(_facts(seen))


def unstarted(title: str) -> str:
    """A migration that nobody has started, in the same form."""
    return _upright({"Migration": title, "Status": "not started"})


def listing(seen: Iterable[Snapshot]) -> str:
    """Several runs, a row for each."""
    return _across(LISTED, [[facts.get(name, "") for name in LISTED] for facts in map(_facts, seen)]) or _NO_RUNS


def queue_table(caption: str, seen: Sequence[Snapshot]) -> str:
    """Runs in the order in which they run."""
    rows = [[one.id, one.status, str(one.position or ""), one.waiting_for or "", one.title] for one in seen]
    names = ("Run", "Status", "Place", "Waits for", "Migration")
    return f"<p>{escape(caption)}</p>{_across(names, rows)}"


_NO_RUNS = "<p>No runs yet.</p>"


def _upright(facts: Mapping[str, str]) -> str:
    cells = "".join(f"<tr>{_TH}{escape(name)}</th>{_TD}{escape(text)}</td></tr>" for name, text in facts.items())
    return f"<table>{cells}</table>"


def _across(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"{_TH}{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'{_TD}{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>" if rows else ""


def _facts(seen: Snapshot) -> dict[str, str]:
    ready = seen.dry_run and seen.status == "completed"
    objects = f"{seen.total:,}" if ready else f"{seen.done:,} of {seen.total:,}"
    size = sized(seen.bytes_total) if ready else f"{sized(seen.bytes_done)} of {sized(seen.bytes_total)}"
    facts = {"Migration": seen.title, "Run": seen.id, "Status": _status(seen), "Objects": objects, "Size": size}
    more = {
        "Items": seen.outcome,
        "Losses": counted(seen.losses, "attribute") if seen.losses else "",
        "Waits for": seen.waiting_for,
        "Held": None if seen.pause_requested else seen.held_for,
        "Started": moment(seen.started_at),
        "Finished": moment(seen.finished_at),
        "Error": seen.error,
    }
    return facts | {name: text for name, text in more.items() if text}


def _status(seen: Snapshot) -> str:
    if seen.position:
        return f"queued, place {seen.position} in {seen.queue}"
    if seen.status == "running" and seen.pause_requested:
        return "paused"
    if seen.dry_run:
        return "plan ready; nothing was written" if seen.status == "completed" else f"{seen.status} (dry run)"
    return seen.status
