"""What all commands share: the one way out for errors, and the words that several of them take."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

import click

import migrator as mg

from ..errors import BadInput, MigratorError, RunNotCompleted
from ..model import EXIT_CODES, Status
from . import output
from .spelling import in_options

if TYPE_CHECKING:
    from ..state import StateDB

SENTENCE = 300  # characters, more than any has
HEADINGS = {
    "To copy, to check, to go back": "preflight copy verify retry restore delete-source quarantine",
    "A plan": "plan apply",
    "A run": "runs show follow log cancel resume pause unpause limit",
    "What came of it": "items report compare map duplicates",
    "In turn": "worker queue run-now leases",
    "Upkeep": "state",
}


class Listing(click.Group):
    """Its help lists commands by whole sentences, where click cuts them off, and under headings where it has some.

    Attributes
    ----------
    headings : dict of str to str
        The names of commands under each, in their order.
    """

    headings: Mapping[str, str] = {}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in (self.headings or {"Commands": " ".join(self.list_commands(ctx))}).items():
            with formatter.section(heading):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(SENTENCE)) for name in names.split()])


class Door(Listing):
    """Errors leave here: one sentence on stderr and an exit code, never a traceback for a mistake.

    2: it can't be done as it was asked, and nothing was written; 1: it failed.
    """

    headings = HEADINGS

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RunNotCompleted as error:
            click.echo(str(error), err=True)
            ctx.exit(EXIT_CODES[error.snapshot.status])
        except MigratorError as error:
            called = self.commands.get(ctx.invoked_subcommand or "", self)
            click.echo(output.folded(f"Error: {in_options(str(error), called)}", err=True), err=True)
            ctx.exit(2 if isinstance(error, BadInput) else 1)


def open_state() -> StateDB:
    """The state DB that the command is about."""
    from .. import api

    return api.open_state()


def complete_run(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Run ids for the shell's tab key."""
    return [run.id for run in mg.runs(200) if run.id.startswith(incomplete)]


def complete_status(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """What may have become of a run."""
    return [status for status in get_args(Status) if status.startswith(incomplete)]


run_argument = click.argument("run", shell_complete=complete_run)


def show_run(run: mg.Run, no_follow: bool, as_json: bool) -> None:
    """Watch a run, or name it and return; a program gets JSON. Ends with the exit code of the run's end."""
    if no_follow:
        output.print_json(run.snapshot().to_dict()) if as_json else click.echo(run.id)
        return
    from .progress import follow_run  # draws with rich; the run is on its way by now

    try:
        seen = follow_run(run, quiet=as_json)
    except KeyboardInterrupt:
        click.echo(f"\n{run.id} goes on without us. `migrator follow {run.id}` comes back, `migrator cancel {run.id}` "
                   "stops it.", err=True)  # fmt: skip
        sys.exit(0)
    if as_json:
        output.print_json(seen.to_dict())
    sys.exit(EXIT_CODES[seen.status])
