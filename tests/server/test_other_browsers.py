"""The page of its own in Firefox and in WebKit: what Chromium is tried with at length, once in each of these."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers import KINDS, until
from serving import TOKEN, Server

from migrator import api

FIGURE = "+document.querySelector('.mgp-figure b')?.textContent.replaceAll(',', '')"
PILL = "document.querySelector('.mgp-panel[data-run] .mgp-pill')?.textContent"
# What the events of a run bring by themselves, as a page without our script would have them.
LISTEN = """(() => {
  const heard = (window.heard = { snapshots: 0, numbered: 0, end: "" });
  const source = new EventSource("/migrator/api/runs/RUN/events");
  source.addEventListener("snapshot", (event) => { if (JSON.parse(event.data).id === "RUN") heard.snapshots++; });
  source.addEventListener("status", (event) => { heard.numbered += +event.lastEventId > 0; });
  source.addEventListener("end", (event) => { heard.end = JSON.parse(event.data).status; source.close(); });
  return true;
})()"""


@pytest.fixture(params=sorted(KINDS))
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    start, found, missing = KINDS[request.param]
    if not found():
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    with start(tmp_path) as browser:
        yield browser


# Mutation: name the events of EventsHandler otherwise, and it fails in both.
def test_the_page_its_socket_its_events_and_cancel(other: Any, server: Server, slow: api.Run) -> None:
    other.go(f"{server.url}migrator?token={TOKEN}")  # the token becomes a cookie
    until(other, "document.querySelector('.mgp-entry')?.textContent.includes('running') ?? false")
    other.go(f"{server.url}migrator/runs/{slow.id}")
    until(other, f"{PILL} === 'running'")
    other.js(LISTEN.replace("RUN", slow.id))
    before = other.js(FIGURE)
    until(other, f"{FIGURE} >= {before} + 3")
    assert other.js("globalThis[Symbol.for('migrator.hub')].socket.readyState") == 1
    until(other, "window.heard.snapshots > 1 && window.heard.numbered > 0")
    other.click(".mgp-stop")
    until(other, f"{PILL} === 'cancelled'")
    assert slow.status == "cancelled"
    assert until(other, "window.heard.end") == "cancelled"
