"""The table in the README beside this file: one line a row, of which those that were measured are written anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from rows import BY_NAME, CP, DEFAULT, LIMITS, ROWS, RSYNC, S5CMD, TUNED, Row

README = Path(__file__).resolve().parent / "README.md"
PEERS = (DEFAULT, TUNED, S5CMD, CP, RSYNC)
HEAD = (
    "| row | work | engine_s | wall s | µs CPU | ÷ rclone | ÷ rclone tuned | ÷ s5cmd | ÷ cp -a | ÷ rsync "
    "| floor | aim | runner MB | all MB | what still limits it |"
)


def line(row: Row, scale: float, found: dict[str, Any], kind: str) -> str:
    """One measured row. A ratio is the peer's time over ours: of the engine, and in brackets of the whole command."""
    ours = found["migrator"]
    if kind == "weed":  # floors and limits are of the clients
        row = replace(row, floor={}, aim="")
    floor = ", ".join(f"{ratio:g} × {peer}" for peer, ratio in row.floor.items())
    cells = [f"`{row.name}`", row.title(scale), f"{ours['engine']:.2f}", f"{ours['wall']:.2f}", f"{ours['cpu']:.0f}"]
    cells += [_ratio(row, peer, found) for peer in PEERS]
    cells += [floor, row.aim, f"{ours['runner'] / 1e6:.0f}", f"{ours['family'] / 1e6:.0f}", _limit(row, kind)]
    return "| " + " | ".join(cells) + " |"


def _limit(row: Row, kind: str) -> str:
    if kind == "weed":
        return "start-up, half a second; the rest is not profiled"
    return "MD5" if kind == "plain" else LIMITS[row.name]


def _ratio(row: Row, peer: str, found: dict[str, Any]) -> str:
    if peer not in row.peers:
        return ""
    theirs, ours = found[peer], found["migrator"]
    if isinstance(theirs, str):
        return theirs
    if row.count == 1:  # the start is all there is
        return f"({theirs['wall'] / ours['wall']:.2f})"
    ratio = max(theirs["wall"] - theirs["start"], 0.01) / max(ours["engine"], 0.01)
    shown = f"{ratio:.2f} ({theirs['wall'] / ours['wall']:.2f})"
    if peer not in row.floor:
        return shown
    return f"**{shown}**" if ratio >= row.floor[peer] else f"**below: {shown}**"


def course(name: str, scale: float, samples: list[tuple[float, int, int]]) -> str:
    """What was held over time."""
    cells = [[f"{each[0]:.0f} s" for each in samples]]
    cells += [[f"{each[which] / 1e6:.0f}" for each in samples] for which in (1, 2)]
    title = f"| {BY_NAME[name].title(scale)} | " + " | ".join(cells[0]) + " |"
    rows = [
        f"| {who} | " + " | ".join(each) + " |" for who, each in zip(("runner MB", "all MB"), cells[1:], strict=True)
    ]
    return "\n".join([title, "|---" * (len(samples) + 1) + "|", *rows])


def write_course(text: str) -> None:
    """Put it into the README, in place of the last one."""
    begin, end = "<!-- course -->", "<!-- end course -->"
    before, rest = README.read_text().split(begin)
    README.write_text(before + begin + "\n" + text + "\n" + end + rest.split(end)[1])


def table(lines: dict[str, str], about: str) -> str:
    known = [lines[row.name] for row in ROWS if row.name in lines]
    return "\n".join([about, "", HEAD, "|---" * (HEAD.count("|") - 1) + "|", *known])


def about(server: str, reps: int) -> str:
    return f"Server: {server}; medians of {reps}; {os.cpu_count()} shared cores; data in memory."


def write(lines: dict[str, str], kind: str, said: str) -> None:
    """Put these rows into the README; the others stay."""
    begin, end = f"<!-- {kind} -->", f"<!-- end {kind} -->"
    before, rest = README.read_text().split(begin)
    old, after = rest.split(end)
    standing = {line.split("`")[1]: line for line in old.splitlines() if line.startswith("| `")}
    for name, each in standing.items():  # what limits it may have been found out since
        standing[name] = each.rsplit("|", 2)[0] + f"| {_limit(BY_NAME[name], kind)} |"
    README.write_text(before + begin + "\n" + table(standing | lines, said) + "\n" + end + after)
