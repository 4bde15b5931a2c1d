"""What stands at the target where an item goes: its name, what the plan saw there, and what is there instead."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from ..errors import AlreadyExists, StoreError
from ..model import Item
from ..stores import ObjectInfo, Store
from ..stores.abilities import Checksummed


def name_of(item: Item) -> str:
    """What it is called at the target."""
    return item.target_key or item.key


def before_of(item: Item) -> str | None:
    """The version tag of what the plan saw there."""
    return json.loads(item.before)["etag"] if item.before else None


def checksum_of(store: Store, key: str, pinned: str | None) -> str | None:
    """What a store tells of all bytes without their being read; few do."""
    return store.checksum(key, pinned) if isinstance(store, Checksummed) else None


def corrupt(item: Item) -> StoreError:
    return StoreError(
        f"{name_of(item)!r} was written, but what the target holds is not what was read. "
        "It may have been replaced meanwhile, or the target is damaged; look at it."
    )


def conflict_at(item: Item, standing: ObjectInfo | None) -> StoreError:
    key = repr(name_of(item))
    if standing is None and item.before is None:  # S3 says so, too, while another write of a key is under way
        return StoreError(
            f"The target refused {key} since something stands there, and now nothing does: somebody may be writing "
            "it. Nothing was written; resume tries it again."
        )
    if standing is None:
        return AlreadyExists(
            f"What stood at the target's {key} is gone since the plan; nothing was written. Plan again."
        )
    there = f"{standing.size:,} B of {datetime.fromtimestamp(standing.mtime / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return AlreadyExists(
        f"Something else appeared at the target's {key} since the plan: {there}. It was left as it is. Plan again."
    )
