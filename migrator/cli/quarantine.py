"""``migrator quarantine``: what runs keep of what they replaced or deleted."""

from __future__ import annotations

from dataclasses import asdict

import click

import migrator as mg

from ..model import Mode
from . import lists, output
from .copying import restore
from .doors import Listing, run_argument, show_run
from .options import STORE_OPTIONS, json_option, read_options, run_options, table_option
from .spelling import PAIR

store_option = click.option("--option", "options", multiple=True, metavar=PAIR, help=f"{STORE_OPTIONS}.")


@click.group(cls=Listing)
def quarantine() -> None:
    """What runs keep of what they replaced or deleted: list, show, restore, purge."""


@quarantine.command("list")
@click.argument("place")
@json_option
@store_option
def list_kept(place: str, as_json: bool, options: tuple[str, ...]) -> None:
    """List what is kept at PLACE, where runs wrote: by run, how much, since when, and from when on a purge takes it."""
    from ..stores import Location

    kept = mg.quarantine(Location.parse(place, **read_options(options)))
    output.print_json([asdict(one) for one in kept]) if as_json else lists.show_kept(kept, place)


@quarantine.command()
@run_argument
@table_option("kept")
def show(run: str, form: str) -> None:
    """Show what RUN keeps: what stood where, its size, hash, headers, and where it is now."""
    output.show_items(mg.attach(run).kept(), form, ("key", "size", "because", "digest", "kept_as"))


@quarantine.command()
@click.argument("place")
@click.option("--older-than", metavar="AGE", help="30d, 12h. Default: keep_for of [quarantine] in the configuration.")
@click.option("--run", help="Only what this run keeps.")
@click.option("--yes", is_flag=True, help="Delete it; without, only what would be deleted is shown.")
@run_options
@store_option
def purge(
    place: str, older_than: str | None, run: str | None, yes: bool, mode: Mode | None, no_follow: bool, as_json: bool,
    options: tuple[str, ...],
) -> None:  # fmt: skip
    """Delete, as a run, what runs keep at PLACE since longer than AGE: all of a run's, or nothing of it.

    A run that writes to PLACE is not disturbed, and what a restore that has not ended needs stays.
    """
    from ..migrations import PurgeQuarantine
    from ..stores import Location

    at = Location.parse(place, **read_options(options))
    migration = PurgeQuarantine(at, older_than=older_than, run=run)
    show_run(mg.start(migration, mode, dry_run=not yes), no_follow, as_json)


quarantine.add_command(restore)
