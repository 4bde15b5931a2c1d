"""What docs/administration.md gives to copy is well-formed."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "administration.md").read_text(encoding="utf-8")


def block(kind: str) -> str:
    found = re.search(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_kubernetes_deployment_is_one() -> None:
    made = yaml.safe_load(block("yaml"))
    pod = made["spec"]["template"]
    assert (made["kind"], made["spec"]["selector"]["matchLabels"]) == ("Deployment", pod["metadata"]["labels"])
    [container] = pod["spec"]["containers"]
    assert container["command"][:2] == ["migrator", "worker"]
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["spec"]["volumes"]}


def test_the_systemd_unit_stops_the_worker_alone() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.read_string(block("ini"))
    assert unit["Service"]["KillMode"] == "process"
    assert "migrator worker" in unit["Service"]["ExecStart"]


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "migrator-worker.service"
    unit.write_text(block("ini").replace("/opt/jupyter/bin/migrator", shutil.which("true") or "/bin/true"))
    done = subprocess.run([program, "verify", unit], capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"})
    complaints = [line for line in done.stderr.splitlines() if "migrator-worker" in line]
    assert complaints == []


def test_the_commands_it_names_are_there() -> None:
    from migrator.cli import main

    named = set(re.findall(r"^migrator (\w+)", TEXT, re.MULTILINE)) | set(re.findall(r"`migrator (\w+)", TEXT))
    assert named <= set(main.commands)  # pyright: ignore[reportAttributeAccessIssue]
