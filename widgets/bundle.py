"""What a panel gives a notebook to show: the renderer's output under our server, a widget elsewhere.

The renderer is fed by the Jupyter server, so it is live with the kernel busy, restarted or gone. It
needs our extension there, on the state DB that this kernel uses.
"""

from __future__ import annotations

import os
from typing import Any, Literal, get_args

from migrator import __version__
from migrator.api import open_state
from migrator.errors import BadInput, MigratorError

Bundle = Literal["auto", "mime", "widget"]
TYPE = "application/vnd.migrator.run+json"


def known(wanted: str) -> Any:
    """The bundle itself, if there is such a one.

    Raises
    ------
    BadInput
        If there is not.
    """
    if wanted not in get_args(Bundle):
        raise BadInput(
            f"There is no bundle {wanted!r}; there are 'auto', 'mime' (by the server) and 'widget' (by the kernel)."
        )
    return wanted


def choose(wanted: Bundle) -> tuple[bool, str]:
    """Whether the server feeds the panel, and what is to be said where it could but for a mismatch."""
    if wanted != "auto":
        return wanted == "mime", ""
    version, _, state_id = os.environ.get("MIGRATOR_SERVER", "").partition(":")
    if not state_id:
        return False, ""
    if _series(version) != _series(__version__):
        older = "where Jupyter runs" if _series(version) < _series(__version__) else "in this kernel's environment"
        return False, (
            f"The Jupyter server has migrator {version} and this kernel {__version__}, so the panel is fed by the "
            f"kernel and stands still while that is busy. Upgrade jupyter-migrator {older}."
        )
    try:
        mine = open_state().state_id
    except MigratorError:
        return False, ""
    if mine != state_id:
        return False, (
            "The Jupyter server uses another state DB than this kernel, so the panel is fed by the kernel and stands "
            "still while that is busy. Set MIGRATOR_STATE to the same place for both."
        )
    return True, ""


def _series(version: str) -> tuple[int, ...]:
    """What two releases must have in common to work on one state DB: 0.9 is older than 0.10."""
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split(".")[:2])
