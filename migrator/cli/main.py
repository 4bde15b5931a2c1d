"""The commands. Each opens the front door, does one thing, and shows it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, get_args

import click

import migrator as mg

from ..errors import BadInput
from ..model import EXIT_CODES, ItemStatus, Mode
from . import output
from .doors import Door, complete_status, run_argument, show_run
from .options import json_option, mode_option, run_options, table_option

if TYPE_CHECKING:
    import sqlalchemy as sa

COMPARED = ("key", "size", "status", "other_status", "error", "other_error")


@click.group(cls=Door, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(mg.__version__, prog_name="migrator")
@click.option("--state", metavar="URL", help="State DB: a path or SQLAlchemy URL. Default: $MIGRATOR_STATE.")
def main(state: str | None) -> None:
    """Move objects between stores in detached runs that can be watched, stopped and resumed.

    \b
    migrator copy /data/in s3://lake/in --dry-run      what would be done, and why
    migrator copy /data/in s3://lake/in                do it, and watch
    migrator copy /data/in s3://lake/in --mode queue   do it when its turn comes
    migrator worker                                    take queued runs in turn
    migrator runs                                      what ran, newest first
    migrator resume RUN                                go on where it stopped

    Exit codes: 0 completed, 1 the command failed, 2 it can't be done as asked, 10 partial, 11 failed, 12 cancelled,
    13 interrupted.
    """
    if state:
        _refuse_password(state)
        os.environ["MIGRATOR_STATE"] = state


def _refuse_password(state: str) -> None:
    import sqlalchemy as sa

    if "://" in state and _has_password(sa.make_url(state)):
        raise BadInput(
            "A password on a command line can be read by everybody on this machine. Put the URL into the "
            "environment variable MIGRATOR_STATE, or leave the password to ~/.pgpass or a client configuration file."
        )


def _has_password(url: sa.URL) -> bool:
    """In its place, or as a parameter that some driver takes for one."""
    return bool(url.password) or any("pass" in name.lower() or name.lower() == "pwd" for name in url.query)


@main.command()
@run_argument
@json_option
def plan(run: str, as_json: bool) -> None:
    """Show what the plan of RUN would do, by action and reason; `migrator items RUN` lists every row."""
    summary = mg.attach(run).plan_summary()
    if as_json:
        output.print_json(summary.to_dict())
    else:
        click.echo(output.folded(output.told(str(summary)), " " * 8))


@main.command()
@run_argument
@click.option("--where", metavar="SQL", help="Only rows for which this is true: of key, action, reason, size, mtime ….")
@click.option("--max-drift", type=int, help="Nothing is done when more objects than this have changed since the plan.")
@click.option("--max-cost", type=float, help="Nothing is done when the plan would cost more; see `migrator plan`.")
@click.option("--max-age", metavar="AGE", default="1d", show_default=True, help="An older plan is refused: 12h, 7d.")
@run_options
def apply(run: str, no_follow: bool, as_json: bool, **terms: Any) -> None:
    """Execute the plan of the dry run RUN, or a part of it, as a new run."""
    show_run(mg.apply(run, **terms), no_follow, as_json)


@main.command()
@json_option
@click.option("--limit", default=50, show_default=True, help="How many.")
@click.option(
    "--status",
    multiple=True,
    shell_complete=complete_status,
    help="Only these, such as failed; may be given several times.",
)
@click.option("--text", default="", help="Only runs with this in their id, name or title.")
@click.option("--tag", help="Only runs with this tag.")
def runs(as_json: bool, limit: int, status: tuple[str, ...], text: str, tag: str | None) -> None:
    """List runs, newest first."""
    found = mg.runs(limit, status=status, text=text, tag=tag)
    output.show_runs([run.snapshot() for run in found], as_json, bool(status or text or tag))


@main.command()
@run_argument
@click.argument("other")
@table_option("differences")
def compare(run: str, other: str, form: str) -> None:
    """List the items in which RUN and OTHER differ: only in one of them, or with another outcome."""
    output.show_items(mg.attach(run).compare(mg.attach(other)), form, COMPARED)


@main.command()
@run_argument
@json_option
def show(run: str, as_json: bool) -> None:
    """Show what is true of RUN now."""
    output.show_snapshot(mg.attach(run), as_json)


@main.command()
@run_argument
@json_option
def follow(run: str, as_json: bool) -> None:
    """Watch RUN until it ends. Ctrl-C stops watching, not the run."""
    show_run(mg.attach(run), False, as_json)


@main.command()
@run_argument
@click.option("--wait", is_flag=True, help="Return when it has stopped.")
def cancel(run: str, wait: bool) -> None:
    """Ask RUN to stop. What is in flight is finished or aborted; `resume` goes on later."""
    handle = mg.attach(run)
    handle.cancel()
    if not wait:
        click.echo(f"Asked {run} to stop.")
        return
    seen = handle.wait(check=False)
    click.echo(f"{run} {seen.status}.")
    if seen.status != "cancelled":
        sys.exit(EXIT_CODES[seen.status])


@main.command()
@run_argument
@click.option("--no-follow", is_flag=True, help="Return at once.")
@mode_option
@click.option("--here", is_flag=True, help="Now, in this shell's environment; the same as --mode streaming.")
@json_option
def resume(run: str, no_follow: bool, mode: Mode | None, here: bool, as_json: bool) -> None:
    """Carry on RUN, which was interrupted, cancelled, failed or partial: what is done stays done.

    It runs as it ran before, a queued one in its queue and where it was enqueued, unless --mode or --here says
    otherwise: --here also helps when the credentials where it ran have expired.
    """
    if here and mode == "queue":
        raise click.UsageError("--here starts it now; it can't go with --mode queue.")
    show_run(mg.attach(run).resume("streaming" if here else mode), no_follow, as_json)


@main.command()
@run_argument
@click.option("--status", type=click.Choice(get_args(ItemStatus)), help="Only items of this status.")
@table_option("items")
def items(run: str, status: ItemStatus | None, form: str) -> None:
    """List the items of RUN: its plan joined with the receipts."""
    output.show_items(mg.attach(run).items(status), form)


@main.command()
@run_argument
def log(run: str) -> None:
    """Print the output of RUN."""
    handle, cursor = mg.attach(run), 0
    while True:
        text, cursor = handle.log(cursor)
        if not text:
            return
        click.echo(output.told(text), nl=False)
