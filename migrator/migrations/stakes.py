"""What would be destroyed: said before it is done, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..words import sized

KEPT, GONE = "What goes is kept in quarantine first.", "What goes can't be brought back."


def stakes(migration: str, spec: Mapping[str, Any], actions: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """What a run of this specification would destroy, a sentence each.

    Parameters
    ----------
    actions : mapping
        Items and bytes by action, where it is planned; empty before.
    """
    gone = KEPT if spec.get("before") == "keep" else GONE
    if actions:
        done = {"delete": "deletes"} | ({"overwrite": "replaces"} if gone is GONE else {})  # kept: it can be restored
        told = tuple(f"It {does} {_told(actions[name])}. {gone}" for name, does in done.items() if actions.get(name))
        return told + _afterwards(spec)
    if migration == "delete-source":
        return (f"It deletes what run {spec.get('run')} copied and proved from its source. {gone}",)
    if migration == "delete-extra":
        share = f"{spec.get('max_share', 0):.0%}"
        return (f"It deletes what only the target has, at most {share} of it. {gone}",)
    if migration == "purge-quarantine":
        return (f"It deletes what runs kept since more than {spec.get('older_than')} ago. {gone}",)
    if migration == "copy-objects" and spec.get("overwrite") in ("if-different", "always") and gone is GONE:
        return (f"It replaces what differs at the target. {gone}", *_afterwards(spec))
    return _afterwards(spec)


def _afterwards(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """What a copy deletes when it has ended."""
    after, extra = spec.get("source_after", "keep"), spec.get("delete_extra", False)
    kept = KEPT if spec.get("before") == "keep" else GONE
    moved = "Afterwards it deletes from the source what it copied and proved."
    return (
        *((f"{moved} {KEPT if after == 'quarantine-verified' else GONE}",) if after != "keep" else ()),
        *((f"Afterwards it deletes what only the target has. {kept}",) if extra else ()),
    )


def _told(count: Mapping[str, int]) -> str:
    items = count.get("items", 0)
    return f"{items:,} object{'' if items == 1 else 's'}, {sized(count.get('bytes', 0))}"
