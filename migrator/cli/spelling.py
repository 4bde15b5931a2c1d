"""The options that a message names, as they are written on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import click

from ..options import option, said

PAIR = "NAME=VALUE"  # what an option is called that takes those of a store
CALLED = {"max_share": "--max-delete-share"}  # where what a copy begins has another word for it


def in_options(message: str, command: click.Command | None = None) -> str:
    """A message with the options that it names as this command writes them, else as whichever one has them."""
    ctx = click.get_current_context(silent=True)
    if ctx is None or "`" not in message:
        return message
    commands = (ctx.find_root().command, command or ctx.command)
    known = {name: spelled for each in commands for name, spelled in _options(each)}
    of_stores = list(filter(None, map(_of_stores, commands)))[-1]
    its_own = [each for each in of_stores if message.startswith(f"The {each[2:].partition('-')[0]}")]  # --source-option
    return said(message, lambda name, value: _spelled(name, value, known | CALLED, " or ".join(its_own or of_stores)))


def _spelled(name: str, value: Any, known: Mapping[str, str], of_stores: str) -> str:
    from ..stores.addresses import OPTIONS

    if name in known:
        return known[name] if value in (None, True) else f"{known[name]} {shlex.quote(str(value))}"
    if any(name in each for each in OPTIONS.values()):
        return f"{of_stores} {name}={'…' if value is None else str(value).lower()}"
    return option(name, value)


def _options(command: click.Command) -> Iterator[tuple[str, str]]:
    """What is given by name to a command, or to those of a group, and how it is written there."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _options(each)
    for param in command.params:
        if isinstance(param, click.Option) and param.name:
            yield param.name, max(param.opts, key=len)


def _of_stores(command: click.Command) -> list[str]:
    """The options by which a command, or the first of a group, takes those of a store."""
    if isinstance(command, click.Group):
        return next(filter(None, map(_of_stores, command.commands.values())), [])
    return [max(each.opts, key=len) for each in command.params if each.metavar == PAIR]
