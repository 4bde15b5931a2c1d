"""How fast a run is and how long the rest takes: by what was moved, not by what a plan settled or what failed."""

from __future__ import annotations

from typing import Any

from migrator.engine.control import Control
from migrator.model import Counts, Receipt
from migrator.moving import moved, seconds_left


def row(**values: Any) -> dict[str, Any]:
    """A run of 100 objects to be copied, 900 that are there already and 1,000 that can't be, of 10 bytes each."""
    tallies = {"create": 100, "skip": 900, "refuse": 1000}
    actions = {action: {"items": items, "bytes": 10 * items} for action, items in tallies.items()}
    usual = dict.fromkeys(("copied", "adopted", "skipped", "failed", "refused", "bytes_done"), 0)
    usual |= {"status": "running", "migration": "copy-objects", "dry_run": False, "actions": actions}
    return usual | {"total": 2000, "bytes_total": 20_000, "rate": 5.0, "byte_rate": 50.0} | values


def test_what_the_plan_settled_was_not_moved_and_is_not_waited_for() -> None:
    settled = row(copied=50, skipped=900, refused=1000, bytes_done=19_500)
    assert moved(settled, 1950) == (50, 500)
    assert seconds_left(settled, 1950) == 10.0
    # Mutation: let _decided take all of it for settled, and the half that is begun counts for the whole.
    begun = row(copied=50, skipped=450, refused=500, bytes_done=10_000)
    assert moved(begun, 1000) == (50, 500)
    assert seconds_left(begun, 1000) == 10.0


# Mutation: take `failed` for nothing in seconds_left, and the bytes of what failed are waited for in vain.
def test_what_failed_is_no_part_of_the_rate_and_is_not_waited_for() -> None:
    half = row(copied=25, failed=25, skipped=900, refused=1000, bytes_done=19_250, rate=2.5, byte_rate=25.0)
    assert moved(half, 1950) == (25, 250)
    assert seconds_left(half, 1950) == 10.0  # fifty are left, of which half will fail as fast
    assert seconds_left(row(copied=50, failed=50, skipped=900, refused=1000, bytes_done=19_500), 2000) == 0.0


def test_of_large_objects_the_bytes_tell_while_none_has_ended() -> None:
    large = row(copied=0, bytes_done=500, actions={}, total=10, bytes_total=1500, rate=0.0)
    assert seconds_left(large, 0) == 20.0
    assert seconds_left(row(rate=0.0, byte_rate=0.0), 0) is None
    assert seconds_left(row(status="completed", copied=50), 50) is None


def test_a_check_moves_nothing_and_compares_all_that_its_plan_left() -> None:
    check = row(migration="verify", actions={"compare": {"items": 100, "bytes": 1000}}, skipped=40, failed=10)
    assert moved(check | {"bytes_done": 500}, 50) == (50, 500)


# Mutations: leave `shift` or `adopted` out of what Control takes for unmoved, and a shard that is begun is a burst.
def test_a_shard_that_is_begun_is_no_burst() -> None:
    control = Control("run")
    before = control.moved()
    control.shift(Counts(), Counts(skipped=900, refused=1000, bytes_done=19_000))
    control.settle(Receipt(1, "adopted", bytes=10))
    control.settle(Receipt(2, "failed"))
    assert control.moved() == before
    control.settle(Receipt(3, "copied", bytes=10))
    control.progress(7)
    assert control.moved() == (1, 17)
    assert control.moved(compares=True)[0] == 3
