"""Commands that look and change nothing: verify a copy, report on a run, map its keys."""

from __future__ import annotations

import sys
from typing import Any

import click

import migrator as mg

from ..model import Mode
from . import output
from .doors import run_argument, show_run
from .options import (
    GroupedCommand,
    choosing_options,
    json_option,
    mode_option,
    no_follow_option,
    place_options,
    read_options,
    renaming_options,
    table_option,
    take,
)  # fmt: skip


@click.command(cls=GroupedCommand)
@click.argument("source")
@click.argument("target")
@click.option("--sample", metavar="SHARE", help="Read so many again on both sides, such as 1%; says the confidence.")
@click.option("--download", is_flag=True, help="Read all of them again on both sides.")
@click.option("--metadata", is_flag=True, help="Also compare headers, user metadata and tags: a request more for each.")
@click.option("--in-flight", type=click.IntRange(1, 512), help="Objects at once. Default: what suits the stores.")
@mode_option
@click.option("--name", help="A name for people.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@no_follow_option
@json_option
@choosing_options
@renaming_options
@place_options
def verify(
    source: str, target: str, sample: str | None, no_follow: bool, as_json: bool, name: str | None,
    tags: tuple[str, ...], source_options: tuple[str, ...], target_options: tuple[str, ...], mode: Mode | None,
    download: bool, metadata: bool, in_flight: int | None, **terms: Any,
) -> None:  # fmt: skip
    """Check that TARGET holds what SOURCE holds, whatever tool copied it. Writes to neither.

    Files are read and compared with the server's hashes, or with each other; two servers' hashes with each other.
    What differs is a failed item: missing, extra, changed, metadata or unreadable. Exit code 10 when anything does.
    """
    from ..migrations import Verify
    from ..stores import Location

    migration = Verify(
        Location.parse(source, **read_options(source_options)),
        Location.parse(target, **read_options(target_options)),
        sample=sample, download=download, metadata=metadata, in_flight=in_flight, **take(terms),
    )  # fmt: skip
    show_run(mg.start(migration, mode, name=name, tags=tags), no_follow, as_json)


@click.command(cls=GroupedCommand)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("target")
@json_option
@place_options
def preflight(
    sources: tuple[str, ...],
    target: str,
    as_json: bool,
    source_options: tuple[str, ...],
    target_options: tuple[str, ...],
) -> None:
    """Try what a copy from SOURCE to TARGET needs: reach, list, read, write, delete, conditions, clocks, room.

    What is written for it, below TARGET, is taken back. Exit code 1 when something is in the way.
    """
    from ..stores import Location
    from ..stores import preflight as look

    found = look(
        [Location.parse(source, **read_options(source_options)) for source in sources],
        Location.parse(target, **read_options(target_options)),
    )
    output.print_json(found.to_dict()) if as_json else click.echo(output.folded(output.told(str(found)), " " * 4))
    sys.exit(0 if found.well else 1)


@click.command()
@run_argument
@click.option("--format", "form", type=click.Choice(["md", "html", "json"]), default="md", show_default=True,
              help="Markdown, a whole HTML page, or everything as JSON.")  # fmt: skip
def report(run: str, form: str) -> None:
    """Print the record of RUN: what, by whom, by which plan, and what came of it by which evidence."""
    made = mg.attach(run).report()
    text = {"md": made.to_markdown, "html": made.to_html, "json": made.to_json}[form]()
    click.echo(text, nl=False)


@click.command()
@run_argument
@table_option("duplicates")
def duplicates(run: str, form: str) -> None:
    """List objects of the same bytes under several keys, as far as RUN's plan and receipts tell."""
    output.show_items(mg.attach(run).duplicates(), form)


@click.command("map")
@run_argument
@table_option("map")
def key_map(run: str, form: str) -> None:
    """List which key of the source stands under which name at the target now."""
    output.show_items(mg.attach(run).key_map(), form)
