"""What stands at the target and is to be replaced: copied aside first, written down, checked and durable."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..config import MANIFESTS, QUARANTINE
from ..errors import NotFound, SourceChanged, StoreError
from ..model import Item, Receipt
from ..stores import Attributes, Store
from .copying import Copier
from .crew import Crew
from .pace import Pace
from .passage import Abandoned
from .standing import name_of

if TYPE_CHECKING:
    from ..migrations import Control


class Quarantine:
    """Keeps what a run replaces or deletes where it stands, below `QUARANTINE` and the run's id, under the full key.

    Beside it, below the run's id and `MANIFESTS`, a manifest of each batch tells what stood where: JSON, a line each.
    """

    def __init__(self, target: Store, control: Control, replaced: tuple[str, ...] = ("overwrite",)) -> None:
        self._target, self._control, self._replaced = target, control, replaced
        self._copier = Copier(target, target, control)

    def keep(self, rows: Sequence[Item], pace: Pace) -> tuple[list[Item], list[Receipt]]:
        """Keep what stands where these rows go: the rows that may be done now, and receipts of some that may not.

        What was kept is durable when this returns, and so is its manifest.
        """
        replaced = [row for row in rows if row.action in self._replaced]
        kept: dict[int, dict[str, Any]] = {}
        failed = list(Crew(pace, self._control, lambda item: self._keep(item, kept)).run(replaced))
        try:
            self._write_manifest([kept[number] for number in sorted(kept) if kept[number]])
        except StoreError as error:
            failed += [_not_kept(row, error) for row in replaced if row.item_no in kept]
            kept.clear()
        self._target.sync()
        return [row for row in rows if row.action not in self._replaced or row.item_no in kept], failed

    def _keep(self, item: Item, kept: dict[int, dict[str, Any]]) -> Receipt | None:
        aside = _aside(item, self._control.run_id)
        try:
            attributes = self._attributes(aside)
            receipt = self._copier.copy(aside)
        except (NotFound, SourceChanged):
            # An earlier attempt replaced it already, or somebody did: the copy tells them apart.
            kept[item.item_no] = {}
            return None
        except Abandoned:
            return None
        except StoreError as error:
            return _not_kept(item, error)
        kept[item.item_no] = _entry(item, aside, receipt, attributes)
        return None

    def _attributes(self, aside: Item) -> Attributes:
        if not self._target.capabilities.holds_attributes:
            return Attributes()
        with self._target.open(aside.key, aside.etag) as body:
            return body.attributes

    def _write_manifest(self, entries: Sequence[dict[str, Any]]) -> None:
        if not entries:
            return
        run, attempt, now = self._control.run_id, self._control.attempt, time.time_ns() // 1_000_000
        # ASCII alone: a key that is no UTF-8 is told by escapes, which every reader of JSON takes.
        lines = [json.dumps({"run": run, "attempt": attempt, "at": now, **entry}) + "\n" for entry in entries]
        name = f"{QUARANTINE}{run}{MANIFESTS}{now}-{attempt}-{entries[0]['item_no']}.jsonl"
        of = Attributes({"content-type": "application/x-ndjson"})
        scratch = f"{run}-{attempt}-{entries[0]['item_no']}-manifest"
        self._target.put(name, "".join(lines).encode(), of, before=None, mtime=None, scratch=scratch)


def _entry(item: Item, aside: Item, receipt: Receipt, attributes: Attributes) -> dict[str, Any]:
    told = {"headers": attributes.headers, "metadata": attributes.metadata, "tags": attributes.tags}
    return {
        "item_no": item.item_no, "key": aside.key, "kept_as": aside.target_key, "because": item.action,
        "size": aside.bytes, "mtime": aside.mtime, "etag": aside.etag, "kept_etag": receipt.etag,
        "digest": receipt.digest, "evidence": receipt.evidence,
        **{name: dict(held) for name, held in told.items() if held},
    }  # fmt: skip


def _not_kept(item: Item, error: StoreError) -> Receipt:
    done = "deleted" if item.action == "delete" else "replaced"
    why = f"what stands there can't be kept, so it was not {done}: {error}"
    return Receipt(item.item_no, "failed", error=why, at=time.time_ns() // 1_000_000)


def _aside(item: Item, run_id: str) -> Item:
    if item.action == "delete":
        return item._replace(target_key=f"{QUARANTINE}{run_id}/{item.key}", action="create", before=None)
    standing = json.loads(item.before or "{}")
    name = name_of(item)
    return Item(
        item.item_no, name, f"{QUARANTINE}{run_id}/{name}", "create", None,
        standing["size"], standing["mtime"], standing["etag"],
    )  # fmt: skip
