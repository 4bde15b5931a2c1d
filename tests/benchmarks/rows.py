"""What is measured: each row of the table, with the floor it must keep, and what it aims at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KIB, MIB = 1 << 10, 1 << 20
TUNED, DEFAULT, S5CMD, CP, RSYNC = "rclone tuned", "rclone", "s5cmd", "cp -a", "rsync"


@dataclass(frozen=True)
class Row:
    """One kind of work.

    ``floor`` is by how much each peer must be slower. ``streamed``: source and target have credentials of their own, so
    that nothing is copied by the server, and rclone is told to do the same. ``again``: the copy is there already.
    """

    name: str
    count: int
    size: int
    source: str
    target: str
    peers: tuple[str, ...]
    floor: Mapping[str, float] = field(default_factory=dict)
    aim: str = ""
    streamed: bool = False
    again: bool = False
    latency_ms: int = 0

    def scaled(self, scale: float) -> int:
        return max(1, round(self.count * scale)) if self.count > 2 else self.count

    def title(self, scale: float) -> str:
        size = f"{self.size // MIB} MiB" if self.size >= MIB else f"{self.size // KIB} KiB"
        how = ", streamed" if self.streamed else ", nothing to do" if self.again else ""
        far = f", {self.latency_ms} ms away" if self.latency_ms else ""
        return f"{self.scaled(scale):,} × {size} {self.source}→{self.target}{how}{far}"


ALL = (DEFAULT, TUNED, S5CMD)
FILES = (DEFAULT, TUNED, CP, RSYNC)
ROWS = (
    Row("start-up", 1, 4 * KIB, "local", "local", FILES, {}, "wall 1.2 s"),
    Row("start-up-s3", 1, 4 * KIB, "S3", "S3", ALL, {}, "wall 1.2 s"),
    Row("small-s3-s3", 50_000, 4 * KIB, "S3", "S3", ALL, {TUNED: 3, S5CMD: 1.5}, "6 × tuned"),
    Row("small-streamed", 50_000, 4 * KIB, "S3", "S3", (DEFAULT, TUNED), {TUNED: 2}, "3 × tuned", streamed=True),
    Row("small-local-s3", 50_000, 4 * KIB, "local", "S3", ALL, {TUNED: 2.5, S5CMD: 1.7}, "3.5 × tuned"),
    Row("small-s3-local", 50_000, 4 * KIB, "S3", "local", ALL, {TUNED: 1.5, S5CMD: 1.5}, "2 ×"),
    Row("small-local-local", 200_000, 4 * KIB, "local", "local", FILES, {DEFAULT: 2}, "within 1.5 × of cp -a"),
    Row("large-local-s3", 64, 8 * MIB, "local", "S3", ALL, {TUNED: 1.2}, "s5cmd"),
    Row("large-s3-local", 64, 8 * MIB, "S3", "local", ALL, {TUNED: 1.2}, "s5cmd"),
    Row("large-streamed", 64, 8 * MIB, "S3", "S3", (DEFAULT, TUNED), {TUNED: 0.9}, "1 ×", streamed=True),
    Row("large-s3-s3", 64, 8 * MIB, "S3", "S3", ALL),
    Row("large-local-local", 64, 8 * MIB, "local", "local", FILES),
    Row("huge-local-s3", 2, 512 * MIB, "local", "S3", ALL, {TUNED: 1.3}, "1.7 ×"),
    Row("huge-s3-local", 2, 512 * MIB, "S3", "local", ALL, {TUNED: 0.8}, "1 ×"),
    Row("huge-streamed", 2, 512 * MIB, "S3", "S3", (DEFAULT, TUNED), {TUNED: 1.1}, "1.3 ×", streamed=True),
    Row("nothing-to-do", 50_000, 4 * KIB, "S3", "S3", (*ALL,), {TUNED: 1, DEFAULT: 5}, "1.5 × tuned", again=True),
    Row("far-s3-s3", 10_000, 4 * KIB, "S3", "S3", ALL, {TUNED: 2}, "2.7 × tuned", latency_ms=10),
    Row("far-streamed", 10_000, 4 * KIB, "S3", "S3", (DEFAULT, TUNED), {}, "", streamed=True, latency_ms=10),
    Row("million", 1_000_000, KIB, "S3", "S3", (), {}, "flat memory"),
)  # fmt: skip
BY_NAME = {row.name: row for row in ROWS}
# What still holds each row back, by its profile.
LIMITS = {
    "start-up": "the loading of Arrow, DuckDB, SQLAlchemy and pydantic by the runner, then thirteen fsyncs",
    "start-up-s3": "the same, then the trials of what the server heeds",
    "small-s3-s3": "one request an object: 50 µs of a core, nearly all the interpreter; 22 µs for the server, 12 for "
    "receipts",
    "small-streamed": "two requests an object: 105 µs of a core with an MD5 between them, 52 µs for the server",
    "small-local-s3": "a PUT: 80 µs of a core, 6 of them MD5, 30 µs for the server",
    "small-s3-local": "a GET, a file made and linked: 95 µs of a core, a fifth of it the system's; 27 µs for the "
    "server",
    "small-local-local": "a file read, written, read again and compared, then linked: 27 µs of a core, half of it the "
    "system's; `cp` does the first two",
    "large-local-s3": "the server's one core, with its MD5 of what it takes",
    "large-s3-local": "the server's one core; then what the loopback copies",
    "large-streamed": "the server's one core, nine tenths of the time, with its MD5 of what it takes",
    "large-s3-s3": "start-up",
    "large-local-local": "both files read again and hashed",
    "huge-local-s3": "the server's one core, with its MD5 of what it takes",
    "huge-s3-local": "one connection an object: no ranged reads in parallel",
    "huge-streamed": "the server's one core, 95 % of the time, with its MD5 of what it takes",
    "nothing-to-do": "start-up, and two listings: 4 µs an object here, 17 µs in the server's one core",
    "far-s3-s3": "start-up; then one interpreter that serves all threads",
    "far-streamed": "the same, with two requests an object",
    "million": "one request an object, as in `small-s3-s3`; of the runner's memory 150 MB are the libraries",
}
