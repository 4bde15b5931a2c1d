"""Where things are kept and how long things take: the only reader of our environment variables.

=========================  =======================================================  =============
variable                   meaning                                                  default
=========================  =======================================================  =============
``MIGRATOR_STATE``         SQLAlchemy URL (or path) of the state DB                 ``migrator/state.db`` in
                                                                                    Jupyter's data directory
``MIGRATOR_WORKSPACE``     folder for plans, receipts and logs, one folder a run    ``runs`` beside the state DB
``MIGRATOR_CONFIG``        the configuration file (TOML) with named connections     ``migrator.toml`` in
                                                                                    Jupyter's config directory
``MIGRATOR_MODE``          ``streaming`` or ``queue``, where a start does not say   ``mode`` in the configuration
                                                                                    file, else ``streaming``
``MIGRATOR_LIST_AT_ONCE``  pages of a bucket's listing that are asked for at once
                           1: each after the other
=========================  =======================================================  =============
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

from .errors import ConfigError
from .words import Mode

# Seconds. A lease is renewed every quarter of its length; the rest is margin for a slow disk or network.
LEASE_LOCAL_S = 20.0
LEASE_SERVER_S = 60.0
HELD_AT = 0.8  # of a lease that was not renewed: from here nothing is written until it is
PULSE_S = 0.5  # how often a runner writes its progress and looks for requests
POLL_S = 1.0  # how often a view reads
CANCEL_GRACE_S = 4.0  # from the request until SIGTERM may be sent; SIGKILL after as long again

SHARD_ITEMS = 2_500
SHARD_BYTES = 4 << 30
LARGE_BYTES = 8 << 20  # an object above this is streamed in parts, never held whole
# Below a target: what runs replaced there, by run and full key. It is in no listing that a plan is made of.
QUARANTINE = ".migrator-quarantine/"
# Beside a run's folder there: what stood where, by files `<moment>-….jsonl`.
MANIFESTS = ".manifest/"
# Below a folder: what its files could not keep, `<name>.json` each.
SIDECAR = ".migrator-attributes/"
EXCEPTION_ROWS = 10_000  # rows kept in the state DB a run; receipts keep every one


def state_url(explicit: str | None = None) -> str:
    """The SQLAlchemy URL of the state DB.

    Parameters
    ----------
    explicit : str, optional
        A URL or a path; wins over ``MIGRATOR_STATE``.
    """
    given = explicit or os.environ.get("MIGRATOR_STATE")
    if not given:
        return f"sqlite:///{data_dir() / 'state.db'}"
    if "://" in given:
        return given
    return f"sqlite:///{Path(given).expanduser().absolute()}"


def workspace_root(state: str) -> Path:
    """The folder that holds one folder a run: ``MIGRATOR_WORKSPACE``, or beside the state DB."""
    given = os.environ.get("MIGRATOR_WORKSPACE")
    if given:
        return Path(given).expanduser().absolute()
    if state.startswith("sqlite:///"):
        return Path(state.removeprefix("sqlite:///").partition("?")[0]).absolute().parent / "runs"
    return data_dir() / "runs"


def data_dir() -> Path:
    """Our folder in Jupyter's data directory."""
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "migrator"


def config_path() -> Path:
    """The configuration file, whether or not it exists."""
    given = os.environ.get("MIGRATOR_CONFIG")
    if given:
        return Path(given).expanduser()
    from jupyter_core.paths import jupyter_config_dir

    return Path(jupyter_config_dir()) / "migrator.toml"


def read_config() -> dict[str, Any]:
    """The configuration file as data; empty where there is none.

    Raises
    ------
    ConfigError
        If it cannot be read or is not TOML.
    """
    import tomllib  # of the processes of a run only the command reads it

    path = config_path()
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The configuration file {path} can't be read: {error}. Mend or move it.") from None


def list_at_once() -> int | None:
    """How many pages of one bucket's listing may be asked for at once; None where nobody has said.

    Raises
    ------
    ConfigError
        If ``MIGRATOR_LIST_AT_ONCE`` is no such number.
    """
    given = os.environ.get("MIGRATOR_LIST_AT_ONCE")
    if not given:
        return None
    if not given.isdecimal() or not 1 <= int(given) <= 64:
        raise ConfigError(f"MIGRATOR_LIST_AT_ONCE is {given!r}; it is a whole number from 1 to 64.")
    return int(given)


def default_mode() -> Mode:
    """How a run is started where its start does not say: ``MIGRATOR_MODE``, or ``mode`` in the configuration file.

    Raises
    ------
    ConfigError
        If that is no mode.
    """
    given = os.environ.get("MIGRATOR_MODE") or read_config().get("mode", "streaming")
    for mode in get_args(Mode):
        if given == mode:
            return mode
    raise ConfigError(f"MIGRATOR_MODE (or mode in {config_path()}) is {given!r}; it can be 'streaming' or 'queue'.")


def keep_for() -> str:
    """How long what runs replaced is kept: ``keep_for`` of ``[quarantine]`` in the configuration file, else 90 days.

    Nothing goes by itself: it is what a purge takes where it is told no other age.

    Raises
    ------
    ConfigError
        If that is no text.
    """
    given = read_config().get("quarantine", {}).get("keep_for", "90d")
    if not isinstance(given, str):
        raise ConfigError(f"[quarantine] in {config_path()}: keep_for = {given!r} is no age; write one such as 90d.")
    return given
