"""The view as anywidget takes it: one module and one style sheet, joined from parts that each mean one thing.

The parts are plain ES modules and import each other, so a browser can load them as they are. Joined,
they share one scope: the imports go, and no two parts may use the same name at their top.
"""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
# A part comes after those that it uses while it is loaded; the door comes last.
MODULES = (
    "figures", "nodes", "state", "items", "fold", "checks", "confirm", "mode", "limits", "queue", "sentences", "head",
    "progress", "find", "plan", "details", "build", "paint", "lines", "log", "teach", "history", "past", "mount",
    "python", "fields", "form", "dashboard", "visit", "keep", "comm",
)  # fmt: skip
SERVED = (
    "socket",
    "notices",
    "mime",
    "page",
)  # the way to the server, which a page under our server extension loads as they are
SHEETS = ("base", "terms", "progress", "details", "history", "form", "media")
PAGE = ("page",)  # the colours of the page of its own

# By plain names and in one line: joined, another name would mean nothing.
_IMPORT = re.compile(r'^import \{ \w+(?:, \w+)* \} from "\./\w+\.js";\n', re.MULTILINE)


def module() -> str:
    """All parts of the script as one ES module."""
    return "\n".join(_IMPORT.sub("", _read(f"{name}.js")) for name in MODULES)


def sheet() -> str:
    """All parts of the style as one sheet."""
    return "\n".join(_read(f"{name}.css") for name in SHEETS)


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
