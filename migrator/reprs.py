"""A run as a plain table: for notebooks, saved pages and viewers that run no script."""

from __future__ import annotations

import time
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
    return [*lines, ("error", seen.error)] if seen.error else lines


def _local(at: int | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at / 1000)) if at else "not yet"
