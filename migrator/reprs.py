"""A run, or a queue, as a plain table: for notebooks, saved pages and viewers that run no script."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from .model import Snapshot


def as_table(seen: Snapshot) -> str:
    """An HTML table with no style of its own; what comes from outside is escaped."""
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in _lines(seen))
    return f"<table><caption>Run <code>{escape(seen.id)}</code></caption>{cells}</table>"


def _lines(seen: Snapshot) -> list[tuple[str, str]]:
    tallies = ("copied", "adopted", "skipped", "failed", "refused", "losses")
    counts = ", ".join(f"{getattr(seen, name):,} {name}" for name in tallies if getattr(seen, name))
    lines = [
        ("what", seen.title),
        ("status", f"{seen.status}{' (dry run)' if seen.dry_run else ''}"),
        ("done", f"{seen.done:,} of {seen.total:,}"),
        ("bytes", f"{seen.bytes_done:,} of {seen.bytes_total:,}"),
        ("counts", counts or "none yet"),
        ("started", _local(seen.started_at)),
        ("finished", _local(seen.finished_at)),
    ]
    more = (("place", seen.position), ("waits for", seen.waiting_for), ("held", seen.held_for), ("error", seen.error))
    return lines + [(name, str(value)) for name, value in more if value]


def queue_table(caption: str, seen: Sequence[Snapshot]) -> str:
    """Runs in the order in which they run, as an HTML table."""
    head = "".join(f"<th>{name}</th>" for name in ("run", "status", "place", "waits for", "what"))
    rows = ((one.id, one.status, one.position or "", one.waiting_for or "", one.title) for one in seen)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def _local(at: int | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at / 1000)) if at else "not yet"
