"""The command: `migrator`."""

from .main import main
from .queues import queue, worker
from .steering import limit, pause, run_now, unpause
from .upkeep import leases, state

for command in (pause, unpause, limit, run_now, queue, worker, leases, state):
    main.add_command(command)

__all__ = ["main"]
