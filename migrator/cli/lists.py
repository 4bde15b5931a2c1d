"""Queues and leases as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .output import duration, plain, print_json, status_text

if TYPE_CHECKING:
    from ..api import Queue


def show_queue(queue: Queue, as_json: bool) -> None:
    running = [run.snapshot() for run in queue.running]
    waiting = [run.snapshot() for run in queue.waiting]
    if as_json:
        shown = [seen.to_dict() for seen in (*running, *waiting)]
        limits = {"name": queue.name, "max_running": queue.max_running, "paused": queue.paused}
        print_json({**limits, "workers": queue.workers, "runs": shown})
        return
    click.echo(repr(queue))
    rows = [(seen.id, status_text(seen), seen.waiting_for or "", seen.title) for seen in (*running, *waiting)]
    if rows:
        Console().print(_table(("run", "status", "waits for", "what"), rows))


def show_leases(held: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(held)
        return
    if not held:
        click.echo("No run holds a lease.")
        return
    rows = [
        (one["place"], one["run"], one["status"], f"{one['pid']} on {one['host']}", duration(one["held_s"]),
         duration(one["silent_s"]))
        for one in held
    ]  # fmt: skip
    Console().print(_table(("place", "run", "status", "pid", "for", "silent for"), rows))


def _table(names: Iterable[str], rows: Iterable[Iterable[str | Text]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    return table
