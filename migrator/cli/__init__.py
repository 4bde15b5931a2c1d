"""The command: `migrator`."""

from .checking import key_map, report, verify
from .copying import copy, restore, retry
from .main import main
from .queues import queue, worker
from .steering import limit, pause, run_now, unpause
from .upkeep import leases, state

for command in (
    copy,
    retry,
    restore,
    verify,
    report,
    key_map,
    pause,
    unpause,
    limit,
    run_now,
    queue,
    worker,
    leases,
    state,
):
    main.add_command(command)

__all__ = ["main"]
