"""What stands at the target and is to be replaced: copied aside first, checked and durable."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from ..config import QUARANTINE
from ..errors import NotFound, SourceChanged, StoreError
from ..migrations import Control
from ..model import Item, Receipt
from ..stores import Store
from .copying import Abandoned, Copier
from .crew import Crew
from .pace import Pace


class Quarantine:
    """Keeps what a run replaces or deletes where it stands, below `QUARANTINE` and the run's id, under the full key."""

    def __init__(self, target: Store, control: Control, replaced: tuple[str, ...] = ("overwrite",)) -> None:
        self._target, self._control, self._replaced = target, control, replaced
        self._copier = Copier(target, target, control)

    def keep(self, rows: Sequence[Item], pace: Pace) -> tuple[list[Item], list[Receipt]]:
        """Keep what stands where these rows go: the rows that may be done now, and receipts of some that may not.

        What was kept is durable when this returns.
        """
        replaced = [row for row in rows if row.action in self._replaced]
        kept: set[int] = set()
        crew: Crew[Receipt] = Crew(pace, self._control)
        failed = list(crew.run(lambda item: self._keep(item, kept), replaced))
        self._target.sync()
        return [row for row in rows if row.action not in self._replaced or row.item_no in kept], failed

    def _keep(self, item: Item, kept: set[int]) -> Receipt | None:
        try:
            self._copier.copy(_aside(item, self._control.run_id))
        except (NotFound, SourceChanged):
            pass  # an earlier attempt replaced it already, or somebody did: the copy tells them apart
        except Abandoned:
            return None
        except StoreError as error:
            why = f"what stands there can't be kept, so it was not replaced: {error}"
            return Receipt(item.item_no, "failed", error=why, at=time.time_ns() // 1_000_000)
        kept.add(item.item_no)
        return None


def _aside(item: Item, run_id: str) -> Item:
    if item.action == "delete":
        return item._replace(target_key=f"{QUARANTINE}{run_id}/{item.key}", action="create", before=None)
    standing = json.loads(item.before or "{}")
    name = item.target_key or item.key
    return Item(
        item.item_no, name, f"{QUARANTINE}{run_id}/{name}", "create", None,
        standing["size"], standing["mtime"], standing["etag"],
    )  # fmt: skip
