"""The view alone: the mode, the queue, pause, limits. What is shown, what is asked, and what the keyboard does."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

MOUNT = """([state, options]) => {
  window.at = harness.mount(harness.states[state] ?? state, options ?? {});
  return harness.drawn();
}"""
GIVE = "changes => at.give({ snapshot: { ...harness.states[changes.of].snapshot, ...changes } })"


@pytest.fixture
def show(harness):
    """Opens the harness with one state, to play with."""

    def mount(state):
        page = harness()
        page.evaluate(MOUNT, [state, None])
        return page

    return mount


def asked(page):
    return page.evaluate("at.asked")


def name(page, label):
    return page.get_by_role("button", name=label, exact=True)


# Mutation: leave `mode` out of the start message in mount.js, and this fails.
def test_the_mode_is_chosen_by_keys_and_goes_with_the_start(show):
    page = show("backfill")
    group = page.get_by_role("radiogroup", name="Mode")
    streaming, queue = group.get_by_role("radio", name="Streaming"), group.get_by_role("radio", name="Queue")
    expect(streaming).to_have_attribute("aria-checked", "true")
    expect(queue).to_have_attribute("tabindex", "-1")
    streaming.focus()
    for key, chosen in (("ArrowRight", queue), ("ArrowRight", streaming), ("ArrowUp", queue)):
        page.keyboard.press(key)
        expect(chosen).to_be_focused()
        expect(chosen).to_have_attribute("aria-checked", "true")
        expect(chosen).to_have_attribute("tabindex", "0")
    expect(group.locator("[aria-checked=true]")).to_have_count(1)
    name(page, "Queue it").click()
    assert asked(page) == [["start", {"dry_run": False, "mode": "queue", "bytes_per_s": "", "in_flight": ""}]]


def test_the_draft_stands_as_python_made_it(show):
    page = show("limited")
    expect(page.get_by_role("radio", name="Queue")).to_have_attribute("aria-checked", "true")
    expect(page.locator(".mgp-limits-now")).to_have_text("20 MiB/s · 64 at once")
    name(page, "Queue it").click()
    assert asked(page)[0][1] == {"dry_run": False, "mode": "queue", "bytes_per_s": "20MiB", "in_flight": "64"}


# Mutation: leave `mode` out of the resume message, and this fails.
@pytest.mark.parametrize(
    ("state", "label", "verb"), [("partial", "Resume", "resume"), ("plan", "Apply this plan", "apply")]
)
def test_an_end_and_a_plan_go_on_in_the_mode_that_is_chosen(show, state, label, verb):
    page = show(state)
    expect(page.get_by_role("radio", name="Streaming")).to_have_attribute("aria-checked", "true")  # as it ran
    page.get_by_role("radio", name="Queue").click()
    page.evaluate(GIVE, {"of": state, "seq": 99})  # a round of reading does not undo the choice
    name(page, label).click()
    part = {"where": None} if verb == "apply" else {}
    assert [each for each in asked(page) if each[0] == verb] == [[verb, {"mode": "queue"} | part]]


# Mutation: offer the toggle on live runs in head.js (`mode: true`), and this fails.
@pytest.mark.parametrize(
    ("state", "told"), [("running", "streaming"), ("queued", "queue default"), ("paused", "queue default")]
)
def test_a_live_run_shows_its_mode_and_does_not_change_it(show, state, told):
    page = show(state)
    expect(page.get_by_role("radiogroup")).to_have_count(0)
    expect(page.locator(".mgp-how")).to_have_text(told)


def test_a_queued_run_says_its_place_who_is_ahead_and_what_it_waits_for(show):
    page = show("queued")
    expect(page.locator(".mgp-pill")).to_have_text("queued")
    expect(page.locator(".mgp-aside")).to_have_text("3rd in default")
    expect(page.locator(".mgp-queue .mgp-note:visible")).to_have_text(
        "Behind p3x9q-backfill-0310 and w8r1t-copy-0311. Waits for its turn: 1 of 1 running (p3x9q-backfill-0310)."
    )
    expect(page.locator(".mgp-spoken")).to_have_text("Migration queued, 3rd in default")
    expect(page.locator(".mgp-progress")).to_be_hidden()
    page.evaluate("() => at.setAnswer(async () => { throw new Error('s3://lake is being written by run r0.'); })")
    name(page, "Run now instead").click()
    expect(page.locator(".mgp-notes")).to_have_text("s3://lake is being written by run r0.")
    page.evaluate(GIVE, {"of": "queued", "position": 12, "ahead": ["a", "b", "c", "d", "e"]})
    expect(page.locator(".mgp-queue .mgp-note:visible")).to_contain_text("Behind a, b, c and 8 others.")
    assert asked(page) == [["run_now", None]]


# Mutation: take `workerComes` out of the click in mount.js, and a double click starts two; let it look at `busy`
# alone, and the last clicks start another.
def test_a_worker_is_asked_for_once(show):
    page = show("workerless")
    expect(page.locator(".mgp-ask")).to_contain_text("No worker serves the queue default.")
    button = page.locator(".mgp-ask button")
    button.dblclick()
    expect(button).to_have_text("Starting a worker…")
    page.wait_for_timeout(100)  # the answer has come
    page.evaluate(GIVE, {"of": "workerless", "seq": 5})  # and the worker has not
    button.click(force=True)
    page.keyboard.press("Enter")
    assert [verb for verb, _ in asked(page)] == ["start_worker"]
    page.evaluate(GIVE, {"of": "workerless", "waiting_for": "a worker to take it"})
    expect(page.locator(".mgp-ask")).to_be_hidden()


def test_a_worker_that_could_not_start_may_be_asked_for_again(show):
    page = show("workerless")
    page.evaluate("() => at.setAnswer(async () => { throw new Error('No process can be started.'); })")
    button = name(page, "Start a worker")
    for _ in range(2):
        button.click()
        expect(page.locator(".mgp-notes")).to_have_text("No process can be started.")
        expect(button).to_have_attribute("aria-disabled", "false")
    assert len(asked(page)) == 2


def test_a_worker_that_never_came_may_be_asked_for_again(show, page, clock):
    clock.install()
    show("workerless")
    name(page, "Start a worker").click()
    expect(page.locator(".mgp-ask button")).to_have_attribute("aria-disabled", "true")
    clock.run_for(25_000)
    expect(page.locator(".mgp-ask button")).to_have_attribute("aria-disabled", "false")


# Mutation: paint without keepFocus, and the focus is lost: in Lab the next `d d` deletes the cell.
@pytest.mark.parametrize(
    ("state", "label", "then"),
    [
        ("workerless", "Start a worker", "next"),
        ("backfill", "Run", "starting"),
        ("queued", "Run now instead", "starting"),
    ],
)
def test_the_focus_stays_in_the_panel_when_its_button_goes(show, state, label, then):
    page = show(state)
    name(page, label).focus()
    page.evaluate(GIVE, {"of": then})
    panel = page.locator(".mgp-panel")
    expect(panel).to_be_focused()
    expect(panel).to_have_attribute("data-lm-suppress-shortcuts", "true")
    page.keyboard.press("Tab")
    expect(panel).not_to_be_focused()
    assert panel.get_attribute("tabindex") is None


def test_pause_and_unpause_by_one_button_that_keeps_the_focus(show):
    page = show("running")
    button = page.locator(".mgp-verbs .mgp-steady:visible")
    button.focus()
    page.keyboard.press("Enter")
    page.evaluate(GIVE, {"of": "pausing"})
    expect(page.locator(".mgp-pill")).to_have_text("pausing…")
    page.evaluate(GIVE, {"of": "paused"})
    expect(page.locator(".mgp-pill")).to_have_text("paused")
    expect(button).to_have_text("Unpause")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    assert [verb for verb, _ in asked(page)] == ["pause", "unpause"]
    page.evaluate(GIVE, {"of": "paused", "pause_requested": False})  # its next beat has not come
    expect(page.locator(".mgp-pill")).to_have_text("running")


# Mutation: sample the rate while it is held, and the line moves.
def test_a_paused_run_stands_still(show):
    page = show("paused")
    look = """() => [...document.querySelectorAll('.mgp-line, .mgp-part, .mgp-rail i, .mgp-figure:nth-child(-n+3)')]
      .map(n => `${n.getAttribute('d')} ${n.style?.width} ${n.textContent}`)"""
    page.wait_for_timeout(100)
    before = page.evaluate(look)
    assert any(text.startswith("M") for text in before)
    for second in range(1, 4):
        changes = {"of": "paused", "rate": 3000 / second, "byte_rate": 2e8 / second}  # the average of ten seconds
        page.evaluate("changes => at.give({ snapshot: { ...harness.states.paused.snapshot, ...changes, "
                      "at: Date.now() + 1000 * changes.second } })", changes | {"second": second})  # fmt: skip
        page.wait_for_timeout(50)
    assert page.evaluate(look) == before
    expect(page.locator(".mgp-figure").nth(3)).to_contain_text(re.compile("–paused · .* so far"))


def test_what_holds_a_run_is_said(show):
    page = show("held")
    expect(page.locator(".mgp-pill")).to_have_class(re.compile("mgp-warn"))
    expect(page.locator(".mgp-notes b")).to_have_class("mgp-warn")
    expect(page.locator(".mgp-notes")).to_have_text(
        "Held: Disk full: it needs 16.0 MB more at '/mnt/lake/events'. The run goes on by itself when that is over."
    )
    page.evaluate(GIVE, {"of": "held", "pause_requested": True})  # paused as well: both are said
    expect(page.locator(".mgp-pill")).to_have_text("paused")
    expect(page.locator(".mgp-notes")).to_contain_text("Disk full")
    page.evaluate(GIVE, {"of": "running"})
    expect(page.locator(".mgp-notes")).to_have_text("")


def test_a_store_that_throttles_is_said_while_it_does(show):
    page = show("throttled")
    expect(page.locator(".mgp-notes")).to_have_text(
        re.compile(r"^Throttled by s3://raw-events \(503 SlowDown\): waiting 1\d s\.$")
    )
    expect(page.locator(".mgp-legend")).to_contain_text("retries 96")
    page.evaluate(GIVE, {"of": "throttled", "throttled": None, "retries": 0})
    expect(page.locator(".mgp-notes")).to_have_text("")
    expect(page.locator(".mgp-is-retries")).to_be_hidden()


# Mutation: take the first start of the events in place of the last, and the resume is the server's.
def test_who_took_a_start_is_said(show):
    page = show("running")
    start = {"seq": 1, "at": 1, "kind": "request", "data": {"request": "start", "by": "ann", "taken": "server"}}
    page.evaluate("(event) => at.give({ events: [event] })", start)
    how = page.locator(".mgp-how")
    expect(how).to_have_text("streaming · started by the Jupyter server")
    expect(how).to_have_attribute("title", re.compile("within 2 s"))
    again = {**start, "seq": 5, "data": {"request": "start", "by": "ann", "taken": "kernel"}}
    page.evaluate("(events) => at.give({ events })", [start, again])
    expect(how).to_have_text("streaming · started by the kernel")


# Mutation: set the fields from every snapshot, changed or not, and what is typed is lost.
def test_limits_are_typed_and_applied(show):
    page = show("running")
    fold = name(page, "Limits")
    expect(page.locator(".mgp-limits-now")).to_have_text("none")
    fold.focus()
    page.keyboard.press("Enter")
    expect(fold).to_have_attribute("aria-expanded", "true")
    page.get_by_role("textbox", name="Bytes a second").fill("20MiB")
    page.evaluate(GIVE, {"of": "running", "done": 1245200})
    page.get_by_role("textbox", name="Objects at once").fill("64")
    page.keyboard.press("Enter")
    expect(fold).to_be_focused()
    expect(fold).to_have_attribute("aria-expanded", "false")
    assert asked(page) == [["limit", {"bytes_per_s": "20MiB", "in_flight": "64"}]]
    page.evaluate(GIVE, {"of": "running", "limits": {"bytes_per_s": 20 << 20, "in_flight": 64}})
    expect(page.locator(".mgp-limits-now")).to_have_text("20 MiB/s · 64 at once")


def test_a_bad_limit_is_told_and_can_be_mended(show):
    page = show("running")
    page.evaluate("() => at.setAnswer(async () => { throw new Error('‘fast’ is no number of bytes.'); })")
    name(page, "Limits").click()
    field = page.get_by_role("textbox", name="Bytes a second")
    field.fill("fast")
    name(page, "Apply").click()
    expect(page.locator(".mgp-notes")).to_have_text("‘fast’ is no number of bytes.")
    expect(field).to_have_value("fast")
    field.press("Escape")
    expect(name(page, "Limits")).to_be_focused()
    expect(page.locator(".mgp-limits-form")).to_be_hidden()


def test_limits_read_as_they_would_be_typed(harness):
    page = harness()
    sizes = [20 << 20, 20_000_000, 500_000_000, 1 << 30, 1500, 1536, 7]
    assert page.evaluate("sizes => sizes.map(harness.panel.exact)", sizes) == [
        "20MiB", "20MB", "500MB", "1GiB", "1500", "1536", "7",
    ]  # fmt: skip
    places = [1, 2, 3, 4, 11, 12, 13, 21, 102, 1112]
    assert page.evaluate("places => places.map(harness.panel.nth)", places) == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "1,112th",
    ]  # fmt: skip


# Mutation: let `offered` in head.js leave out `draft.checks`, and the last line fails.
def test_what_a_copy_needs_is_tried_from_the_panel_and_what_to_do_is_said(show, picture):
    lines = [
        {"what": "reach", "state": "ok", "said": ""},
        {"what": "write", "state": "trouble", "said": "s3://lake denies <b>it</b>; ask for the right to write"},
    ]
    page = show({"draft": {"title": "a → b", "dry_run": True, "checks": True}})
    page.evaluate("lines => at.setAnswer(async () => ({ lines, well: false }))", lines)
    name(page, "Check").press("Enter")
    told = page.get_by_role("status", name="What was tried")
    expect(told.get_by_role("listitem")).to_have_count(3)
    expect(told).to_contain_text("s3://lake denies <b>it</b>; ask for the right to write")
    expect(told).to_contain_text("Mend what is marked ✗")
    assert [verb for verb, *_ in asked(page)] == ["preflight"]
    picture(page, "checks")


def test_what_has_no_two_places_is_not_to_be_checked(show):
    expect(name(show("backfill"), "Check")).to_be_hidden()
