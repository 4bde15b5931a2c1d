"""``migrator copy``: the main job, with all that can be said of it."""

from __future__ import annotations

from typing import Any, get_args

import click

import migrator as mg

from ..migrations.choices import Before, Compare, Duplicates, OnLoss, Overwrite, SourceAfter
from ..model import Mode
from ..stores.digests import Strong
from .doors import run_argument, show_run
from .options import (
    GroupedCommand,
    choosing_options,
    grouped,
    json_option,
    mode_option,
    no_follow_option,
    place_options,
    read_options,
    renaming_options,
    run_options,
    take,
)  # fmt: skip

limiting_options = grouped(
    "What it may use and touch",
    ("--max-objects", {"type": int, "help": "More to be written, and nothing is written at all."}),
    ("--max-bytes", {"metavar": "SIZE", "help": "The same for their bytes."}),
    ("--max-overwrites", {"type": int, "help": "The same for objects that would be replaced."}),
    ("--in-flight", {"type": click.IntRange(1, 512), "help": "Objects at once. Default: what suits the stores."}),
    (
        "--processes",
        {
            "type": click.IntRange(0, 64),
            "help": "That copy. Default: several for many small objects; 0: all in the runner.",
        },
    ),
    ("--bytes-per-s", {"metavar": "SIZE", "help": "A limit such as 20MiB; `migrator limit` changes it while it runs."}),
)
checking_options = grouped(
    "How it is checked, beside the servers' own hashes",
    ("--reread", {"metavar": "SHARE", "help": "How many are read again where no hash compares: 1 (all), 5%, 0."}),
    ("--record", {"type": click.Choice(get_args(Strong)), "help": "A strong hash of the bytes in each receipt."}),
    ("--compare-metadata", {"is_flag": True, "help": "Look at what the target kept of it: a request an object."}),
)
deleting_options = grouped(
    "What is deleted when all is copied, and only if it is asked for",
    ("--source-after", {"type": click.Choice(get_args(SourceAfter)), "default": "keep", "show_default": True,
                        "help": "A move: of the source what is proved to be at the target and has not changed since."}),
    ("--delete-extra", {"is_flag": True, "help": "Of the target what the source does not have."}),
    ("--max-deletes", {"type": int, "help": "More than that to be deleted, and nothing is."}),
    ("--max-delete-share", {"type": float, "help": "The same as a share. Default for --delete-extra: 0.1."}),
)  # fmt: skip
HOW = (
    "overwrite", "before", "compare", "duplicates", "preview_loss", "on_loss", "source_after", "delete_extra",
    "max_deletes", "max_delete_share", "reread", "record", "compare_metadata", "processes",
)  # fmt: skip
queue_options = grouped(
    "In the queue, with --mode queue",
    ("--queue", {"default": "default", "show_default": True, "help": "Which one."}),
    ("--priority", {"default": 0, "show_default": True, "help": "Higher goes first, then age."}),
    (
        "--not-before",
        {"type": click.DateTime(), "metavar": "TIME", "help": "Not to start earlier, such as 2026-03-11T22:00:00."},
    ),
    ("--max-attempts", {"default": 3, "show_default": True, "help": "After so many crashes it is given up."}),
)


@click.command(cls=GroupedCommand)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("target")
@click.option("--dry-run", is_flag=True, help="Stop after the plan; `migrator apply RUN` executes it.")
@click.option(
    "--overwrite", type=click.Choice(get_args(Overwrite)), default="never", show_default=True,
    help="What to do where a different object stands at the target.",
)  # fmt: skip
@click.option(
    "--before", type=click.Choice(get_args(Before)), default="keep", show_default=True,
    help="What is replaced: keep it below the target, where `migrator restore` finds it; none: it can't be undone.",
)  # fmt: skip
@click.option(
    "--compare", type=click.Choice(get_args(Compare)), default="listed", show_default=True,
    help="By what two objects are the same: size and ETag or time; hashes alone; reading both where none compare.",
)  # fmt: skip
@click.option(
    "--duplicates", type=click.Choice(get_args(Duplicates)), default="copy", show_default=True,
    help="Objects of the same bytes: copy each; find them (`migrator duplicates RUN`); copy one, and map all to it.",
)  # fmt: skip
@click.option("--preview-loss", is_flag=True, help="Find out what a folder would not keep: a request an object.")
@click.option(
    "--on-loss", type=click.Choice(get_args(OnLoss)), default="report", show_default=True,
    help="Objects with headers, metadata or tags that the target can't hold.",
)  # fmt: skip
@mode_option
@click.option("--name", help="A name for people.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@click.option("--key", help="Makes the start idempotent: the same key again attaches, returns or resumes.")
@no_follow_option
@json_option
@choosing_options
@renaming_options
@checking_options
@limiting_options
@deleting_options
@queue_options
@place_options
def copy(
    sources: tuple[str, ...], target: str, dry_run: bool, no_follow: bool, as_json: bool, name: str | None,
    tags: tuple[str, ...], key: str | None, source_options: tuple[str, ...], target_options: tuple[str, ...],
    mode: Mode | None, **terms: Any,
) -> None:  # fmt: skip
    """Copy every object of SOURCE to TARGET, each checked. Several sources are consolidated into the one target.

    SOURCE and TARGET are folders, s3://, gs:// or az://bucket/prefix, or name://bucket/prefix with a named connection
    of the configuration file. The copy runs in a process of its own: Ctrl-C only stops watching it.
    """
    from ..migrations import CopyObjects
    from ..stores import Location

    migration = CopyObjects(
        [Location.parse(source, **read_options(source_options)) for source in sources],
        Location.parse(target, **read_options(target_options)),
        **take(terms, *HOW),
    )
    show_run(mg.start(migration, mode, dry_run, key, name, tags, **terms), no_follow, as_json)


@click.command()
@run_argument
@click.option("--overwrite", type=click.Choice(get_args(Overwrite)), help="Now, where it was something else then.")
@click.option("--dry-run", is_flag=True, help="Stop after the plan.")
@run_options
def retry(run: str, overwrite: str | None, dry_run: bool, mode: Mode | None, no_follow: bool, as_json: bool) -> None:
    """Copy again, as a new run, the objects that failed or were refused in RUN.

    `migrator resume` carries RUN itself on, by its plan; this looks at source and target anew.
    """
    from ..migrations import CopyObjects

    changes = {} if overwrite is None else {"overwrite": overwrite}
    again = CopyObjects.retry(mg.attach(run), **changes)
    show_run(mg.start(again, mode, dry_run), no_follow, as_json)


@click.command()
@run_argument
@click.option("--dry-run", is_flag=True, help="Stop after the plan.")
@run_options
def restore(run: str, dry_run: bool, mode: Mode | None, no_follow: bool, as_json: bool) -> None:
    """Bring back what RUN replaced, as a new run. What stands there now is kept in turn."""
    show_run(mg.restore(run, mode=mode, dry_run=dry_run), no_follow, as_json)


@click.command("delete-source")
@run_argument
@click.option("--yes", is_flag=True, help="Do it; without, only what would be deleted is shown.")
@click.option(
    "--before", type=click.Choice(get_args(Before)), default="none", show_default=True,
    help="keep: copy each below the source first, to .migrator-quarantine/.",
)  # fmt: skip
@click.option("--max-objects", type=int, help="More than that, and nothing is deleted.")
@click.option("--source", help="Of which source, where RUN copied several.")
@run_options
def delete_source(
    run: str, yes: bool, before: str, max_objects: int | None, source: str | None, mode: Mode | None, no_follow: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Finish a move: delete the source objects whose copies RUN has proved, and nothing else.

    One that changed since, or whose copy is no longer there as it was written, stays.
    """
    from ..migrations import DeleteSource

    migration = DeleteSource.of(mg.attach(run), source=source, before=before, max_objects=max_objects)
    show_run(mg.start(migration, mode, dry_run=not yes), no_follow, as_json)
