"""Killed with SIGKILL at any instant, and at any write, a run goes on to the end that it would have had."""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from driving import wait_for
from injury import SEED, assert_as_if_never_hurt, kill_family, runner, runners_under
from trees import in_folder

from migrator import CopyObjects, api

# The system calls that leave something behind, and how many of each one thread makes in a life: the state DB's
# first (claim, commits, pulse, end), then plan and receipts, then the copies of a shard.
CALLS = {
    "pwrite64": 74, "fdatasync": 13, "write": 65, "fsync": 20, "rename": 10, "mkdir": 7,
    "link": 20, "unlink": 20, "utimensat": 20,
}  # fmt: skip
LIFE_S = 2.2
DEATHS = (2, 3)  # of one run, before it is let go on to its end


@dataclass(frozen=True)
class Moment:
    """When a family is killed: before a thread's Nth such call, or after some time."""

    call: str = ""
    number: int = 0
    after_s: float = 0.0

    @classmethod
    def any(cls, rng: random.Random) -> Moment:
        if rng.random() < 0.4 or shutil.which("strace") is None:
            return cls(after_s=rng.uniform(0, LIFE_S))
        call = rng.choice(sorted(CALLS))
        return cls(call, rng.randint(1, CALLS[call]))

    def __str__(self) -> str:
        return f"before {self.call} no. {self.number}" if self.call else f"after {self.after_s:.2f} s"

    @property
    def words(self) -> list[str]:
        """What goes before the interpreter. ``-D``: the runner stays the child of who spawned it."""
        if not self.call:
            return []
        when = f"inject={self.call}:signal=SIGKILL:when={self.number}"
        return f"strace -D -f -qq -o /dev/null -e trace={self.call} -e {when}".split()


# Between a copy's name and the removal of its temporary one; before the third of five receipts files has its name;
# in the middle of a commit. These come first, each in a run of its own; what follows is left to chance.
CERTAIN = (Moment("unlink", 10), Moment("rename", 8), Moment("fdatasync", 8))


def begin(run: api.Run | None, source: Path, target: Path, processes: int) -> api.Run:
    return run.resume() if run else api.start(CopyObjects(source, target, processes=processes))


def die(run: api.Run, moment: Moment) -> bool:
    """Let a moment come; whether the run died of it. One that was quicker has completed."""
    if moment.call:
        wait_for(lambda: runner(run) is None, 60, "the runner comes to its end")
    else:
        time.sleep(moment.after_s)
        kill_family(run)
    seen = run.snapshot()
    # Where each of its hands dies at the same call, the runner gives up in words.
    assert seen.status in ("interrupted", "completed") or "died 4 times" in str(seen.error), (seen, moment)
    print(f"{run.id} attempt {seen.attempt}: {moment}: {seen.status}")
    return seen.status != "completed"


# Mutation: leave Passage.clear out of Copier.copy, and a `.part` file stays; let _adopt refuse what one before had
# copied, and items fail; name a receipts file before it is written (journal.commit before work.save), and a resume
# finds it missing.
@pytest.mark.parametrize("kills", [9, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])])
def test_a_run_killed_anywhere_ends_as_if_it_had_never_been(
    kills: int, tree: Path, tmp_path: Path, clean: dict[str, tuple[int, str]]
) -> None:
    print(f"MIGRATOR_SEED={SEED}; strace: {shutil.which('strace') or 'none, random instants only'}")
    rng, killed, number = random.Random(SEED), 0, 0
    while killed < kills:
        deaths, processes = moments(rng, number), 0 if number < len(CERTAIN) else number % 2 * 2
        killed += killed_again_and_again(deaths, tree, tmp_path / f"out-{number}", clean, processes)
        number += 1
    print(f"{killed} kills, {number} runs")


def moments(rng: random.Random, number: int) -> list[Moment]:
    """When a run is killed in its first lives."""
    first = list(CERTAIN[number : number + 1]) if shutil.which("strace") else []
    return first + [Moment.any(rng) for _ in range(rng.randint(*DEATHS) - len(first))]


def killed_again_and_again(
    deaths: list[Moment], tree: Path, target: Path, clean: dict[str, tuple[int, str]], processes: int
) -> int:
    """Kill a run in its first lives, and hold its end against a clean one's; how often it was killed."""
    run, killed = None, 0
    for moment in deaths:
        with runners_under(target.parent, moment.words):
            run = begin(run, tree, target, processes)
            if not die(run, moment):
                break
        killed += 1
        whole = {name: digest for name, digest in in_folder(target).items() if not name.endswith(".part")}
        assert whole.items() <= in_folder(tree).items()
    assert run is not None
    if run.status != "completed":
        with runners_under(target.parent):
            run.resume().wait(60)
    assert_as_if_never_hurt(run, tree, target, clean)
    return killed
