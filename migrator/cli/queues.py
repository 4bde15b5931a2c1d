"""Commands for the queue and its workers."""

from __future__ import annotations

import logging
import sys

import click

import migrator as mg

from ..words import counted
from . import lists
from .doors import Listing, open_state
from .options import json_option

name_argument = click.argument("name", default="default")


@click.command()
@click.option("--queue", "name", default="default", show_default=True, help="The queue to serve.")
@click.option(
    "--concurrency", type=click.IntRange(1), default=1, show_default=True, help="Runs at once, of this worker."
)
@click.option("--once", is_flag=True, help="End when nothing is left to take and what was taken has ended.")
@click.option("--idle-s", type=float, metavar="SECONDS", help="End after so long with nothing to do. Default: never.")
def worker(name: str, concurrency: int, once: bool, idle_s: float | None) -> None:
    """Take runs from a queue in turn, and start a process for each.

    It can be stopped at any time, with Ctrl-C or SIGTERM: it takes nothing new and ends at once, and the runs it
    started go on by themselves. How many run at once over all workers is the queue's limit: `migrator queue limit`.
    """
    from ..lifecycle.worker import Worker

    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    with Worker(open_state(), name, concurrency) as working:
        click.echo(f"Serving the queue {name!r}, {concurrency} at a time. Ctrl-C stops this; runs go on.")
        working.work(0 if once else idle_s)


@click.group(cls=Listing, invoke_without_command=True)
@click.pass_context
def queue(ctx: click.Context) -> None:
    """Look at a queue, and steer it. Alone it shows the queue `default`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show)


@queue.command()
@name_argument
@json_option
def show(name: str = "default", as_json: bool = False) -> None:
    """Who runs, who waits and for what, and who works."""
    lists.show_queue(mg.queue(name), as_json)


@queue.command()
@click.argument("most", metavar="N|none")
@name_argument
def limit(most: str, name: str) -> None:
    """Let N runs of the queue run at once, over all workers; `none` for no limit."""
    if most != "none" and not most.isdigit():
        raise click.UsageError(f"A limit is a number or none, not {most!r}.")
    mg.queue(name).limit(None if most == "none" else int(most))
    click.echo(repr(mg.queue(name)))


@queue.command()
@name_argument
def pause(name: str) -> None:
    """Let nothing new start. What runs goes on."""
    mg.queue(name).pause()
    click.echo(repr(mg.queue(name)))


@queue.command()
@name_argument
def unpause(name: str) -> None:
    """Let the queue go on."""
    mg.queue(name).unpause()
    click.echo(repr(mg.queue(name)))


@queue.command()
@name_argument
def stop(name: str) -> None:
    """Ask the queue's workers on this host to end. The runs they started go on."""
    stopped = mg.queue(name).stop_workers()
    click.echo(f"Asked {counted(stopped, 'worker')} to end.")
