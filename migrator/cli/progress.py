"""Watching a run in a terminal: a bar while it lives, its counts when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from ..api import Run
from ..model import Snapshot
from ..words import MOVED, counted, sized
from . import output

REFRESH_S = 0.25
PLAIN_REFRESH_S = 5.0
MOST_NOTES = 5


def follow_run(run: Run, quiet: bool = False) -> Snapshot:
    """Show a run until it ends, on stderr; a line every five seconds where that is no terminal.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """
    console = Console(stderr=True, quiet=quiet)
    console.print(_line(f"{run.id}  {run.snapshot().title}"), soft_wrap=True)
    seen = _show_bar(run, console) if console.is_terminal and not quiet else _show_lines(run, console)
    _show_end(run, seen, console)
    return seen


def _show_bar(run: Run, console: Console) -> Snapshot:
    columns = (TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None, figures="")
        while True:
            seen = run.snapshot()
            total, done = (seen.bytes_total, seen.bytes_done) if seen.bytes_total else (seen.total, seen.done)
            progress.update(task, description=_phase(seen), total=total or None, completed=done, figures=_figures(seen))
            if seen.terminal:
                return seen
            run.sleep(REFRESH_S)


def _show_lines(run: Run, console: Console) -> Snapshot:
    said = time.monotonic()
    while not (seen := run.snapshot()).terminal:
        if time.monotonic() - said > PLAIN_REFRESH_S:
            said = time.monotonic()
            console.print(Text(f"{_phase(seen)}  {_figures(seen)}"))
        run.sleep(REFRESH_S)
    return seen


def _phase(seen: Snapshot) -> str:
    if seen.waiting_for:
        return f"{output.status_text(seen)}, waits for {output.told(seen.waiting_for)}"
    if seen.held_for and not seen.cancel_requested:
        return output.told(seen.held_for)
    return str(output.status_text(seen)) if seen.status != "running" or seen.cancel_requested else str(seen.phase)


def _figures(seen: Snapshot) -> str:
    if not seen.total:
        return ""
    rate = f" · {seen.rate:,.0f}/s · {sized(seen.byte_rate or 0)}/s" if seen.rate is not None else ""
    failed = f" · {seen.failed:,} failed" if seen.failed else ""
    left = f" · {output.duration(seen.eta_s)} left" if seen.eta_s is not None else ""
    slow = f" · throttled by {output.plain(seen.throttled['by'])}" if seen.throttled else ""
    return f"{seen.done:,}/{seen.total:,} · {sized(seen.bytes_done)}{rate}{failed}{left}{slow}"


def _show_end(run: Run, seen: Snapshot, console: Console) -> None:
    ready = seen.dry_run and seen.status == "completed"
    for line in _show_plan(run, seen) if ready else _show_outcome(run, seen):
        console.print(line, soft_wrap=True)


def _show_plan(run: Run, seen: Snapshot) -> Iterator[Text]:
    for action, tally in sorted(seen.actions.items()):
        yield Text(f"  {action:10} {tally['items']:>12,}  {sized(tally['bytes'])}")
    yield from _notes(run)
    yield _line(_onward(seen))


def _onward(seen: Snapshot) -> str:
    """What can be done with a plan."""
    if seen.to_do:
        return f"Nothing was written. `migrator apply {seen.id}` executes this plan."
    if "refuse" in seen.actions:
        return f"There is nothing to apply: what is not there is refused. `migrator plan {seen.id}` says why."
    return "There is nothing to do."


def _show_outcome(run: Run, seen: Snapshot) -> Iterator[Text]:
    losses = f", {counted(seen.losses, 'loss', 'losses')}" if seen.losses else ""
    verb = MOVED.get(seen.migration, "moved")
    none = "nothing to do" if seen.status == "completed" else "nothing done"
    figures = f": {seen.outcome or none}{losses}, {sized(seen.bytes_moved)}"
    yield Text.assemble(output.status_text(seen), figures, f" {verb} in {output.duration(seen.engine_s)}")
    yield from _notes(run)
    if seen.error:
        yield _line(seen.error)
    for failure in run.exceptions(5):
        yield _line(output.failure(failure))
    bad = [status for status in ("failed", "refused") if getattr(seen, status)]
    if bad:
        also = " (or refused)" if len(bad) > 1 else ""
        anew = f" `migrator retry {run.id}` looks at them anew." if seen.migration == "copy-objects" else ""
        yield _line(f"`migrator items {run.id} --status {bad[0]}`{also} lists them.{anew}")


def _line(text: str) -> Text:
    """Broken between words, and what goes on is set in where the first line is."""
    text = output.told(text)
    return Text(output.folded(text, output.HANG if text.startswith(" ") else "", err=True))


def _notes(run: Run) -> Iterator[Text]:
    """What followed, and what was warned of, once each."""
    events = run.events()
    for event in events:
        if event.kind == "followed":
            after = Run(str(event.data["run"]), run.state).snapshot()
            yield _line(f"  then {after.id} {after.status}: {after.outcome or 'nothing to do'}")
    warned = dict.fromkeys(str(event.data["text"]) for event in events if event.kind == "warning")
    for text in list(warned)[:MOST_NOTES]:
        yield _line(f"  note  {text}")
