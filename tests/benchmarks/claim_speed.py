"""How long a claim and a place take, with few and with many runs in the queue, on each database.

``python tests/benchmarks/claim_speed.py [--many 50000] [--write]``: prints a table, and puts it into README.md.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from databases import MariaDB, PostgreSQL  # noqa: E402

from migrator.lifecycle import queue  # noqa: E402
from migrator.state import StateDB, queues, runs, schema  # noqa: E402

FEW, CLAIMS = 100, 60
HEAD = """\
| | claim p95, 100 queued | claim p95, {many:,} | ratio | place of the last | `runs()` newest 50 |
|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=50_000)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    lines = [HEAD.format(many=asked.many)]
    for name, url in _databases():
        lines.append(_line(name, url, asked.many))
        print(lines[-1], flush=True)
    if asked.write:
        _write("\n".join(lines))


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/state.db"


def _databases() -> Iterator[tuple[str, str]]:
    with _sqlite() as url:
        yield "SQLite", url
    for server in (PostgreSQL, MariaDB):
        with server() as one:
            yield server.__name__, one.fresh()


def _line(name: str, url: str, many: int) -> str:
    db = StateDB(url)
    with db.write() as connection:
        queues.change(connection, "default", max_running=None)
    _fill(db, 0, FEW)
    few = _claim_p95(db)
    _fill(db, FEW, many)
    much = _claim_p95(db)
    place, newest = _p95(lambda: _place(db, many - 1), 20), _p95(lambda: _newest(db), 20)
    db.close()
    return f"| {name} | {few:.1f} ms | {much:.1f} ms | {much / few:.2f} | {place:.0f} ms | {newest:.0f} ms |"


def _fill(db: StateDB, begin: int, end: int) -> None:
    """Queued runs, among them some of another priority."""
    for first in range(begin, end, 1000):
        rows = [
            {"id": f"r{number}", "mode": "queue", "status": "queued", "place": number, "priority": number % 7 == 0,
             "created_at": number, "interpreter": sys.executable, "cwd": "/", "seq": 0}
            for number in range(first, min(first + 1000, end))
        ]  # fmt: skip
        with db.write() as connection:
            connection.execute(schema.runs.insert(), rows)


def _claim_p95(db: StateDB) -> float:
    def claim() -> None:
        row = queue.claim(db, "default")
        assert row
        taken.append(row["id"])

    taken: list[str] = []
    _settle(db)
    return _p95(claim, CLAIMS, between=lambda: _end(db, taken[-1]))


def _settle(db: StateDB) -> None:
    """What a server does by itself within a minute: it learns how long the table is."""
    if not db.sqlite:
        with db.write() as connection:
            connection.exec_driver_sql("analyze table runs" if "mariadb" in db.url else "analyze runs")


def _end(db: StateDB, run_id: str) -> None:
    db.transact(lambda connection: runs.end(connection, run_id, None, "completed"))


def _place(db: StateDB, number: int) -> None:
    with db.read() as connection:
        assert queues.position(connection, runs.get(connection, f"r{number}")) > 1


def _newest(db: StateDB) -> None:
    with db.read() as connection:
        assert len(runs.newest(connection, 50)) == 50


def _p95(work: Callable[[], None], times: int, between: Callable[[], None] = lambda: None) -> float:
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        spent.append((time.perf_counter() - begun) * 1000)
        between()
    return statistics.quantiles(spent, n=20)[-1]


def _write(table: str) -> None:
    path = HERE / "README.md"
    text = path.read_text(encoding="utf-8")
    marked = f"<!-- claims -->\n{table}\n<!-- /claims -->"
    path.write_text(re.sub(r"<!-- claims -->.*<!-- /claims -->", lambda _: marked, text, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
