"""One message for each end of a run, by Apprise: to Slack, mail, a webhook, whatever its URLs name.

Whoever writes an end down sends it: the state DB lets one succeed, so there is one message. At most one: who dies
between the two sends none.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import Any

from ..config import config_path, read_config
from ..errors import ConfigError, StateError
from ..model import TERMINAL
from ..moving import moved
from ..state import StateDB, runs
from ..words import MOVED, OUTCOMES, counted, outcome, sized

log = logging.getLogger("migrator")
KINDS = {"completed": "success", "partial": "warning", "interrupted": "warning", "failed": "failure"}


def tell(db: StateDB, run_id: str) -> None:
    """Send the message of a run that has just ended, where any is wanted. Never raises: the end stands without it."""
    try:
        urls, wanted = _settings()
        if not urls:
            return
        with db.read() as connection:
            row = runs.get(connection, run_id)
    except (ConfigError, StateError) as error:
        log.warning("no notice of the end of %s was sent: %s", run_id, error)
        return
    if row["status"] in wanted:
        try:
            _send(urls, row)
        except Exception as error:  # noqa: BLE001 - a hundred services' own code, whose words may hold the URL
            log.warning("no notice of the end of %s was sent: apprise failed with %s", run_id, type(error).__name__)


def tell_aside(db: StateDB, run_id: str) -> None:
    """The same, while the caller goes on."""
    threading.Thread(target=tell, args=(db, run_id), name="notice").start()


def message_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Title and body: what ended how, with its counts and what it moved, and the command that shows it."""
    lines = [row["title"], _sum(row), row["error"], f"migrator show {row['id']}"]
    what = f"{row['name']}: {row['status']}" + (" (dry run)" if row["dry_run"] else "")
    return what, "\n".join(filter(None, lines))


def _sum(row: Mapping[str, Any]) -> str:
    if row["dry_run"] and row["status"] == "completed":
        return f"{counted(row['total'], 'object')} planned; {sized(row['bytes_total'])}"
    _, size = moved(row, sum(row[name] for name in OUTCOMES))
    return f"{outcome(row, row['migration']) or 'nothing done'}; {sized(size)} {MOVED.get(row['migration'], 'moved')}"


def _settings() -> tuple[list[str], frozenset[str]]:
    """The URLs, and the ends that are worth a message.

    Raises
    ------
    ConfigError
        If the section is not as it should be, or names a variable that is not set.
    """
    section = read_config().get("notices") or {}
    where = f"[notices] of {config_path()}"
    if not isinstance(section, dict) or set(section) - {"urls_env", "on"}:
        raise ConfigError(f"{where} knows urls_env and on only; name variables there that hold the URLs.")
    names, wanted = section.get("urls_env", []), section.get("on", sorted(TERMINAL))
    if not _are_texts(names) or not _are_texts(wanted) or set(wanted) - TERMINAL:
        raise ConfigError(f"{where}: urls_env is a list of names of variables, on a list of {sorted(TERMINAL)}.")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise ConfigError(f"{where} names the variable {missing[0]}, and it is not set here.")
    return [os.environ[name] for name in names], frozenset(wanted)


def _are_texts(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(each, str) for each in given)


def _send(urls: list[str], row: Mapping[str, Any]) -> None:
    try:
        import apprise
    except ImportError:
        log.warning("notices are configured and apprise is not installed: pip install 'jupyter-migrator[notices]'")
        return
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs URLs, which hold secrets
    title, body = message_of(row)
    for number, url in enumerate(urls, 1):
        one = apprise.Apprise()
        if not one.add(url):
            log.warning("notice %d of %d: what its variable holds is no Apprise URL", number, len(urls))
        elif not one.notify(title=title, body=body, notify_type=KINDS.get(row["status"], "info")):
            log.warning("notice %d of %d of the end of %s was not taken", number, len(urls), row["id"])
