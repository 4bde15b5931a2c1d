"""What a message says in Python's words, said in the command line's: ``include='x y'`` is ``--include 'x y'`` there."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping

import click

# A literal, or nothing, and then the end of a word: ``mode=3/x`` is a part of somebody's key.
_VALUE = r"""('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|-?\d+|True)?(?=[,;:)]|\.?(?:\s|$))"""


def as_options(message: str, command: click.Command) -> str:
    """A message with the arguments that are options of a command written as those."""
    options = dict(_options(command))
    if not options:
        return message
    return re.sub(rf"(?<![^\s(])({'|'.join(options)})={_VALUE}", lambda found: _option(found, options), message)


def _options(command: click.Command) -> Iterator[tuple[str, str]]:
    for param in command.params:
        if isinstance(param, click.Option) and param.name:
            yield param.name, max(param.opts, key=len)
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _options(each)


def _option(found: re.Match[str], options: Mapping[str, str]) -> str:
    value = ast.literal_eval(found[2]) if found[2] else True
    return options[found[1]] if value is True else f"{options[found[1]]} {shlex.quote(str(value))}"
