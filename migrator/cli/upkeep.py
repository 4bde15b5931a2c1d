"""Commands for what a state DB holds: leases now, its old runs, and its own care."""

from __future__ import annotations

import re
import sys

import click

from . import lists
from .doors import Listing, open_state, run_argument
from .options import json_option


@click.group(cls=Listing, invoke_without_command=True)
@json_option
@click.pass_context
def leases(ctx: click.Context, as_json: bool) -> None:
    """Who may write where: the places that live runs hold."""
    from ..lifecycle import leases as held

    if ctx.invoked_subcommand is None:
        lists.show_leases(held.list_held(open_state()), as_json)


@leases.command("break")
@run_argument
def break_(run: str) -> None:
    """End RUN, which holds a lease and is not known to live. Refused while its process lives."""
    from ..lifecycle import leases as held

    why = held.break_lease(open_state(), run)
    click.echo(f"The lease of {run} is free. {why}")


class Days(click.ParamType):
    """A span such as 90d, 12w or 36h, as days."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+)([hdw])", str(value))
        if not found:
            self.fail(f"{value!r} is no span; write 90d, 12w or 36h.", param, ctx)
        return int(found[1]) * {"h": 1 / 24, "d": 1.0, "w": 7.0}[found[2]]


@click.group(cls=Listing)
def state() -> None:
    """The state DB's own care: check, upgrade, vacuum, purge."""


@state.command()
@json_option
def check(as_json: bool) -> None:
    """Look whether the state DB is whole and every file is there that its runs name. Exit code 1 if not."""
    from .. import upkeep

    health = upkeep.check(open_state())
    lists.show_health(health, as_json)
    sys.exit(0 if health.well else 1)


@state.command()
def upgrade() -> None:
    """Bring the schema of an older release to this one's. Refused while a run of that release lives.

    Any command does it by itself when no run is starting or running; this one also looks whether they live.
    """
    from .. import upkeep

    shown, version = upkeep.upgrade()
    click.echo(f"The state DB {shown} has schema {version}.")


@state.command()
def vacuum() -> None:
    """Give the space of what was purged back."""
    from ..state.upkeep import give_back

    give_back(open_state())
    click.echo("The space is given back.")


@state.command()
@click.option("--older-than", type=Days(), default="90d", show_default=True, help="How long ago they ended.")
@click.option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
@json_option
def purge(older_than: float, yes: bool, as_json: bool) -> None:
    """Remove runs that ended long ago, with their plans, receipts and logs; dry runs after a day.

    What was copied stays. A dry run stays while a run that applies it lives.
    """
    from .. import upkeep

    db = open_state()
    lists.show_old(upkeep.purge(db, older_than) if yes else upkeep.find_old(db, older_than), yes, as_json)
