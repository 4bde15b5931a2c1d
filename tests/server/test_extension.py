"""What the extension does beside answering: it is announced to kernels, and a live run counts as activity."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrator import __version__, api
from migrator.migrations import CopyObjects
from migrator.server import extension
from migrator.server.desk import Desk


@pytest.fixture
def desk(state: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("MIGRATOR_SERVER", "")
    return Desk(ThreadPoolExecutor(1), [])


# Mutation: count without asking whether any is alive, and an idle server is never culled; count nothing, and a
# server with a live run is.
def test_a_run_is_activity_while_it_lives_and_no_longer(desk: Desk, tmp_path: Path) -> None:
    def counted() -> bool:
        settings: dict[str, Any] = {}
        asyncio.run(extension._count_activity(settings, desk))
        return "migrator_last_activity" in settings

    assert not counted()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    run = api.start(CopyObjects(tmp_path / "in", tmp_path / "out"), mode="queue")
    assert counted()  # one that waits is to be taken up by a worker of this server
    run.cancel()
    run.wait(30, check=False)
    assert not counted()


def test_a_state_db_that_is_away_is_no_activity_and_ends_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.db").write_text("this is no database, whatever its name says" * 9)
    monkeypatch.setenv("MIGRATOR_STATE", str(tmp_path / "text.db"))
    settings: dict[str, Any] = {}
    asyncio.run(extension._count_activity(settings, desk))
    assert settings == {}
    warned: list[Any] = []
    log = SimpleNamespace(warning=lambda *words: warned.append(words))
    asyncio.run(desk.call(partial(extension._open, log)))
    assert len(warned) == 1
    assert os.environ["MIGRATOR_SERVER"] == ""


# Mutation: leave the state DB's id out of what is exported, and a kernel on another one takes the server for its own.
def test_kernels_are_told_the_release_and_the_state_db(desk: Desk) -> None:
    asyncio.run(desk.call(partial(extension._open, None)))
    assert os.environ["MIGRATOR_SERVER"] == f"{__version__}:{api.open_state().state_id}"
