"""A user's own migration, as short as one can be."""

import os
import time
from pathlib import Path

from migrator import Executor, Migration, Receipt, executes


class Backfill(Migration):
    folder: str
    days: int
    pause_s: float = 0.0

    def plan(self, ctx):
        yield [{"key": f"day-{day:04d}", "bytes": 10} for day in range(self.days)]


@executes(Backfill)
class BackfillExecutor(Executor):
    def __init__(self, migration):
        self.migration = migration

    def execute(self, shard, rows, control):
        for row in rows:
            if control.cancelled():
                return
            time.sleep(self.migration.pause_s)
            with Path(self.migration.folder, row.key).open("a") as file:
                file.write(f"{os.getpid()}\n")
            yield Receipt(row.item_no, "copied", evidence="re-read", bytes=row.bytes)
