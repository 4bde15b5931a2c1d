"""Runs as they change: one socket for many, events for all other clients, one reader whoever looks."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import websocket
from serving import TOKEN, Server

from migrator import api


class Page:
    """What a page has: one socket, and what came by it."""

    def __init__(self, server: Server, **options: Any) -> None:
        url = server.url.replace("http", "ws", 1) + "migrator/api/socket"
        headers = options.pop("header", [f"Authorization: token {TOKEN}"])
        self.socket = websocket.create_connection(url, timeout=20, header=headers, **options)
        self.seen: list[dict[str, Any]] = []

    def ask(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def until(self, wanted: Callable[[dict[str, Any]], Any], seconds: float = 20) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.seen.append(json.loads(self.socket.recv()))
            if wanted(self.seen[-1]):
                return self.seen[-1]
        raise AssertionError(f"it did not come in {seconds} s: {self.seen[-3:]}")

    def log(self, run_id: str) -> str:
        return "".join(message.get("log", "") for message in self.seen if message.get("run") == run_id)


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    made = Page(server)
    yield made
    made.socket.close()


def test_one_socket_shows_many_runs_their_events_and_output(page: Page, slow: api.Run, done: api.Run) -> None:
    page.ask(sub=slow.id, after=0, log=True)
    page.ask(sub=done.id, after=0, log=True)
    first = page.until(lambda m: m["run"] == slow.id and m.get("snapshot", {}).get("copied", 0) > 1)
    page.until(lambda m: m["run"] == slow.id and m.get("snapshot", {}).get("copied", 0) > first["snapshot"]["copied"])
    for run in (slow, done):
        events = [event for m in page.seen if m["run"] == run.id for event in m.get("events", ())]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert "attempt 1" in page.log(slow.id)
    assert page.log(done.id) == done.log()[0]


def test_a_page_that_comes_back_gets_what_it_missed_and_nothing_twice(server: Server, done: api.Run) -> None:
    text, cursor = done.log(0, 120)
    back = Page(server)
    back.ask(sub=done.id, after=3, log=True, cursor=cursor)
    back.until(lambda m: "log" in m)
    with contextlib.suppress(websocket.WebSocketTimeoutException):
        back.socket.settimeout(1)
        back.until(lambda _: False, 2)
    assert text + back.log(done.id) == done.log()[0]
    events = [event["seq"] for m in back.seen for event in m.get("events", ())]
    assert events == list(range(4, done.snapshot().seq + 1))
    back.socket.close()


def test_what_is_asked_elsewhere_is_seen_at_once(page: Page, server: Server, slow: api.Run) -> None:
    page.ask(sub=slow.id)
    page.until(lambda m: m.get("snapshot", {}).get("status") == "running")
    assert server.ask(f"api/runs/{slow.id}/cancel", {}).status == 200
    page.until(lambda m: m.get("snapshot", {}).get("cancel_requested"))
    told = page.until(lambda m: m.get("snapshot", {}).get("status") == "cancelled")
    assert time.time() - told["snapshot"]["finished_at"] / 1000 < 5  # how long its end takes is the run's affair


# Mutation: give each seat a watch of its own in Hub.sit, and the reads grow with the viewers.
def test_many_viewers_cost_one_reader(server: Server, slow: api.Run) -> None:
    pages = [Page(server) for _ in range(10)]
    for one in pages:
        one.ask(sub=slow.id, log=True)
    for one in pages:
        one.until(lambda m: m.get("snapshot", {}).get("copied", 0) > 3)
    reads, begun = server.ask("api/status").json["reads"], time.monotonic()
    time.sleep(3)
    per_second = (server.ask("api/status").json["reads"] - reads) / (time.monotonic() - begun)
    for one in pages:
        one.socket.close()
    assert per_second < 12  # 2 rounds a second: a snapshot, its events, its log


def test_a_run_that_is_not_there_is_said(page: Page) -> None:
    page.ask(sub="nobody-copy-0101")
    assert "no run 'nobody-copy-0101'" in page.until(lambda m: "trouble" in m)["trouble"]
    page.ask(sub=3, after="x")
    page.until(lambda m: "Not understood" in m.get("trouble", ""))


@pytest.mark.parametrize("header", [[], ["Authorization: token wrong"]])
def test_nobody_listens_without_a_token(server: Server, header: list[str]) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Page(server, header=header)
    assert refused.value.status_code == 403


def test_a_page_of_another_site_can_not_listen(server: Server) -> None:
    answer = server.ask(f"/api/status?token={TOKEN}", token=None)
    mine = answer.headers["Set-Cookie"].partition(";")[0]
    Page(server, header=[], cookie=mine, origin=server.url.rstrip("/")).socket.close()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Page(server, header=[], cookie=mine, origin="https://evil.example")
    assert refused.value.status_code == 403


def events_of(server: Server, run_id: str, **headers: str) -> list[dict[str, str]]:
    """A whole stream of server-sent events, until its end."""
    request = urllib.request.Request(f"{server.url}migrator/api/runs/{run_id}/events")
    request.add_header("Authorization", f"token {TOKEN}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        blocks = answer.read().decode().strip().split("\n\n")
    fields = (dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in blocks)
    return [field for field in fields if "event" in field]


def test_server_sent_events_are_numbered_and_end(server: Server, done: api.Run) -> None:
    told = events_of(server, done.id)
    numbers = [int(event["id"]) for event in told if "id" in event]
    assert numbers == list(range(1, done.snapshot().seq + 1))
    assert told[-1]["event"] == "end"
    assert json.loads(told[-1]["data"]) == {"status": "completed"}


def test_server_sent_events_go_on_where_they_broke(server: Server, done: api.Run) -> None:
    told = events_of(server, done.id, Last_Event_ID="4")
    assert [int(event["id"]) for event in told if "id" in event] == list(range(5, done.snapshot().seq + 1))
    last = str(done.snapshot().seq)
    assert events_of(server, done.id, Last_Event_ID=last)[-1]["event"] == "end"


def test_server_sent_events_follow_a_run_to_its_end(server: Server, slow: api.Run) -> None:
    slow.limit("5MB")
    told = events_of(server, slow.id)
    assert told[-1]["event"] == "end"
    assert any(event["event"] == "snapshot" for event in told)


# Mutation: read one frame a round in hub.py, and the end is far away; give no 500, and a page works on one for long.
def test_output_that_is_written_fast_comes_whole_in_small_frames(page: Page, slow: api.Run) -> None:
    page.ask(sub=slow.id, log=True)
    page.until(lambda m: "attempt 1" in m.get("log", ""))
    begun = time.monotonic()
    with (Path(slow.snapshot().workspace) / "output.log").open("ab") as log:
        for n in range(100):
            log.write(b"".join(b"written fast, line %06d\n" % (n * 500 + i) for i in range(500)))
            log.flush()
    page.until(lambda m: "line 049999\n" in m.get("log", ""), 60)
    assert time.monotonic() - begun < 30  # one frame a round would take a minute
    frames = [m for m in page.seen if "log" in m]
    assert max(m["log"].count("\n") for m in frames) <= 500
    lines = [line for line in page.log(slow.id).split("\n") if line.startswith("written fast")]
    assert lines == [f"written fast, line {n:06}" for n in range(50_000)]
    assert all(m["from"] in (None, m["start"]) for m in frames)


# Mutation: let a seat always be ready, and the server holds the sixty megabytes for the page that does not read.
def test_a_page_that_does_not_read_costs_no_memory_and_misses_nothing(server: Server, slow: api.Run) -> None:
    stuck = Page(server, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)], skip_utf8_validation=True)
    brisk = Page(server, skip_utf8_validation=True)
    for one in (stuck, brisk):
        one.ask(sub=slow.id, log=True)
        one.until(lambda m: "attempt 1" in m.get("log", ""))
    before = psutil.Process(server.pid).memory_info().rss
    line = "x" * 600
    with (Path(slow.snapshot().workspace) / "output.log").open("a") as log:
        log.writelines(f"{n:06} {line}\n" for n in range(100_000))
    brisk.until(lambda m: "\n099999 " in m.get("log", ""), 60)
    seen = brisk.until(lambda m: "snapshot" in m)["snapshot"]["copied"]
    assert psutil.Process(server.pid).memory_info().rss - before < 25e6
    stuck.until(lambda m: "\n099999 " in m.get("log", ""), 60)
    for one in (stuck, brisk):
        numbers = [int(each[:6]) for each in one.log(slow.id).split("\n") if line in each]
        assert numbers == list(range(100_000))
    pictures = [m["snapshot"]["copied"] for m in stuck.seen if "snapshot" in m]
    assert pictures == sorted(pictures)
    assert pictures[-1] >= seen  # the newest, and not each that it missed
    stuck.socket.close()
    brisk.socket.close()


def test_a_run_of_which_nothing_is_new_is_said_to_be_there(page: Page, done: api.Run) -> None:
    page.ask(sub=done.id)
    page.until(lambda m: m.get("still"))
    assert page.seen[-1] == {"run": done.id, "still": True}
