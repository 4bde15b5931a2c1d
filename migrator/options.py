"""What people give by name, in a message: written as data, and said by each face in its own words.

It stands in the text as Python's argument between backquotes, so a notebook can show it as it is, and it comes through
plans, the state DB and JSON unharmed. A terminal and a page read it back and say ``--max-age 7d`` and “Max age: 7d”.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

# Up to the backquote that is in no quotes: a value may hold one.
_OPTION = re.compile(r"""`([a-z][a-z_]*)=((?:[^`'"\n]|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")*)`""")


def option(name: str, value: Any = None) -> str:
    """An option for a message; without a value where any will do.

    Examples
    --------
    >>> option("overwrite", "if-different"), option("max_age")
    ("`overwrite='if-different'`", '`max_age=`')
    """
    return f"`{name}={'' if value is None else repr(value)}`"


def said(text: str, say: Callable[[str, Any], str]) -> str:
    """A message with each option as ``say`` says its name and value; None for a value that is not given."""
    return _OPTION.sub(lambda found: say(found[1], _read(found[2])), text)


def _read(value: str) -> Any:
    import ast  # a hand, which writes messages and reads none, starts sooner without

    try:
        return ast.literal_eval(value) if value else None
    except (ValueError, SyntaxError):
        return value
