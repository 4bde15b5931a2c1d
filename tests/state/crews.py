"""Several processes on one state DB at the same instant."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from typing import Any

import pytest

CONTEXT = multiprocessing.get_context("spawn")


def at_once(work: Callable[..., Any], each: list[tuple[Any, ...]], timeout: float = 120) -> list[Any]:
    """What ``work(*arguments)`` gives in a process for each, all begun together."""
    gate, results = CONTEXT.Barrier(len(each)), CONTEXT.Queue()
    crew = [CONTEXT.Process(target=_member, args=(work, arguments, gate, results), daemon=True) for arguments in each]
    for one in crew:
        one.start()
    given = [results.get(timeout=timeout) for _ in crew]
    for one in crew:
        one.join(30)
    failed = [text for kind, text in given if kind == "failed"]
    if failed:
        pytest.fail("\n".join(failed))
    return [value for _, value in given]


def _member(work: Callable[..., Any], arguments: tuple[Any, ...], gate: Any, results: Any) -> None:
    gate.wait()
    try:
        results.put(("given", work(*arguments)))
    except BaseException:
        results.put(("failed", traceback.format_exc()))
