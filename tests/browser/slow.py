"""A migration that does nothing, slowly: long enough to be looked at, refreshed, restarted and cancelled."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import migrator as mg


class Slow(mg.Migration):
    """`items` units of work, each of which takes `pause` seconds; every `failing`-th fails."""

    items: int = 3000
    pause: float = 0.05
    failing: int = 0

    @property
    def title(self) -> str:
        return f"nothing → nowhere, {self.items:,} times"

    def plan(self, ctx: Any) -> Iterator[list[dict[str, Any]]]:
        yield [{"key": f"unit-{number:05}", "bytes": 1000} for number in range(self.items)]


@mg.executes(Slow)
class SlowExecutor(mg.Executor):
    """Says a line for every tenth."""

    def __init__(self, migration: Slow) -> None:
        self.migration = migration

    def execute(self, shard: Any, rows: Sequence[mg.Item], control: Any) -> Iterator[mg.Receipt]:
        for row in rows:
            if control.cancelled():
                return
            time.sleep(self.migration.pause)
            if row.item_no % 10 == 0:
                sys.stdout.write(f"unit {row.item_no}\n")
            if self.migration.failing and row.item_no % self.migration.failing == 0:
                yield mg.Receipt(row.item_no, "failed", error="made to fail, for the test")
                continue
            yield mg.Receipt(row.item_no, "copied", evidence="re-read", bytes=row.bytes)

    def close(self) -> None: ...
