"""The poller's rounds: deltas, ends, errors, and no thread too many."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref

import ipywidgets
from desks import until
from fake_run import FakeMigration, FakeRun

from migrator.model import Event
from widgets import poller


def stands_still(run: FakeRun) -> bool:
    """Whether nobody reads it; the round that was under way ends when the machine lets it."""
    reads = run.reads
    time.sleep(0.2)
    return run.reads == reads


def test_log_is_sent_as_deltas_and_whole_lines(desk):
    run = FakeRun()
    run.output = b"one\ntwo\nthr"
    at = desk(run)
    assert at.ask("hello", client="c1")["ok"]
    until(lambda: at.lines("c1") == ["one", "two"])
    run.output += b"ee\nfour\n"
    run.change(done=1)
    until(lambda: at.lines() == ["one", "two", "three", "four"])  # each line once
    firsts = [each["first"] for each in at.sent if each["type"] == "log" and each["to"] is None]
    assert firsts == [0, 2]


def test_no_log_is_read_for_nobody(desk):
    run = FakeRun()
    run.output = b"one\n"
    at = desk(run)
    until(lambda: run.reads > 3)
    assert not at.lines()


def test_a_second_view_gets_the_tail_to_itself(desk):
    run = FakeRun()
    run.output = b"one\ntwo\n"
    at = desk(run)
    at.ask("hello", client="c1")
    until(lambda: at.lines("c1"))
    at.ask("hello", client="c2")
    until(lambda: at.lines("c2") == ["one", "two"])
    assert at.lines() == at.lines("c1") == ["one", "two"]


def test_frames_are_small_and_begin_with_the_tail(desk):
    run = FakeRun()
    run.output = b"".join(b"line %d\n" % i for i in range(50_000))
    at = desk(run)
    at.ask("hello", client="c1")
    until(lambda: at.lines() and at.lines()[-1] == "line 49999")
    frames = [each for each in at.sent if each["type"] == "log"]
    assert max(len(each["lines"]) for each in frames) <= 500
    assert len(at.lines()) < 7_000  # the last 64 KiB, not the whole log


def test_a_hello_with_no_output_is_answered_with_an_empty_tail(desk):
    at = desk(FakeRun())
    at.ask("hello", client="c1")
    until(lambda: any(each["type"] == "log" and each["to"] == "c1" for each in at.sent))


def test_stops_at_the_end_with_the_last_words(desk):
    run = FakeRun()
    at = desk(run)
    at.ask("hello", client="c1")
    run.output = b"one\nlast words\n"
    run.change(status="failed", error="why")
    until(lambda: at.lines()[-1:] == ["last words"])
    assert at.panel.snapshot["error"] == "why"
    until(lambda: stands_still(run))


def test_goes_on_after_resume(desk):
    run = FakeRun(status="failed")
    at = desk(run)
    until(lambda: at.panel.snapshot.get("status") == "failed")
    time.sleep(0.1)
    at.ask("resume")
    until(lambda: at.panel.snapshot["status"] == "starting")
    run.change(status="completed")
    until(lambda: at.panel.snapshot["status"] == "completed")


def test_events_are_kept(desk):
    run = FakeRun(seq=1)
    run.history = [Event(1, 0, "warning", {"text": "tags"})]
    panel = desk(run).panel
    until(lambda: panel.events == [{"seq": 1, "at": 0, "kind": "warning", "data": {"text": "tags"}}])


def test_an_error_is_shown_and_goes_away(desk, capfd, caplog):
    run = FakeRun()
    at = desk(run)
    run.broken = OSError("disk full")
    until(lambda: "OSError: disk full" in at.panel.trouble)
    run.broken = None
    until(lambda: at.panel.trouble == "")
    assert capfd.readouterr() == ("", "")
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


# Mutation: let each round that shows nothing new make the next one a third later, and it takes half a minute.
def test_a_run_of_which_nothing_is_new_is_looked_at_as_often(desk, monkeypatch):
    monkeypatch.setattr("widgets.feed.QUICK_ROUNDS", 1)
    run = FakeRun()
    desk(run)
    until(lambda: run.reads > 30)


def test_one_thread_for_all_panels_and_none_per_panel(desk):
    panels = [desk(FakeRun()).panel for _ in range(20)]
    until(lambda: all(panel.snapshot for panel in panels))
    names = [thread.name for thread in threading.enumerate()]
    assert names.count(poller.THREAD) == 1
    assert sum(name.startswith(poller.THREAD) for name in names) <= 1 + poller.READERS


def test_a_closed_panel_is_dropped_and_forgotten(desk):
    run = FakeRun()
    at = desk(run)
    until(lambda: run.reads > 2)
    at.panel.close()
    until(lambda: stands_still(run))


def test_a_forgotten_feed_is_collected():
    from widgets.feed import Feed

    class Screen(ipywidgets.Widget):
        snapshot, events, trouble = {}, [], ""

    feed = Feed(Screen())
    feed.show(FakeRun(status="completed"))
    time.sleep(0.3)
    seen = weakref.ref(feed)
    del feed
    ipywidgets.Widget.close_all()
    gc.collect()
    until(lambda: gc.collect() is not None and seen() is None)


def test_a_panel_that_is_not_started_sleeps(desk):
    at = desk(FakeMigration())
    time.sleep(0.1)
    assert at.panel.snapshot == {}
