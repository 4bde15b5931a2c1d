"""Commands for what a state DB holds: leases now, and its own care."""

from __future__ import annotations

import click

from .. import api
from ..lifecycle import leases as held
from . import lists
from .doors import json_option, run_argument


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def leases(ctx: click.Context, as_json: bool) -> None:
    """Who may write where: the places that live runs hold."""
    if ctx.invoked_subcommand is None:
        lists.show_leases(held.list_held(api.open_state()), as_json)


@leases.command("break")
@run_argument
def break_(run: str) -> None:
    """End RUN, which holds a lease and is not known to live. Refused while its process lives."""
    why = held.break_lease(api.open_state(), run)
    click.echo(f"The lease of {run} is free. {why}")
