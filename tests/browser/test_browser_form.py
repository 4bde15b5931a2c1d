"""The form that a migration's class has: filled in by the keyboard alone, refused in words beside the fields."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


def test_it_is_filled_in_by_the_keyboard_and_says_the_same_in_python(harness, picture):
    page = harness()
    page.evaluate("() => { harness.fill() }")
    expect(page.get_by_label("table")).to_be_focused()
    code = page.locator(".mgp-code")
    expect(code).to_have_text(
        "import migrator as mg\nfrom m import Everything\nmg.start(Everything(table=…), dry_run=True)"
    )
    keys = page.keyboard
    for typed in ('or"ders', "/data/in", "7", "0.5"):
        keys.type(typed)
        keys.press("Tab")
    keys.press("Space")
    keys.press("Tab")
    keys.press("b")  # the choice that begins so
    keys.press("Tab")
    keys.type("03112026")
    page.get_by_label("names").focus()
    keys.type("one\ntwo")
    keys.press("Tab")
    keys.type('{"a": [null, true]}')
    keys.press("Tab")
    keys.press("Enter")  # more
    keys.press("Tab")
    keys.type("the first")
    expect(code).to_have_text(
        "import migrator as mg\nfrom m import Everything\n"
        'mg.start(Everything(table="or\\"ders", where="/data/in", days=7, share=0.5, quick=True, how="b", '
        'since="2026-03-11", names=["one", "two"], rest={"a": [None, True]}), dry_run=True, name="the first")'
    )
    picture(page, "form-filled")
    keys.press("Enter")  # in a field of one line it is the button's
    page.wait_for_function("form.started.length")
    assert page.evaluate("form.asked") == [{
        "migration": "m", "mode": "streaming", "dry_run": True, "name": "the first",
        "spec": {"table": 'or"ders', "where": "/data/in", "days": 7, "share": 0.5, "quick": True, "how": "b",
                 "since": "2026-03-11", "names": ["one", "two"], "rest": {"a": [None, True]}},
    }]  # fmt: skip
    assert page.evaluate("form.started") == ["k7f2-copy-0311"]


def test_mistakes_stand_beside_their_fields_and_the_first_has_the_focus(harness):
    page = harness()
    page.evaluate(
        """() => { harness.fill(harness.formOf(), async () => { throw Object.assign(new Error("no"),
             { fields: { days: "This should be a valid integer.", processes: "Too many.",
                         "": "It can't work." } }) }) }"""
    )
    page.get_by_label("days").fill("many")
    page.get_by_label("rest").fill("{")
    go = page.get_by_role("button", name="Plan it")
    go.click()
    expect(page.get_by_label("rest")).to_be_focused()
    assert page.evaluate("form.asked") == []
    expect(page.locator(".mgp-of-json .mgp-fault")).to_contain_text("This is no JSON")
    page.get_by_label("rest").fill("")
    expect(page.locator(".mgp-of-json .mgp-fault")).to_be_hidden()
    go.click()
    days = page.get_by_label("days")
    expect(days).to_be_focused()
    expect(days).to_have_attribute("aria-invalid", "true")
    expect(days).to_have_accessible_description("This should be a valid integer.")
    expect(page.get_by_role("alert")).to_have_text("It can't work.")
    expect(go).to_have_attribute("aria-disabled", "false")
    page.get_by_label("Dry run").uncheck()
    page.get_by_role("radio", name="Queue").click()
    expect(page.get_by_role("button", name="Queue it")).to_be_visible()
    expect(page.locator(".mgp-code")).to_contain_text('), mode="queue")')


def test_its_words_are_text(harness):
    page = harness()
    page.evaluate("""() => { harness.fill(harness.formOf('<img src=x onerror="window.pwned=1">')) }""")
    expect(page.locator(".mgp-help").nth(1)).to_contain_text("onerror")
    assert page.evaluate("[window.pwned ?? 0, document.querySelectorAll('.mgp img').length]") == [0, 0]
    focusable = page.locator(".mgp :is(button, a, input, select, textarea, [tabindex])")
    assert focusable.count() == page.locator(".mgp [data-lm-suppress-shortcuts=true]").count() > 10


@pytest.mark.parametrize(("theme", "width"), [("light", 860), ("dark", 860), ("contrast", 480)])
def test_it_can_be_read_and_is_never_too_wide(harness, picture, theme, width):
    page = harness(width=width, theme=theme)
    page.evaluate("() => { harness.fill() }")
    page.get_by_role("button", name="More").click()
    page.evaluate("document.querySelector('.mgp-code').textContent += 'x'.repeat(300)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("harness.pale()") == []
    picture(page, f"form-{theme}-{width}")


# Mutation: call `begin()` in place of `sure("start", begin)` in form.js, and the first Enter starts it.
def test_what_would_be_destroyed_needs_a_second_press(harness, picture):
    page = harness()
    page.evaluate(
        """() => { window.looked = []; const said = ["It replaces what differs. It can't be brought back."];
             harness.fill(undefined, undefined, async (asked) => { looked.push(asked); return said; }) }"""
    )
    keys, box = page.keyboard, page.locator(".mgp-confirm")
    page.get_by_label("Dry run").uncheck()
    page.get_by_label("table").fill("orders")
    keys.press("Enter")
    back = page.get_by_role("button", name="Back")
    expect(back).to_be_focused()
    expect(box).to_contain_text("It replaces what differs.")
    picture(page, "form-stakes")
    keys.press("Escape")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_focused()
    keys.press("Enter")
    expect(back).to_be_focused()
    page.get_by_label("table").fill("orders_2")  # what was said was said of something else
    expect(box).to_be_hidden()
    keys.press("Enter")
    expect(back).to_be_focused()
    assert page.evaluate("form.asked") == []
    keys.press("Tab")
    keys.press("Enter")
    page.wait_for_function("form.started.length")
    assert [each["spec"] for each in page.evaluate("form.asked")] == [{"table": "orders_2"}]
    assert [each["spec"]["table"] for each in page.evaluate("looked")] == ["orders", "orders", "orders_2"]
