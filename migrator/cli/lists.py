"""Queues and leases as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..words import counted, sized
from .output import duration, moment, plain, print_json, print_table, status_text, told

if TYPE_CHECKING:
    from rich.text import Text

    from ..api import Kept, Queue
    from ..upkeep import Health, Old


def show_queue(queue: Queue, as_json: bool) -> None:
    running = [run.snapshot() for run in queue.running]
    waiting = [run.snapshot() for run in queue.waiting]
    if as_json:
        shown = [seen.to_dict() for seen in (*running, *waiting)]
        limits = {"name": queue.name, "max_running": queue.max_running, "paused": queue.paused}
        print_json({**limits, "workers": queue.workers, "runs": shown})
        return
    click.echo(repr(queue))
    rows = [(seen.id, status_text(seen), told(seen.waiting_for or ""), seen.title) for seen in (*running, *waiting)]
    if rows:
        _print_table(("run", "status", "waits for", "what"), rows)


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
    _print_table(("place", "run", "status", "pid", "for", "silent for"), rows)


def show_health(health: Health, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(health), "well": health.well})
        return
    runs = ", ".join(f"{count:,} {status}" for status, count in health.runs.items()) or "no runs"
    click.echo(f"{health.state}: schema {health.version}, {runs}")
    for problem in health.damage:
        click.echo(f"damaged: {plain(problem)}")
    for run, file in health.missing:
        click.echo(f"{run}: there is no {plain(file)}")
    click.echo("Nothing is wrong." if health.well else "Something is wrong.")


def show_old(old: Sequence[Old], removed: bool, as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in old])
        return
    rows = [
        (one.run, one.status + (" (dry run)" if one.dry_run else ""),
         f"{counted(round(one.ended_days_ago), 'day')} ago", sized(one.size), one.kept_because or "")
        for one in old
    ]  # fmt: skip
    if rows:
        _print_table(("run", "status", "ended", "size", "kept because"), rows)
    going = [one for one in old if one.kept_because is None]
    what = f"{counted(len(going), 'run')}, {sized(sum(one.size for one in going))}"
    them = "it" if len(going) == 1 else "them"
    offer = f" `--yes` removes {them}." if going else ""
    click.echo(f"{what} removed." if removed else f"{what} would be removed.{offer}")


def show_kept(kept: Sequence[Kept], place: str) -> None:
    if not kept:
        click.echo(f"No run keeps anything at {plain(place)}.")
        return
    rows = [
        (one.run, one.status or "not in the state DB", f"{one.objects:,}", sized(one.bytes), _day(one.kept_at),
         f"needed by {one.needed_by}" if one.needed_by else _day(one.expires))
        for one in kept
    ]  # fmt: skip
    _print_table(("run", "status", "objects", "size", "kept since", "purged from"), rows)


def _day(at: int | None) -> str:
    return moment(at)[:10] if at else "unknown"


def _print_table(names: Iterable[str], rows: Iterable[Iterable[str | Text]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, name in enumerate(names):
        table.add_column(name, overflow="fold", no_wrap=number == 0)  # an id is copied whole
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    print_table(table)
