"""What the commands print: tables for people, JSON for programs; text from outside as text.

rich is imported where something is drawn: a command that starts a run has started it by then.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..model import Snapshot
from ..words import counted, disarmed, lasting, shown, sized, unescape
from .spelling import in_options

if TYPE_CHECKING:
    import duckdb
    from rich.console import Console, RenderableType
    from rich.text import Text

    from ..api import Run

COLOURS = {
    "completed": "green", "partial": "yellow", "failed": "red", "cancelled": "yellow", "interrupted": "yellow",
    "running": "blue", "starting": "blue", "queued": "cyan",
}  # fmt: skip
ITEM_COLUMNS = ("key", "size", "action", "status", "evidence", "error")
TABLE_ROWS = 1000
HANG = " " * 4
UNBROKEN = 10_000  # where a program reads it: one run is one line


def print_json(value: Any) -> None:
    """One JSON object or array, and nothing else on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def plain(text: str) -> str:
    """Text from outside without the characters that steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def told(text: str) -> str:
    """A message that was written down, with what it names said as options."""
    return plain(in_options(text))


def show_runs(seen: Sequence[Snapshot], as_json: bool, chosen: bool = False) -> None:
    """A list of runs; ``chosen``: of those that fit what was asked for."""
    if as_json:
        print_json([one.to_dict() for one in seen])
        return
    if not seen:
        none = "No run is like that." if chosen else "No runs yet. `migrator copy SOURCE TARGET` starts one."
        click.echo(none)
        return
    console = terminal()
    for line in _lines_of_runs(seen, console):
        print_table(line, console)


def terminal() -> Console:
    """As wide as the terminal; what a program reads is not broken."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = UNBROKEN
    return console


def print_table(table: RenderableType, console: Console | None = None) -> None:
    """Without the blanks that fill its last column: they break lines of their own, and say nothing to a program."""
    console = console or terminal()
    with console.capture() as drawn:
        console.print(table, soft_wrap=not hasattr(table, "columns"))
    for line in drawn.get().splitlines():
        console.print(_ended(line), soft_wrap=True)


def _ended(line: str) -> Text:
    from rich.text import Text

    text = Text.from_ansi(line)
    text.rstrip()
    return text


def _lines_of_runs(seen: Sequence[Snapshot], console: Console) -> Iterator[RenderableType]:
    """A line for each run; in a terminal that is too narrow for that, what it does stands below it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (("run", "left"), ("status", "left"), ("done", "right"), ("bytes", "right"),
                          ("started", "left"), ("what", "left")):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=True)  # pyright: ignore
    whats = [Text(plain(one.title)) for one in seen]
    for one, what in zip(seen, whats, strict=True):
        if one.name != one.id:
            what.append(f"  {plain(one.name)}", "dim")
        table.add_row(one.id, status_text(one), *_sums(one), moment(one.started_at)[5:16], what)
    needed = console.measure(table, options=console.options.update(max_width=UNBROKEN)).maximum
    if needed <= console.width:
        yield table
        return
    table.columns.pop()
    with console.capture() as drawn:
        console.print(table)
    head, *rows = drawn.get().splitlines()
    yield Text.from_ansi(head)
    for row, what in zip(rows, whats, strict=True):
        yield Text.from_ansi(row)
        yield Text.assemble("  ", what)


def _sums(seen: Snapshot) -> tuple[str, str]:
    """Objects and bytes: of a plan that is ready what it holds, since nothing of it is done."""
    if seen.dry_run and seen.status == "completed":
        return f"{seen.total:,}", sized(seen.bytes_total)
    return f"{seen.done:,} / {seen.total:,}" if seen.total else "", sized(seen.bytes_done)


def show_snapshot(run: Run, as_json: bool) -> None:
    seen = run.snapshot()
    if as_json:
        print_json(seen.to_dict())
        return
    from rich.text import Text

    console, facts = terminal(), _facts(seen)
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        line = Text(folded(f"{name:<{width}}{plain(str(value))}", " " * width))
        line.stylize("dim", 0, width)
        line.stylize(value.style if isinstance(value, Text) else "", width)
        console.print(line, soft_wrap=True)
    for each in run.exceptions(5):
        click.echo(folded(failure(each), HANG))


def failure(item: Mapping[str, Any]) -> str:
    """An item that failed or was refused, and why."""
    return f"  {item['status']}  {plain(shown(str(item['key'])))}: {told(str(item['error']))}"


def folded(text: str, hang: str = "", err: bool = False) -> str:
    """Lines that are broken between words where a terminal would break them anywhere; a program gets them whole."""
    if not (sys.stderr if err else sys.stdout).isatty():
        return text
    width = shutil.get_terminal_size().columns
    lines = (textwrap.wrap(line, width, subsequent_indent=hang, break_on_hyphens=False) for line in text.splitlines())
    return "\n".join(line for each in lines for line in each or [""])


def show_items(relation: duckdb.DuckDBPyRelation, form: str, columns: Sequence[str] = ITEM_COLUMNS) -> None:
    """Rows as people or programs take them; ``columns`` are those of a table."""
    if form == "parquet":
        import pyarrow.parquet as pq

        if sys.stdout.isatty():
            raise click.UsageError("Parquet is not for a terminal; send it to a file: > items.parquet")
        pq.write_table(relation.to_arrow_table(), sys.stdout.buffer)
    elif form == "csv":
        _stream_csv(relation)
    elif form == "json":
        _stream_json(relation)
    else:
        _show_table(relation, columns)


def _stream_csv(relation: duckdb.DuckDBPyRelation) -> None:
    import csv

    writer = csv.writer(sys.stdout)
    writer.writerow(relation.columns)
    for row in _rows(relation):
        writer.writerow([disarmed(value) for value in row])


def _stream_json(relation: duckdb.DuckDBPyRelation) -> None:
    sys.stdout.write("[")
    for number, row in enumerate(_rows(relation)):
        sys.stdout.write(",\n" if number else "")
        sys.stdout.write(json.dumps(dict(zip(relation.columns, row, strict=True)), ensure_ascii=False, default=str))
    sys.stdout.write("]\n")


def _rows(relation: duckdb.DuckDBPyRelation) -> Iterator[tuple[Any, ...]]:
    """Rows a batch at a time, so that memory stays flat."""
    for batch in relation.to_arrow_reader(10_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _cell(name: str, value: Any) -> Text:
    from rich.text import Text

    if value is None:
        return Text("")
    if isinstance(value, int):
        return Text(f"{value:,}")
    text = shown(unescape(value))
    return Text(in_options(text) if name in ("error", "reason", "other_error") else text)


def _show_table(relation: duckdb.DuckDBPyRelation, wanted: Sequence[str]) -> None:
    columns = [name for name in wanted if name in relation.columns]
    columns = columns if "size" in columns else relation.columns
    rows = relation.select(*columns).limit(TABLE_ROWS + 1).fetchall()
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for row in rows[:TABLE_ROWS]:
        table.add_row(*map(_cell, columns, row))
    print_table(table if rows else Text("None.", "dim"))
    if len(rows) > TABLE_ROWS:
        click.echo(f"(the first {TABLE_ROWS:,}; --format csv, json or parquet gives all)", err=True)


def _facts(seen: Snapshot) -> list[tuple[str, str | Text]]:
    holder = f"pid {seen.holder['pid']} on {seen.holder['host']}" if seen.holder else ""
    ready = seen.dry_run and seen.status == "completed"
    planned = f"{counted(seen.total, 'object')} · {sized(seen.bytes_total)}"
    done = f"{seen.done:,} of {seen.total:,} · {sized(seen.bytes_done)} of {sized(seen.bytes_total)}"
    lost = counted(seen.losses, "loss", "losses") if seen.losses else ""
    facts: list[tuple[str, str | Text]] = [
        ("run", seen.id),
        ("name", seen.name if seen.name != seen.id else ""),
        ("tags", ", ".join(seen.tags)),
        ("key", seen.key or ""),
        ("what", seen.title),
        ("status", status_text(seen)),
        ("plan" if ready else "done", planned if ready else done),
        ("counts", ", ".join(filter(None, [seen.outcome, lost]))),
        ("attempt", f"{seen.attempt}, {holder}" if holder else str(seen.attempt)),
        ("mode", f"queue {seen.queue}" if seen.mode == "queue" else seen.mode),
        (
            "place",
            f"{seen.position} in {seen.queue}" + (f", after {', '.join(seen.ahead)}" if seen.ahead else "")
            if seen.position
            else "",
        ),
        ("waits for", in_options(seen.waiting_for or "")),
        ("held", in_options(seen.held_for or "")),
        ("throttled by", plain(seen.throttled["by"]) if seen.throttled else ""),
        ("sent again", counted(seen.retries, "request") if seen.retries else ""),
        ("limits", ", ".join(f"{name} {value:,}" for name, value in seen.limits.items())),
        ("started", moment(seen.started_at)),
        ("finished", moment(seen.finished_at)),
        ("error", in_options(seen.error or "")),
        ("workspace", seen.workspace),
    ]
    return [(name, value) for name, value in facts if str(value)]


def status_text(seen: Snapshot) -> Text:
    """The status as people read it, with its colour."""
    live = not seen.terminal
    words = "cancelling…" if live and seen.cancel_requested else seen.status
    if words == "running" and (seen.pause_requested or seen.held_for):
        words = "paused" if seen.pause_requested else "held"
    if seen.position:
        words += f", place {seen.position}"
    if seen.dry_run:
        words = "plan ready" if words == "completed" else f"{words} (dry run)"
    if live and seen.silent_s and seen.silent_s > 10:
        words += f", silent for {seen.silent_s:.0f} s"
    from rich.text import Text

    return Text(words, COLOURS.get(seen.status, ""))


def moment(at: int | None) -> str:
    """A local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at / 1000)) if at else ""


def duration(seconds: float | None) -> str:
    """``3 min 20 s``; ``unknown`` where there is none."""
    return "unknown" if seconds is None else lasting(seconds)
