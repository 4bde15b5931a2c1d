"""How large a plan may be: time and peak memory for millions of synthetic objects, each count in a process of its own.

    python tests/benchmarks/plan_size.py 1 3 10      # millions

Half of the objects stand at the target already, one in a thousand differs. The listings cost nothing here: what is
measured is what we do with them.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = 1000


class Synthetic:
    """A bucket that lists objects which nobody made."""

    def __init__(self, real: Any, number: int, *, target: bool) -> None:
        self._real, self._number, self._target = real, number, target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def list(self) -> Iterator[list[Any]]:
        from migrator.stores import ObjectInfo

        for first in range(0, self._number, PAGE):
            numbers = range(first, min(first + PAGE, self._number))
            yield [
                ObjectInfo(f"year={n % 12:02d}/part-{n // 1000:06d}/{n:09d}.parquet", 4096, 1_700_000_000_000 + n,
                           f"{n:032x}" if not self._target or n % 1000 else f"{n + 1:032x}")
                for n in numbers
                if not self._target or n % 2 == 0
            ]  # fmt: skip


def measure(number: int, renaming: dict[str, Any]) -> dict[str, Any]:
    """Plan so many objects here."""
    from migrator import CopyObjects
    from migrator.engine.control import Control
    from migrator.engine.planning import Planning, make_plan
    from migrator.stores import Location, open_store

    class Context(Planning):
        def open(self, location: Location) -> Any:
            return Synthetic(open_store(location), number, target="target" in str(location))

    how = {"region": "us-east-1", "endpoint": "http://127.0.0.1:1", "anonymous": True}
    places = [Location.parse(f"s3://{name}/x", **how) for name in ("source", "target")]
    with tempfile.TemporaryDirectory() as folder:
        control = Control("bench")
        begun = time.monotonic()
        migration = CopyObjects(*places, **renaming)
        _, actions, _ = make_plan(migration, Context(Path(folder), control), Path(folder), "1-x", control)
        taken = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"millions": number / 1e6, "s": round(taken, 1), "s_per_million": round(taken / number * 1e6, 1),
            "peak_MiB": round(peak), "actions": {name: tally["items"] for name, tally in actions.items()}}  # fmt: skip


def main() -> None:
    if sys.argv[1] == "--one":
        print(json.dumps(measure(int(sys.argv[2]), json.loads(sys.argv[3]))))
        return
    print("| objects | renamed | s | s a million | peak memory |\n|---:|---|---:|---:|---:|")
    for millions in sys.argv[1:]:
        for renaming in ({}, {"strip_prefix": "year=", "collisions": "rename"}):
            words = [sys.executable, __file__, "--one", str(int(float(millions) * 1e6)), json.dumps(renaming)]
            done = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
            named = "yes" if renaming else "no"
            print(f"| {done['millions']:g} million | {named} | {done['s']} | {done['s_per_million']} "
                  f"| {done['peak_MiB']} MiB |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
