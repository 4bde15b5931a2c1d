"""Commands for a run that lives: pause, limit, start it out of its turn."""

from __future__ import annotations

import click

import migrator as mg

from .doors import run_argument


@click.command()
@run_argument
def pause(run: str) -> None:
    """Stop RUN's writing until `unpause`. It keeps its process, and what it may write."""
    mg.attach(run).pause()
    click.echo(f"Asked {run} to pause; `migrator unpause {run}` goes on.")


@click.command()
@run_argument
def unpause(run: str) -> None:
    """Let RUN go on after `pause`."""
    mg.attach(run).unpause()
    click.echo(f"{run} goes on.")


@click.command()
@run_argument
@click.option("--bytes-per-s", metavar="SIZE", help="Such as 20MiB.")
@click.option("--in-flight", type=click.IntRange(1, 512), help="Objects at once.")
def limit(run: str, bytes_per_s: str | None, in_flight: int | None) -> None:
    """Set what RUN may use, at once and while it runs. What is not given has no limit of its own."""
    mg.attach(run).limit(bytes_per_s, in_flight)
    limits = mg.attach(run).snapshot().limits
    click.echo(f"{run}: " + (", ".join(f"{name} {value:,}" for name, value in limits.items()) or "no limits") + ".")


@click.command("run-now")
@run_argument
def run_now(run: str) -> None:
    """Take RUN out of its queue and start it at once, in a process of its own."""
    mg.attach(run).run_now()
    click.echo(f"{run} starts. `migrator follow {run}` watches it.")
