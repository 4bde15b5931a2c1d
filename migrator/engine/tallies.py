"""What a run's receipts come to: a shard at a time, so that very many objects take no more memory than some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..model import Shard
from . import files

MOST_LOSSES = 50


def tally_evidence(workspace: Path, shards: Iterable[Shard]) -> dict[str, dict[str, int]]:
    """Items by evidence (by status where there is none) and attributes lost by name, over the newest receipts."""
    evidence, losses = Counter[str](), Counter[str]()
    for shard in shards:
        for (status, proof, lost), items in _tally(workspace, shard).items():
            evidence[proof or status] += items
            for name in lost.split(",") if lost else ():
                losses[name] += items
    most = sorted(losses.items(), key=lambda loss: (-loss[1], loss[0]))[:MOST_LOSSES]
    return {"evidence": dict(sorted(evidence.items())), "losses": dict(most)}


def _tally(workspace: Path, shard: Shard) -> Counter[tuple[str, str | None, str | None]]:
    """How many items of a shard have each status, evidence and losses."""
    paths = [workspace / name for name in shard.receipts]
    if len(paths) == 1:  # as nearly always; then no item has two
        return Counter(files.read_columns(paths[0], ["status", "evidence", "losses"]))
    newest = files.newest_receipts(paths).values()
    return Counter((receipt.status, receipt.evidence, receipt.losses) for receipt in newest)
