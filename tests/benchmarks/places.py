"""What is copied and where to: servers on loopback, data in memory, each copy counted and taken away again."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contenders import BIN, HERE, as_rclone, environment
from rows import Row

sys.path.insert(0, str(HERE.parent))
from servers import SeaweedFS, free_ports

BUCKETS = ("source", "target")


@contextmanager
def server(kind: str, latency_ms: int) -> Iterator[dict[str, str]]:
    """An S3 server, and the variables that lead to it; ``plain`` is the stub without checksums, as many servers are."""
    if kind == "weed":
        with SeaweedFS() as weed:
            for bucket in BUCKETS:
                weed.make_bucket(bucket)
            yield weed.env()
        return
    [port] = free_ports(1)
    more = ["--no-checksums"] if kind == "plain" else []
    process = subprocess.Popen([sys.executable, str(HERE / "stub_s3.py"), str(port), str(latency_ms), *more])
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(port)
        for bucket in BUCKETS:
            tell(f"{url}/{bucket}", "PUT")
        keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
        yield keys | {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": url}
    finally:
        process.terminate()
        process.wait()


class Places:
    """Sources, made once, and targets, each used once."""

    def __init__(self, folder: Path, env: dict[str, str], kind: str) -> None:
        self.env = environment(env, folder)
        self._folder, self._kind, self._url = folder, kind, env["AWS_ENDPOINT_URL"]
        self._count, self._made = 0, set()

    def source(self, row: Row, number: int) -> str:
        name = f"{number}x{row.size}"
        at = f"s3://source/{name}" if row.source == "S3" else str(self._folder / name)
        if at not in self._made:
            self._made.add(at)
            self._make(row, name, number)
        return at

    def _make(self, row: Row, name: str, number: int) -> None:
        if row.source == "S3" and self._kind == "stub":
            tell(f"{self._url}/source?fill={number}&size={row.size}&prefix={name}/", "PUT")
            return
        if not (self._folder / name).exists():
            make_files(self._folder / name, number, row.size)
        if row.source == "S3":
            words = [BIN / "rclone", "copy", self._folder / name, f"s:source/{name}", "--transfers", "16"]
            subprocess.run(words, env=self.env, check=True)

    def target(self, row: Row) -> str:
        self._count += 1
        return f"s3://target/r{self._count}" if row.target == "S3" else str(self._folder / f"r{self._count}")

    def check(self, target: str, number: int, size: int) -> None:
        """Raise AssertionError if a copy has not all objects with all their bytes."""
        if target.startswith("s3://"):
            words = [BIN / "rclone", "size", "--json", "--fast-list", as_rclone(target)]
            said = json.loads(subprocess.run(words, env=self.env, check=True, capture_output=True).stdout)
            found = said["count"], said["bytes"]
        else:
            sizes = [Path(at, name).stat().st_size for at, _, names in os.walk(target) for name in names]
            found = len(sizes), sum(sizes)
        assert found == (number, number * size), f"{target} holds {found} of {(number, number * size)}"

    def clear(self, target: str) -> None:
        if not target.startswith("s3://"):
            shutil.rmtree(target)
        elif self._kind == "stub":
            bucket, _, prefix = target.removeprefix("s3://").partition("/")
            tell(f"{self._url}/{bucket}?prefix={prefix}/", "DELETE")
        else:
            subprocess.run([BIN / "rclone", "purge", as_rclone(target)], env=self.env, check=True)


def make_files(root: Path, number: int, size: int) -> None:
    block = os.urandom(min(size, 1 << 20))
    for index in range(number):
        if not index % 200:
            (root / f"d{index // 200:04d}").mkdir(parents=True)
        with (root / f"d{index // 200:04d}" / f"o{index:06d}.bin").open("wb", 0) as file:
            file.write((index.to_bytes(8, "big") + block[8:])[:size])
            for _ in range(1, size // len(block)):
                file.write(block)


def tell(url: str, method: str) -> None:
    urllib.request.urlopen(urllib.request.Request(url, method=method)).close()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
