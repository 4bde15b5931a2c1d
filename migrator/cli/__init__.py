"""The command: `migrator`. What a command does is loaded when it is called: help and the tab key wait for none."""

import atexit
import gc

from .checking import duplicates, key_map, preflight, report, verify
from .copying import copy, delete_source, restore, retry
from .main import main
from .quarantine import quarantine
from .queues import queue, worker
from .steering import limit, pause, run_now, unpause
from .upkeep import leases, state

for command in (
    copy, retry, restore, delete_source, preflight, verify, report, duplicates, key_map, pause, unpause, limit, run_now,
    queue, worker, leases, state, quarantine,
):  # fmt: skip
    main.add_command(command)

# At its end the interpreter would look through all that was ever made, for a tenth of a second.
atexit.register(gc.freeze)

__all__ = ["main"]
