"""A move is a copy, and then the deletion of what it proved: nothing else goes, whatever happened in between."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from driving import command_here, ends, in_phase, runner_of, wait_for
from trees import in_folder, listed, unless_told

import migrator as mg
from migrator.config import PULSE_S
from migrator.engine.control import Control, Stopped
from migrator.errors import BadInput
from migrator.following import follow


def lay(folder: Path, number: int) -> Path:
    for n in range(number):
        (folder / f"d{n % 3}").mkdir(parents=True, exist_ok=True)
        (folder / f"d{n % 3}" / f"{n}.txt").write_text(f"text {n}")
    return folder


def copied(source: object, target: object, **how: Any) -> mg.Run:
    run = mg.start(mg.CopyObjects(source, target, **how))
    run.wait(60, check=False)
    return run


def deleted(run: mg.Run, **how: Any) -> mg.Run:
    again = mg.start(mg.DeleteSource.of(run, **how))
    again.wait(60, check=False)
    return again


# Mutations: leave out the look at the source's version; at the target's; let `keeps` say yes whatever was asked for.
def test_only_what_is_proved_and_unchanged_is_deleted(tmp_path: Path) -> None:
    source, target = lay(tmp_path / "in", 12), tmp_path / "out"
    run = copied(source, target)
    (source / "d1" / "1.txt").write_text("changed since")
    (source / "d2" / "new.txt").write_text("came later")
    (target / "d2" / "2.txt").unlink()
    (target / "d0" / "3.txt").write_text("overwritten")
    answer = command_here("delete-source", run.id)
    assert "12" in answer.err
    assert len(in_folder(source)) == 13  # that was a dry run
    answer = command_here("delete-source", run.id, "--yes")
    assert answer.code == 10
    assert "partial: 9 deleted, 3 left" in answer.err
    assert sorted(in_folder(source)) == [
        "d0/3.txt", "d1/1.txt", "d2/2.txt", "d2/new.txt",
    ]  # fmt: skip
    told = dict(mg.runs(1)[0].items().select("key", "status").fetchall())
    assert told["d0/0.txt"] == "deleted"
    why = {row["key"]: row["error"] for row in mg.runs(1)[0].page(["refused"])}
    assert why == {
        "d0/3.txt": "its copy is another version now, so it stays",
        "d1/1.txt": "it changed since it was planned, so it stays",
        "d2/2.txt": "its copy is gone, so it stays",
    }  # fmt: skip
    assert [row["status"] for row in mg.runs(1)[0].page(["deleted"])] == ["deleted"] * 9
    page = str(mg.runs(1)[0].report())
    assert "| deleted | 9 | 56 B | can't be brought back |" in page
    assert "| d0/0.txt | deleted | 6 B |" in page


def test_from_a_bucket_with_what_is_deleted_kept(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    lay(tmp_path / "in", 6)
    copied(tmp_path / "in", place("a"))
    run = copied(place("a"), place("b"), add_prefix="moved/")
    assert deleted(run, before="keep").status == "completed"
    kept = mg.runs(1)[0].id
    assert sorted(unless_told(listed(client, bucket, f"{prefix}/a"))) == sorted(
        f".migrator-quarantine/{kept}/{key}" for key in in_folder(tmp_path / "in")
    )
    assert len(listed(client, bucket, f"{prefix}/b")) == 6


# Mutation: leave `_tell_apart` out, and the only copy is gone.
def test_one_place_seen_under_two_names_loses_nothing(aws: Any, place: Callable[[str], str], tmp_path: Path) -> None:
    """The same server under another host name: identities differ, and so does nothing else."""
    lay(tmp_path / "in", 4)
    copied(tmp_path / "in", place("x"))
    other = aws.endpoint.replace("127.0.0.1", "localhost")
    assert other != aws.endpoint
    run = copied(place("x"), mg.Location.parse(place("x"), endpoint=other), overwrite="always", before="none")
    if not run.snapshot().copied:
        pytest.skip("the copy refused that by itself")
    seen = deleted(run).snapshot()
    assert seen.status == "failed"
    assert "the same place under two names" in str(seen.error)
    assert mg.start(mg.Verify(tmp_path / "in", place("x"))).wait(60).skipped == 4


def test_more_than_was_allowed_deletes_nothing(tmp_path: Path) -> None:
    run = copied(lay(tmp_path / "in", 5), tmp_path / "out")
    seen = deleted(run, max_objects=4).snapshot()
    assert (seen.status, seen.phase) == ("failed", "plan")
    assert len(in_folder(tmp_path / "in")) == 5


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_proved_nothing_deletes_nothing(dry_run: bool, tmp_path: Path) -> None:
    lay(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    run = mg.start(mg.CopyObjects(tmp_path / "in", tmp_path / "out", include="*.no"), dry_run=dry_run)
    run.wait(60)
    with pytest.raises(BadInput, match=r"a dry run|copied nothing"):
        mg.DeleteSource.of(run)


def test_killed_while_it_deletes_it_goes_on(tmp_path: Path) -> None:
    source = lay(tmp_path / "in", 2_000)
    before = in_folder(source)
    run = copied(source, tmp_path / "out")
    gone = mg.start(mg.DeleteSource.of(run))
    os.killpg(runner_of(gone).pid, signal.SIGKILL)
    assert gone.wait(30, check=False).status == "interrupted"
    gone.resume()
    assert ends(gone) == "completed"
    assert in_folder(source) == {}
    assert in_folder(tmp_path / "out") == before


def extras(source: object, target: object, **how: Any) -> mg.Run:
    run = mg.start(mg.DeleteExtra(source, target, **how))
    run.wait(60, check=False)
    return run


def test_what_only_the_target_has_goes_when_that_is_asked_for(tmp_path: Path) -> None:
    source = lay(tmp_path / "in", 20)
    copied(source, tmp_path / "out")
    (tmp_path / "out" / "d0" / "old.txt").write_text("not at the source any more")
    (tmp_path / "out" / "other.bin").write_text("not meant")
    run = extras(source, tmp_path / "out", include="*.txt")
    assert (run.status, run.snapshot().outcome) == ("completed", "1 deleted")
    assert set(unless_told(in_folder(tmp_path / "out"))) == {
        *in_folder(source), "other.bin", f".migrator-quarantine/{run.id}/d0/old.txt",
    }  # fmt: skip


# Mutations: leave out the check of the empty listing; of the share.
def test_an_empty_source_or_too_large_a_share_deletes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    target = lay(tmp_path / "out", 20)
    before = in_folder(target)
    assert "lists nothing" in str(extras(tmp_path / "empty", target, max_share=1.0).snapshot().error)
    some = lay(tmp_path / "some", 10)
    assert "10 of 20 objects" in str(extras(some, target).snapshot().error)
    assert in_folder(target) == before


# Mutations: leave `self` (the choice) out of `ctx.diff` in `DeleteExtra.plan`; let a listing that is denied end it.
def test_what_is_excluded_stays_and_a_listing_that_fails_deletes_nothing(
    wayside: Any, place: Callable[[str], str], tmp_path: Path
) -> None:
    source, target = lay(tmp_path / "in", 20), lay(tmp_path / "out", 20)
    for name in ("skip", "more"):
        (target / name).mkdir()
        (target / name / "only-here").write_text("x")
    assert extras(source, target, exclude=["skip/"], before="none").snapshot().outcome == "1 deleted"
    assert set(in_folder(target)) == {*in_folder(source), "skip/only-here"}
    copied(source, place("x"))
    wayside.refuse = lambda method, path: "list-type=2" in path and "max-keys" not in path
    before = in_folder(target)
    seen = extras(place("x"), target, max_share=1.0).snapshot()
    assert (seen.status, seen.phase) == ("failed", "plan")
    assert in_folder(target) == before


def test_what_the_copy_renamed_is_no_extra(tmp_path: Path) -> None:
    source = lay(tmp_path / "in", 20)
    copied(source, tmp_path / "out", flatten=True, add_prefix="x-")
    (tmp_path / "out" / "y").write_text("extra")
    run = extras(source, tmp_path / "out", flatten=True, add_prefix="x-", before="none")
    assert run.snapshot().outcome == "1 deleted"
    assert len(in_folder(tmp_path / "out")) == 20


# Mutation: leave `follow` out of the runner.
def test_a_move_is_one_run_whose_last_phase_deletes_what_is_proved(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    source = lay(tmp_path / "in", 8)
    copied(source, tmp_path / "there")
    (source / "d0" / "0.txt").unlink()
    (source / "d0" / "0.txt").write_text("differs")
    answer = command_here("copy", source, tmp_path / "there", "--source-after", "delete-verified", "--dry-run")
    assert "are deleted" in str(command_here("plan", mg.runs(1)[0].id).out), answer
    lay(tmp_path / "in", 10)
    (source / "d0" / "0.txt").write_text("differs")
    answer = command_here("copy", source, place("to"), "--source-after", "delete-verified", "--tag", "moved")
    assert answer.code == 0, answer
    assert in_folder(source) == {}
    assert len(listed(client, bucket, f"{prefix}/to")) == 10
    after, run = mg.runs(2)
    assert f"  then {after.id} completed: 10 deleted" in answer.err
    assert (after.snapshot().migration, after.snapshot().outcome) == ("delete-source", "10 deleted")
    assert [phase.name for phase in run.snapshot().phases] == ["plan", "copy", "report", "delete"]
    assert after.snapshot().tags == ("moved",)


# Mutations: let `proved` take what was skipped, whatever the evidence; leave `max_share` out of `_most`.
def test_a_move_with_a_copy_that_was_there_already_keeps_its_source_and_a_cap_keeps_all(tmp_path: Path) -> None:
    source = lay(tmp_path / "in", 6)
    copied(source, tmp_path / "out", include=["d0/"])
    run = copied(source, tmp_path / "out", source_after="quarantine-verified", max_delete_share=0.5)
    assert run.status == "partial"
    assert len(in_folder(source)) == 6  # 4 of 6 were copied by this run, and 3 may go
    assert "`max_objects=` allows 3" in str(run.events()[-2].data) + str(mg.runs(1)[0].snapshot().error)
    run = copied(source, tmp_path / "out", source_after="delete-verified")
    assert (run.status, run.snapshot().skipped, len(in_folder(source))) == ("completed", 6, 6)  # listed is not proved
    run = copied(source, tmp_path / "two", source_after="quarantine-verified")
    assert run.status == "completed"
    after = mg.runs(1)[0].id
    assert {key.split("/", 2)[0] for key in in_folder(source)} == {".migrator-quarantine"}
    assert mg.restore(after).wait(60).copied == 6
    assert (source / "d0" / "0.txt").read_text() == "text 0"


def test_what_only_the_target_has_is_deleted_afterwards_where_that_is_asked_for(tmp_path: Path) -> None:
    source, target = lay(tmp_path / "in", 20), lay(tmp_path / "out", 21)
    assert copied(source, target).snapshot().skipped == 20
    assert len(in_folder(target)) == 21
    run = copied(source, target, delete_extra=True)
    assert run.status == "completed"
    assert set(in_folder(source)) == {key for key in in_folder(target) if not key.startswith(".migrator-quarantine")}
    with pytest.raises(BadInput, match="contradicts"):
        mg.CopyObjects(source, target, delete_extra=True, source_after="delete-verified")
    (tmp_path / "empty").mkdir()
    run = copied(tmp_path / "empty", target, delete_extra=True)
    assert run.status == "partial"
    assert len(unless_told(in_folder(target))) == 21


def test_what_deletes_is_not_asked_for_in_a_form() -> None:
    from migrator.errors import BadForm
    from migrator.migrations import forms

    names = {field["name"] for field in forms.form_of(mg.CopyObjects)["fields"]}
    assert "overwrite" in names
    assert not names & mg.CopyObjects.unformed
    with pytest.raises(BadForm, match="not asked for in a form"):
        forms.filled(mg.CopyObjects, {"source": "/a", "target": "/b", "source_after": "delete-verified"})


class Deletions:
    """Lets so many deletions of a move's source pass a proxy, and holds the others until more may."""

    def __init__(self, wayside: Any, path: str) -> None:
        self.passed, self._path, self._more = 0, path, threading.Semaphore(0)
        self._lock = threading.Lock()
        wayside.refuse = self._hold

    def let(self, number: int) -> None:
        """Let so many pass, and wait until they have."""
        wanted = self.passed + number
        self._more.release(number)
        wait_for(lambda: self.passed >= wanted, 60, f"{wanted} deletions")

    def let_all(self) -> None:
        self._more.release(10_000)

    def _hold(self, method: str, path: str) -> bool:
        if method == "DELETE" and self._path in path:
            self._more.acquire()
            with self._lock:
                self.passed += 1
        return False


@pytest.fixture
def deletions(wayside: Any, prefix: str) -> Iterator[Deletions]:
    held = Deletions(wayside, f"{prefix}/a/d")
    yield held
    held.let_all()


def follower(run: mg.Run) -> mg.Run:
    """The run that deletes for a move."""
    found = lambda: [one for one in mg.runs(10) if one.snapshot().spec.get("run") == run.id]  # noqa: E731
    return wait_for(found, 60, "the deletion has begun")[0]


def kill(*runs: mg.Run) -> None:
    for run in runs:
        os.killpg(runner_of(run).pid, signal.SIGKILL)
    for run in runs:
        assert run.wait(60, check=False).terminal


# Mutation: let `_begin` start another deletion instead of resuming the first.
def test_a_move_killed_before_and_in_its_deletion_deletes_what_is_proved_and_all_of_it_in_the_end(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path, deletions: Deletions
) -> None:
    before = in_folder(lay(tmp_path / "in", 30))
    copied(tmp_path / "in", place("a"))
    run = mg.start(mg.CopyObjects(place("a"), place("b"), source_after="delete-verified"), in_flight=2)

    def left() -> set[str]:
        gone = before.keys() - listed(client, bucket, f"{prefix}/a").keys()
        proved = "status in ('copied', 'adopted') and evidence in ('server-hash', 're-read')"
        assert gone <= {key for (key,) in run.items().filter(proved).select("key").fetchall()}
        assert gone <= listed(client, bucket, f"{prefix}/b").keys()
        return before.keys() - gone

    in_phase(run, "delete")
    kill(run)
    assert (run.status, len(left())) == ("interrupted", 30)
    run.resume()
    deletions.let(5)
    kill(run, follower(run))
    assert len(left()) <= 25
    run.resume()
    deletions.let(5)
    kill(follower(run))
    assert run.wait(60, check=False).status == "partial"  # and says which run to look at
    assert follower(run).id in str([event.data for event in run.events() if event.kind == "warning"])
    deletions.let_all()
    assert run.resume().wait(60).status == "completed"
    assert left() == set()
    assert [one.snapshot().migration for one in mg.runs(10)].count("delete-source") == 1
    told = dict(follower(run).items().aggregate("status, count(*)").fetchall())
    assert set(told) <= {"deleted", "skipped"}
    assert sum(told.values()) == 30  # what a killed attempt deleted is found gone
    assert mg.start(mg.Verify(tmp_path / "in", place("b"))).wait(60).skipped == 30


# Mutations: leave `_pass_on` out; leave `_stop` out.
def test_pausing_limiting_and_cancelling_a_move_does_it_to_its_deletion(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path, deletions: Deletions
) -> None:
    lay(tmp_path / "in", 30)
    copied(tmp_path / "in", place("a"))
    run = mg.start(mg.CopyObjects(place("a"), place("b"), source_after="delete-verified"), in_flight=2)
    deletions.let(3)
    after = follower(run)
    assert after.snapshot().limits == {"in_flight": 2}
    run.limit(in_flight=1)
    run.pause()
    wait_for(lambda: after.snapshot().held_for == "paused", 30, "the deletion holds")
    assert after.snapshot().limits == {"in_flight": 1}
    deletions.let(2)  # those that were on their way
    assert len(listed(client, bucket, f"{prefix}/a")) == 25
    run.unpause()
    deletions.let(3)
    run.cancel()
    wait_for(lambda: after.snapshot().cancel_requested, 30, "the deletion is told to stop")
    time.sleep(2 * PULSE_S)  # and hears of it, so that no further one is held here till it is killed
    deletions.let(1)
    assert (run.wait(60, check=False).status, after.wait(60, check=False).status) == ("cancelled", "cancelled")
    assert 20 <= len(listed(client, bucket, f"{prefix}/a")) <= 21
    deletions.let_all()
    assert run.resume().wait(60).status == "completed"
    assert listed(client, bucket, f"{prefix}/a") == {}


# Mutation: leave `control.cancelled()` out of `follow`.
def test_a_move_that_is_paused_before_its_deletion_begins_none() -> None:
    said: list[str] = []
    journal: Any = SimpleNamespace(enter=said.append, let_go=lambda: said.append("let go"))
    control = Control("run")
    control.gate.hold("user", "paused")
    asked = threading.Timer(0.2, lambda: control.stop("cancelled"))
    asked.start()
    move = mg.CopyObjects("/data/in", "/data/out", source_after="delete-verified")
    with pytest.raises(Stopped):
        follow(None, {}, move, journal, control)  # pyright: ignore[reportArgumentType]
    assert said == ["delete"]
    asked.join()
