"""A user's migration that holds the interpreter's lock: C code that does not let go of it."""

import ctypes

from migrator import Executor, Migration, Receipt, executes


class Gripping(Migration):
    hold_s: int

    def plan(self, ctx):
        yield [{"key": f"step-{number}", "bytes": 1} for number in range(3)]


@executes(Gripping)
class GrippingExecutor(Executor):
    def __init__(self, migration):
        self.migration = migration

    def execute(self, shard, rows, control):
        for row in rows:
            if row.item_no == 1:
                ctypes.PyDLL(None).sleep(self.migration.hold_s)  # PyDLL calls without letting go, unlike CDLL
            yield Receipt(row.item_no, "copied", evidence="re-read", bytes=row.bytes)
