"""The receipts of what a plan itself passes over, as columns: most rows of a run with nothing to do are such."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
import pyarrow.compute

from ..columns import scalar
from .files import RECEIPT

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker knows them


def part(plan: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of a plan that are to be looked at one by one, and the receipts of the others."""
    skip, omit = (pc.equal(plan["action"], scalar(action)) for action in ("skip", "omit"))
    passed = pc.or_(skip, omit)
    return plan.filter(pc.invert(passed)), _receipts(plan.filter(passed))


def _receipts(plan: pa.Table) -> pa.Table:
    rows = plan.num_rows
    said = {
        "item_no": plan["item_no"],
        "status": pa.repeat(scalar("skipped"), rows),
        "evidence": pc.if_else(pc.equal(plan["action"], scalar("skip")), scalar("listed"), pa.nulls(rows, pa.string())),
        "bytes": plan["bytes"],
        "at": pa.repeat(scalar(time.time_ns() // 1_000_000), rows),
    }
    return pa.table([said.get(field.name, pa.nulls(rows, field.type)) for field in RECEIPT], schema=RECEIPT)
