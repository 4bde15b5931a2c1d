"""The view alone: one line of it, a second press for what destroys or costs, sliders, a lost line, past runs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from labs import stop_clock
from playwright.sync_api import Page, expect
from test_browser_terms import asked, name

PLAN = "harness.states.stakes.snapshot"


def mount(page: Page, state: str) -> None:
    page.evaluate(f"() => {{ window.at = harness.mount({state}); return harness.drawn(); }}")


# Mutation: forget to remember it in fold.js, and the second panel is whole again.
def test_a_panel_is_one_line_and_stays_so(harness: Any, picture: Any) -> None:
    page = harness()
    mount(page, "harness.states.running")
    panel, chevron = page.locator(".mgp-panel"), name(page, "Details")
    chevron.focus()
    page.keyboard.press("Enter")
    expect(chevron).to_be_focused()
    expect(chevron).to_have_attribute("aria-expanded", "false")
    expect(panel.locator(".mgp-brief")).to_have_text("1,245,102 of 2,041,377 · 119.9 GB · 7 failed")
    for part in (".mgp-progress", ".mgp-details", ".mgp-foot", ".mgp-verbs"):
        expect(panel.locator(part)).to_be_hidden()
    assert (panel.bounding_box() or {})["height"] < 45
    page.evaluate("() => at.abort()")
    mount(page, "harness.states.running")
    expect(page.locator(".mgp-log")).to_be_hidden()
    name(page, "Details").press("Enter")
    expect(page.locator(".mgp-log")).to_be_visible()
    page.set_viewport_size({"width": 480, "height": 700})
    name(page, "Details").press("Enter")
    assert set(panel.evaluate("harness.inside")) == {True}
    picture(page, "narrow-folded")


# Mutation: let `sure` in mount.js call at once, and the first press applies it.
def test_what_destroys_needs_a_second_press_by_the_keyboard(harness: Any) -> None:
    page = harness()
    mount(page, "{}")
    page.evaluate("() => at.setAnswer(async (verb) => verb === 'plan' ? { groups: [], prefixes: [], notes: [], "
                  "cost: { total: 26.5, told: 'about 26.50 USD: 3,700,000 PUT, 178.0 GB out' } } : null)")  # fmt: skip
    page.evaluate(f"() => at.give({{ snapshot: {PLAN} }})")
    button, box = name(page, "Apply this plan"), page.locator(".mgp-confirm")
    button.press("Enter")
    expect(box.locator("li")).to_have_text([
        "It replaces 3,501 objects, 300.0 MB. What goes can't be brought back.",
        "It costs about 26.50 USD: 3,700,000 PUT, 178.0 GB out.",
    ])  # fmt: skip
    expect(name(page, "Back")).to_be_focused()
    page.keyboard.press("Enter")
    expect(box).to_be_hidden()
    expect(button).to_be_focused()
    button.press("Enter")
    expect(name(page, "Back")).to_be_focused()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    assert [verb for verb, _ in asked(page)] == ["plan"]
    button.press("Enter")
    expect(name(page, "Back")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(box).to_be_hidden()
    assert asked(page)[1:] == [["apply", {"mode": "streaming", "where": None}]]


def test_what_destroys_before_any_plan_is_asked_about_too(harness: Any) -> None:
    page = harness()
    mount(page, "{ draft: { title: 'delete what a does not have from b', dry_run: false, stakes: ['It deletes.'] } }")
    name(page, "Run").click()
    expect(page.locator(".mgp-stakes")).to_have_text("It deletes.")
    page.get_by_label("Dry run").check()  # which destroys nothing
    expect(page.locator(".mgp-confirm")).to_be_hidden()
    name(page, "Plan it").click()
    assert [(verb, args["dry_run"]) for verb, args in asked(page)] == [("start", True)]


# Mutation: leave "change" out of wireLimits, and nothing is asked.
def test_limits_are_set_by_sliders_and_no_limit_is_at_their_end(harness: Any) -> None:
    page = harness()
    mount(page, "harness.states.running")
    name(page, "Limits").click()
    rate, objects = (page.get_by_role("slider", name=label) for label in ("Bytes a second", "Objects at once"))
    expect(rate).to_have_attribute("aria-valuetext", "no limit")
    rate.focus()
    page.keyboard.press("ArrowLeft")
    expect(rate).to_have_attribute("aria-valuetext", "10 GB a second")
    expect(page.get_by_role("textbox", name="Bytes a second")).to_have_value("10GB")
    objects.focus()
    page.keyboard.press("Home")
    assert asked(page) == [
        ["limit", {"bytes_per_s": "10GB", "in_flight": ""}], ["limit", {"bytes_per_s": "10GB", "in_flight": "1"}]
    ]  # fmt: skip
    limits = "{ bytes_per_s: 20 * 2 ** 20, in_flight: 64 }"
    page.evaluate(f"() => at.give({{ snapshot: {{ ...harness.running, limits: {limits} }} }})")
    expect(rate).to_have_attribute("aria-valuetext", "20 MiB a second")
    places = page.evaluate("[...document.querySelectorAll('.mgp-slider')].map(n => +n.value)")
    assert places[0] == 46
    assert places[1] in (0, 66)  # the one with the focus stays under the finger
    page.keyboard.press("End")
    assert asked(page)[-1] == ["limit", {"bytes_per_s": "20MiB", "in_flight": ""}]


# Mutation: leave `gapOf` out of reduce, and nobody hears what came meanwhile.
def test_a_lost_connection_is_shown_at_once_and_what_it_missed_is_told(harness: Any, page: Page, clock: Any) -> None:
    clock.install()
    harness()
    stop_clock(page)
    page.evaluate("() => { window.at = harness.mount({ snapshot: harness.running }) }")
    clock.run_for(100)
    page.evaluate("() => at.give({ away: { next: Date.now() + 4000 } })")
    clock.run_for(100)
    panel, notes = page.locator(".mgp-panel"), page.locator(".mgp-notes")
    expect(panel).to_have_class(re.compile("mgp-off"))
    expect(notes).to_have_text("No connection to the Jupyter server. The run does not need it. Trying again in 4 s.")
    clock.run_for(42_000)
    expect(page.locator(".mgp-pill")).to_contain_text(re.compile("running, last seen 4[345] s ago"))
    expect(notes).to_contain_text("Trying again now.")
    page.evaluate(
        "() => at.give({ snapshot: { ...harness.running, copied: harness.running.copied + 12310, failed: 9 } })"
    )
    clock.run_for(100)
    expect(notes).to_have_text(re.compile("^Back after 4[234] s: 12,310 more copied, 2 failed.$"))
    expect(panel).not_to_have_class(re.compile("mgp-off"))
    clock.run_for(60_000)
    expect(notes).not_to_contain_text("Back after")


@pytest.mark.parametrize(("was", "then", "told"), [
    ({}, {}, "Back after 20 s: nothing has changed."),
    ({}, {"status": "completed"}, "Back after 20 s: it is completed now."),
])  # fmt: skip
def test_what_was_missed_in_words(harness: Any, was: Any, then: Any, told: str) -> None:
    page = harness()
    said = page.evaluate(
        """([was, then]) => { const p = harness.panel;
             const first = p.reduce(p.initial(), { snapshot: { ...harness.running, ...was } }, 1e6);
             const away = p.reduce(first, { away: { next: 0 } }, 1e6 + 5000);
             return p.reduce(away, { snapshot: { ...harness.running, ...then } }, 1e6 + 20000).missed.text; }""",
        [was, then],
    )
    assert said == told


def test_the_end_offers_a_report_and_a_plan_of_what_failed(harness: Any) -> None:
    page = harness()
    mount(page, "harness.states.partial")
    name(page, "Plan these 7 again").click()
    assert [each for each in asked(page) if each[0] == "retry"] == [["retry", {"mode": "streaming"}]]
    page.evaluate("() => at.setAnswer(async () => ({ html: '<b>all of it</b>', name: 'k7f2.html' }))")
    with page.expect_download() as download:
        name(page, "Report").click()
    assert download.value.suggested_filename == "k7f2.html"
    assert download.value.path().read_text() == "<b>all of it</b>"


# Mutation: leave `title` out of the question in history.js, and the first list is of all places.
def test_past_runs_unfold_below_and_open_there(harness: Any, picture: Any) -> None:
    page = harness()
    page.evaluate(
        """() => { window.read = []; const runs = [1, 2, 3].map((n) => ({ ...harness.running, status: "completed",
             id: `p${n}`, name: `p${n}`, created_at: 1.7e12 - n * 1e8, started_at: 1.7e12, finished_at: 2e12 }));
           window.at = harness.mount(harness.states.completed, { ways: {
             read: async (query) => { read.push(query); return runs; },
             view: (box, id) => box.append(`the run ${id}`) } }); }"""
    )
    fold = name(page, "Past runs")
    fold.press("Enter")
    expect(page.locator(".mgp-entry")).to_have_count(3)
    picture(page, "past-runs")
    assert page.evaluate("read[0].title") == "s3://raw-events/2026/ → gs://lake/events/"
    name(page, "All runs").click()
    page.wait_for_function("read.length === 2 && !('title' in read[1])")
    page.locator(".mgp-entry").nth(1).press("Enter")
    expect(page.locator(".mgp-stage")).to_have_text("the run p2")
    expect(name(page, "← Past runs")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".mgp-entry").nth(1)).to_be_focused()
    fold.press("Enter")
    expect(page.locator(".mgp-past-place")).to_be_hidden()
