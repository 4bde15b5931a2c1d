"""Options that several commands share, and a help that shows them in groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from ..migrations.choices import Collisions
from ..model import Mode
from .spelling import PAIR

F = TypeVar("F", bound=Callable[..., Any])
MAIN = "Options"

mode_option = click.option(
    "--mode", type=click.Choice(get_args(Mode)),
    help="streaming: now. queue: at its turn, by a worker. Default: $MIGRATOR_MODE, else streaming.",
)  # fmt: skip

no_follow_option = click.option("--no-follow", is_flag=True, help="Print the new run's id and return.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


def run_options(command: F) -> F:
    """What all commands take that start a run: how, whether it is watched, and for whom."""
    return mode_option(no_follow_option(json_option(command)))


def table_option(name: str) -> Callable[[F], F]:
    """In what form a table is printed; ``name`` is what a file of it may be called."""
    return click.option(
        "--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), default="table", show_default=True,
        help=f"parquet goes to a pipe or a file: > {name}.parquet",
    )  # fmt: skip


class GroupedOption(click.Option):
    """An option that stands under a heading of its own in the help."""

    def __init__(self, *words: Any, heading: str = MAIN, **how: Any) -> None:
        super().__init__(*words, **how)
        self.heading = heading


class GroupedCommand(click.Command):
    """A command whose help shows its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {MAIN: []}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
                groups.setdefault(getattr(param, "heading", MAIN), []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def grouped(heading: str, *options: tuple[Any, dict[str, Any]]) -> Callable[[F], F]:
    """A decorator that adds options under a heading: each is its names and click's arguments."""

    def decorate(command: F) -> F:
        for names, how in reversed(options):
            words = (names,) if isinstance(names, str) else names
            command = click.option(*words, cls=GroupedOption, heading=heading, **how)(command)
        return command

    return decorate


choosing_options = grouped(
    "Which objects",
    ("--include", {"multiple": True, "metavar": "GLOB", "help": "Only keys like this: '*.csv' anywhere, '2026/**'."}),
    ("--exclude", {"multiple": True, "metavar": "GLOB", "help": "No keys like this; stronger than --include."}),
    ("--regex", {"help": "Only keys in which this regular expression (RE2) is found."}),
    ("--where", {"metavar": "SQL", "help": "Only objects for which this is true: of key, size, mtime (UTC), etag."}),
    ("--min-size", {"metavar": "SIZE", "help": "Only objects as large as this, such as 10MiB."}),
    ("--max-size", {"metavar": "SIZE", "help": "None larger."}),
    ("--newer-than", {"metavar": "WHEN", "help": "Only objects as new as a time (2026-03-01) or an age (12h, 30d)."}),
    ("--older-than", {"metavar": "WHEN", "help": "Only objects older than that."}),
    (
        "--manifest",
        {"metavar": "FILE", "help": "Only the keys of this CSV or Parquet file (column key), a path or s3://…"},
    ),
)

renaming_options = grouped(
    "What they are called at the target, in this order",
    ("--strip-prefix", {"metavar": "TEXT", "help": "Taken from the beginning of the keys that have it."}),
    ("--rename", {"metavar": "REGEX",
                  "help": "A regular expression (RE2); its matches become what --rename-to says."}),
    ("--rename-to", {"metavar": "TEXT", "help": r"\1 is its first group. Default: nothing."}),
    ("--untangle", {"is_flag": True, "help": "Folders that lie in themselves become one: a/a/x is a/x."}),
    ("--flatten", {"is_flag": True, "help": "Only the last segment of a key."}),
    ("--template", {"metavar": "TEXT", "help": "The whole name: '{date:%Y/%m}/{stem}-{hash8}{ext}'; also key, folder, "
                                               "name, size, etag, type."}),
    ("--add-prefix", {"metavar": "TEXT", "help": "Put before every name."}),
    ("--collisions", {"type": click.Choice(get_args(Collisions)), "default": "refuse", "show_default": True,
                      "help": "Where several would get one name."}),
)  # fmt: skip

STORE_OPTIONS = (
    "endpoint, region, profile, account, credentials_file, addressing, allow_http, anonymous, storage_class, kms_key, "
    "requester_pays or billing_project"
)
place_options = grouped(
    "How to reach them",
    (("--source-option", "source_options"), {"multiple": True, "metavar": PAIR,
                                             "help": f"{STORE_OPTIONS}, for the source."}),
    (("--target-option", "target_options"), {"multiple": True, "metavar": PAIR,
                                             "help": "The same for the target."}),
)  # fmt: skip


def take(terms: dict[str, Any], *more: str) -> dict[str, Any]:
    """Take what was given of a choice, of names and of ``more`` out of a command's words."""
    from ..migrations.choosing import CHOICE
    from ..migrations.renaming import RENAMING

    found = {name: terms.pop(name) for name in (*CHOICE, *RENAMING, *more) if name in terms}
    left_out = (None, (), False)
    return {name: given for name, given in found.items() if not any(given is none for none in left_out)}


def read_options(pairs: tuple[str, ...]) -> dict[str, Any]:
    """``NAME=VALUE`` words as keywords.

    Raises
    ------
    click.UsageError
        If one has no ``=``.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise click.UsageError(f"An option of a store is NAME=VALUE, such as endpoint=http://…; not {pair!r}.")
        options[name] = {"true": True, "false": False}.get(value.lower(), value)
    return options
