"""Copies beside rclone, interleaved on one server: ``python tests/benchmarks/copy_speed.py --write``.

Each contender does the whole job as a process of its own, A B A B …; every copy is counted afterwards. ``engine_s`` is
ours from first byte to last receipt, verification and receipts in it, listing and start-up not; rclone has no such
figure, so it is held against rclone's whole wall time less what ``rclone`` takes to copy one object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from servers import SeaweedFS, free_ports  # noqa: E402

BIN = Path(sys.executable).parent
SIZES = {"small": 4096, "large": 8 << 20}
DIRECTIONS = ("local→local", "local→S3", "S3→S3", "S3→local")


def main() -> None:
    arguments = parse_arguments()
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        with server(arguments.server, folder) as env:
            bench = Bench(folder, env, arguments)
            rows = [bench.measure(size, way) for size in arguments.sizes for way in DIRECTIONS]
            text = table(rows, bench.startup(), arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(text)
    if arguments.write:
        write(text, arguments.server)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=20_000, help="objects of 4 KiB")
    parser.add_argument("--large", type=int, default=64, help="objects of 8 MiB")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--server", choices=["stub", "weed"], default="stub")
    parser.add_argument("--write", action="store_true", help="put the table into the README beside this file")
    return parser.parse_args()


@contextmanager
def server(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server on loopback, and the variables that lead to it."""
    if kind == "weed":
        with SeaweedFS() as weed:
            for bucket in ("source", "target"):
                weed.make_bucket(bucket)
            yield weed.env()
        return
    [port] = free_ports(1)
    process = subprocess.Popen([sys.executable, str(HERE / "stub_s3.py"), str(port)])
    env = {
        "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    try:
        wait_for(port)
        for bucket in ("source", "target"):
            urllib.request.urlopen(urllib.request.Request(f"{env['AWS_ENDPOINT_URL']}/{bucket}", method="PUT")).close()
        yield env
    finally:
        process.terminate()
        process.wait()


class Bench:
    """The contenders, their data and their figures."""

    def __init__(self, folder: Path, env: dict[str, str], arguments: argparse.Namespace) -> None:
        self.folder, self.arguments = folder, arguments
        self.env = os.environ | env | rclone_env(env)
        self.env |= {"MIGRATOR_STATE": str(folder / "state" / "state.db"), "PYTHONPATH": str(HERE.parents[1])}
        self.count = 0

    def measure(self, size: str, way: str) -> dict:
        number = getattr(self.arguments, size)
        source = self.source(size, number, way.startswith("local"))
        ours, theirs = [], []
        for _ in range(self.arguments.reps):
            theirs.append(self.rclone(source, way, number))
            ours.append(self.migrator(source, way, number))
        row = {"work": f"{number:,} x {'4 KiB' if size == 'small' else '8 MiB'}", "way": way}
        middle = {name: statistics.median(one[name] for one in ours) for name in ours[0]}
        return row | middle | {"rclone": statistics.median(theirs)}

    def startup(self) -> tuple[float, float]:
        """Wall seconds of copying one small object: ours and rclone's."""
        source = self.source("small", 1, True)
        pairs = [
            (self.migrator(source, "local→local", 1)["wall"], self.rclone(source, "local→local", 1)) for _ in range(5)
        ]
        return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)

    def source(self, size: str, number: int, local: bool) -> str:
        """The data, made once: as a folder, and in the bucket when it is asked for there."""
        path = self.folder / f"{size}-{number}"
        if not path.exists():
            make_files(path, number, SIZES[size])
        if local:
            return str(path)
        where = f"source/{path.name}"
        if not (mark := path.with_suffix(".sent")).exists():
            run([BIN / "rclone", "copy", path, f"s:{where}", "--transfers", "16"], self.env)
            mark.touch()
        return f"s3://{where}"

    def rclone(self, source: str, way: str, number: int) -> float:
        target = self.target(way)
        begun = time.perf_counter()
        run([BIN / "rclone", "copy", as_rclone(source), as_rclone(target), "-q"], self.env)
        wall = time.perf_counter() - begun
        self.check_and_clear(target, number)
        return wall

    def migrator(self, source: str, way: str, number: int) -> dict:
        target = self.target(way)
        watch = MemoryWatch()
        begun = time.perf_counter()
        code = "from migrator.cli import main; main(prog_name='migrator')"
        out = run([sys.executable, "-c", code, "copy", source, target, "--json"], self.env, watch)
        wall = time.perf_counter() - begun
        seen = json.loads(out)
        assert seen["status"] == "completed", seen["error"]
        assert seen["copied"] == number, seen
        self.check_and_clear(target, number)
        return {"wall": wall, "engine": seen["engine_s"], "rss": watch.peak() / 1e6}

    def target(self, way: str) -> str:
        self.count += 1
        return f"s3://target/r{self.count}" if way.endswith("S3") else str(self.folder / f"r{self.count}")

    def check_and_clear(self, target: str, number: int) -> None:
        found = run([BIN / "rclone", "lsf", "-R", "--files-only", as_rclone(target)], self.env).count("\n")
        assert found == number, f"{target} holds {found} of {number}"
        run([BIN / "rclone", "purge", as_rclone(target)], self.env)


class MemoryWatch:
    """The largest resident size of the runner of the run that is live, with its keeper and its other processes."""

    def __init__(self) -> None:
        self._peak, self._over = 0, threading.Event()

    def follow(self, starter: int) -> None:
        threading.Thread(target=self._loop, args=(starter,), daemon=True).start()

    def _loop(self, starter: int) -> None:
        while not self._over.wait(0.2):  # a look costs milliseconds, which both contenders would miss
            try:
                family = psutil.Process(starter).children(recursive=True)
                self._peak = max(self._peak, sum(one.memory_info().rss for one in family))
            except psutil.Error:
                pass

    def peak(self) -> int:
        self._over.set()
        return self._peak


def run(argv: list, env: dict[str, str], watch: MemoryWatch | None = None) -> str:
    process = subprocess.Popen(
        [str(one) for one in argv], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if watch:
        watch.follow(process.pid)
    out, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{argv[:4]} ended with {process.returncode}: {errors[-500:]}")
    return out


def rclone_env(env: dict[str, str]) -> dict[str, str]:
    remote = {
        "TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": env["AWS_ENDPOINT_URL"], "REGION": env["AWS_REGION"],
        "ACCESS_KEY_ID": env["AWS_ACCESS_KEY_ID"], "SECRET_ACCESS_KEY": env["AWS_SECRET_ACCESS_KEY"],
        "FORCE_PATH_STYLE": "true", "NO_CHECK_BUCKET": "true",
    }  # fmt: skip
    return {f"RCLONE_CONFIG_S_{name}": value for name, value in remote.items()} | {"RCLONE_CONFIG": "/dev/null"}


def as_rclone(place: str) -> str:
    return place.replace("s3://", "s:")


def make_files(root: Path, number: int, size: int) -> None:
    block = os.urandom(size)
    for index in range(number):
        folder = root / f"d{index // 200:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"o{index:06d}.bin").write_bytes(index.to_bytes(8, "big") + block[8:])


def wait_for(port: int) -> None:
    import socket

    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def table(rows: list[dict], startup: tuple[float, float], arguments: argparse.Namespace) -> str:
    ours, theirs = startup
    lines = [
        f"Server: {arguments.server}; medians of {arguments.reps}; {os.cpu_count()} shared cores; data in memory.",
        "",
        "| work | direction | engine_s | wall s | rclone wall s | rclone ÷ engine_s | rclone ÷ wall | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [line(row, theirs) for row in rows]
    lines.append(f"| start-up: one object | local→local | | {ours:.2f} | {theirs:.2f} | | {theirs / ours:.2f} | |")
    return "\n".join(lines)


def line(row: dict, startup: float) -> str:
    ratios = max(row["rclone"] - startup, 0.01) / row["engine"], row["rclone"] / row["wall"]
    figures = (
        f"| {row['engine']:.2f} | {row['wall']:.2f} | {row['rclone']:.2f} | **{ratios[0]:.2f}** | {ratios[1]:.2f} "
    )
    return f"| {row['work']} | {row['way']} {figures}| {row['rss']:.0f} |"


def write(text: str, kind: str) -> None:
    readme = HERE / "README.md"
    begin, end = f"<!-- {kind} -->", f"<!-- end {kind} -->"
    before, rest = readme.read_text().split(begin)
    readme.write_text(before + begin + "\n" + text + "\n" + end + rest.split(end)[1])


if __name__ == "__main__":
    main()
