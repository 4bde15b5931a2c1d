"""Copies beside rclone, s5cmd, cp and rsync, interleaved on one server.

    python tests/benchmarks/copy_speed.py --rows small-s3-s3 --scale 0.2 --write

Each contender does the whole job as a process of its own, A B C A B C …; every copy is counted afterwards, objects and
bytes. ``engine_s`` is ours from first byte to last receipt, verification and receipts in it, listing and start-up not;
a peer has no such figure, so it is held against the peer's whole wall time less what the peer takes for one object.
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import tables
from contenders import HERE, OURS, command, missing, our_figures, run
from places import Places, server
from rows import BY_NAME, ROWS, Row

FIGURES = ("wall", "cpu", "runner", "family", "engine", "course")


def main() -> None:
    arguments = parse_arguments()
    # As pip leaves what it installs; of a checkout that has none each of our six processes would compile all anew.
    compileall.compile_dir(HERE.parents[1] / "migrator", quiet=1)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    said = tables.about(arguments.server, arguments.reps)
    try:
        bench = Bench(folder, arguments)
        with bench:
            for name in arguments.rows:
                found = bench.measure(BY_NAME[name])
                lines = {name: tables.line(BY_NAME[name], arguments.scale, found, arguments.server)}
                report(name, found)
                print(lines[name], flush=True)
                print(course := tables.course(name, arguments.scale, found[OURS]["course"]), flush=True)
                if arguments.write:  # at once: a later row may be cut short
                    tables.write(lines, arguments.server, said)
                    if name == "million":
                        tables.write_course(course)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = [row.name for row in ROWS if row.peers]
    parser.add_argument(
        "--rows", nargs="*", default=usual, choices=list(BY_NAME), metavar="ROW", help=", ".join(BY_NAME)
    )
    parser.add_argument("--scale", type=float, default=1.0, help="of the counts of many objects")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--only", nargs="*", metavar="PEER", help="these peers and no others")
    parser.add_argument("--server", choices=["stub", "plain", "weed"], default="stub")
    parser.add_argument("--write", action="store_true", help="put the rows into the README beside this file")
    return parser.parse_args()


class Bench:
    """The contenders in turn, with a server for each distance."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self._folder, self._arguments = folder, arguments
        self._servers = ExitStack()
        self._places: dict[int, Places] = {}
        self._starts: dict[str, float] = {}

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.close()

    def measure(self, row: Row) -> dict[str, Any]:
        """The medians of each contender, by its name; or why it was not there."""
        peers = [peer for peer in row.peers if self._arguments.only is None or peer in self._arguments.only]
        found: dict[str, Any] = {peer: missing(peer) or "not run" for peer in row.peers}
        here = [peer for peer in peers if missing(peer) is None]
        number = row.scaled(self._arguments.scale)
        places = self._at(row.latency_ms)
        standing = self._standing(row, places, number) if row.again else None
        tries: dict[str, list] = {name: [] for name in (*here, OURS)}
        for _ in range(self._arguments.reps):
            for name, each in tries.items():
                each.append(self._once(name, row, places, number, standing))
        found |= {name: _middle(each) for name, each in tries.items()}
        for name, each in found.items():
            if isinstance(each, dict):
                each["cpu"] *= 1e6 / number
                each["start"] = 0.0 if name == OURS else self._start(name, row)
        return found

    def _at(self, latency_ms: int) -> Places:
        if latency_ms not in self._places:
            env = self._servers.enter_context(server(self._arguments.server, latency_ms))
            self._folder.joinpath(str(latency_ms)).mkdir()
            self._places[latency_ms] = Places(self._folder / str(latency_ms), env, self._arguments.server)
        return self._places[latency_ms]

    def _once(self, name: str, row: Row, places: Places, number: int, standing: str | None = None) -> dict[str, Any]:
        target = standing or places.target(row)
        took = run(command(name, row, places.source(row, number), target), places.env)
        figures = our_figures(took, row, number) if name == OURS else took
        places.check(target, number, row.size)
        if not standing:
            places.clear(target)
        return {figure: value for figure, value in figures.items() if figure in FIGURES}

    def _standing(self, row: Row, places: Places, number: int) -> str:
        """A copy that is there already."""
        target = places.target(row)
        run(command("rclone tuned", replace(row, again=False), places.source(row, number), target), places.env)
        return target

    def _start(self, name: str, row: Row) -> float:
        """Wall seconds of a peer for one object."""
        if name not in self._starts:
            one = replace(row, count=1, size=4096, again=False, latency_ms=0)
            tries = [self._once(name, one, self._at(0), 1)["wall"] for _ in range(3)]
            self._starts[name] = statistics.median(tries)
        return self._starts[name]


def report(name: str, found: dict[str, Any]) -> None:
    """What each contender took, to look at."""
    for who, each in found.items():
        if isinstance(each, dict):
            more = f", engine {each['engine']:.2f} s, runner {each['runner'] / 1e6:.0f} MB" if who == OURS else ""
            print(f"{name}  {who}: wall {each['wall']:.2f} s, {each['cpu']:.0f} us CPU an object{more}")


def _middle(tries: list[dict[str, Any]]) -> dict[str, Any]:
    last = tries[-1]
    numbers = [figure for figure in last if figure != "course"]
    return {figure: statistics.median(one[figure] for one in tries) for figure in numbers} | {"course": last["course"]}


if __name__ == "__main__":
    main()
