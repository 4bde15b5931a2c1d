"""The plain table that stands where no widget can: GitHub, an exported page, a saved notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def table(title: str, snapshot: Mapping[str, Any] | None) -> str:
    """An HTML table without style or script; every text in it is escaped."""
    rows = {"Migration": title, **(_facts(snapshot) if snapshot else {"Status": "not started"})}
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
    return f"<table>{cells}</table>"


def listing(snapshots: Iterable[Mapping[str, Any]]) -> str:
    """The same for several runs, a row each."""
    rows = [_facts(each) | {"Migration": each["title"]} for each in snapshots]
    names = ("Run", "Status", "Migration", "Objects", "Started")
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(facts.get(name, ''))}</td>" for name in names) + "</tr>" for facts in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>" if rows else "<p>No runs yet.</p>"


def size(count: float) -> str:
    """Bytes in decimal units: ``119.9 GB``."""
    unit = 0
    while count >= 999.95 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.1f} {UNITS[unit]}" if unit else f"{count:.0f} B"


def _status(now: Mapping[str, Any]) -> str:
    if now["position"]:
        return f"queued, place {now['position']} in {now['queue']}"
    return "paused" if now["status"] == "running" and now["pause_requested"] else now["status"]


def _facts(now: Mapping[str, Any]) -> dict[str, str]:
    plan_ready = now["dry_run"] and now["status"] == "completed"
    facts = {
        "Run": now["id"],
        "Status": "plan ready" if plan_ready else _status(now),
        "Objects": f"{now['done']:,} of {now['total']:,}",
        "Size": f"{size(now['bytes_done'])} of {size(now['bytes_total'])}",
    }
    if plan_ready:
        facts |= {"Objects": f"{now['total']:,}", "Size": size(now["bytes_total"])}
    counts = [f"{now[name]:,} {name}" for name in ("copied", "adopted", "skipped", "failed", "refused") if now[name]]
    if counts:
        facts["Items"] = ", ".join(counts)
    if now["waiting_for"]:
        facts["Waits for"] = now["waiting_for"]
    if now["held_for"] and not now["pause_requested"]:
        facts["Held"] = now["held_for"]
    if now["started_at"]:
        facts["Started"] = datetime.fromtimestamp(now["started_at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now["error"]:
        facts["Error"] = now["error"]
    return facts
