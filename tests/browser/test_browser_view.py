"""The view alone, in a real browser: every state painted, and what a hostile or a huge input does to it."""

from __future__ import annotations

import time

import pytest
from labs import stop_clock
from playwright.sync_api import expect

from migrator.words import CALLED, OUTCOMES

WORDS = {
    "draft": "not started", "starting": "starting", "running": "running", "planning": "running",
    "silent": "running, last seen", "cancelling": "cancelling…", "plan": "plan ready", "idle": "plan ready",
    "completed": "completed",
    "partial": "partial", "refusals": "partial", "failed": "failed", "cancelled": "cancelled",
    "interrupted": "interrupted",
    "trouble": "running", "title": "running",
    "queued": "queued", "next": "queued", "workerless": "queued", "requeued": "queued",
    "pausing": "pausing…", "paused": "paused", "held": "held", "throttled": "running", "limits": "running",
    "limited": "not started", "refused": "not started", "stakes": "plan ready", "away": "running, last seen",
    "back": "running", "folded": "running", "backfill": "not started",
}  # fmt: skip
OFFERS = {
    "draft": ["Plan it"], "backfill": ["Run"], "running": ["Pause", "Cancel"], "cancelling": ["Cancelling…"],
    "completed": ["Report"], "plan": ["Apply this plan"],
    "idle": [], "partial": ["Report", "Plan these 7 again", "Resume"], "refusals": ["Report", "Plan these 7 again"],
    "failed": ["Report", "Resume"], "interrupted": ["Report", "Resume"],
    "queued": ["Run now instead", "Cancel"], "workerless": ["Run now instead", "Cancel", "Start a worker"],
    "pausing": ["Unpause", "Cancel"], "paused": ["Unpause", "Cancel"], "held": ["Pause", "Cancel"],
    "limits": ["Pause", "Cancel"], "limited": ["Queue it"],
}  # fmt: skip
MOUNT = """([state, options]) => {
  window.at = harness.mount(harness.states[state] ?? state, options ?? {});
  return harness.drawn();
}"""


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_every_state(harness, picture, theme):
    page = harness(show=",".join(WORDS), theme=theme)
    assert page.evaluate("Object.keys(harness.states)") == list(WORDS)
    for panel, words in zip(page.locator(".mgp-panel").all(), WORDS.values(), strict=True):
        expect(panel.locator(".mgp-pill")).to_contain_text(words)
    page.wait_for_timeout(300)
    picture(page, f"states-{theme}")


# Mutation: take an import out of a part, and this fails; joined, nobody would notice.
def test_the_parts_work_as_they_are_written(harness, clock):
    page = harness(show=",".join(WORDS), parts=1)
    clock.set_fixed_time(time.time())
    shown = page.locator(".mgp-pill").all_inner_texts()
    assert len(shown) == len(WORDS)
    assert page.evaluate("harness.repaint()") == []
    page.evaluate("harness.speak()")
    page.evaluate("() => model.change('snapshot', harness.running)")
    expect(page.locator(".mgp-log")).to_have_count(len(WORDS) + 1)


LIST = """async () => {
  const { listRuns } = await import("/parts.js"), life = new AbortController();
  window.runs = Array.from({ length: 61 }, (_, n) => ({ ...harness.running, id: `r${100 + n}`, created_at: 1e12 }));
  const read = async ({ limit, before, before_id }) => runs
    .filter((run) => !before || run.created_at < before || (run.created_at === before && run.id < before_id))
    .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1)).slice(0, limit);
  window.list = listRuns(read, () => {}, life.signal);
  document.getElementById("stage").replaceChildren(list.root);
}"""


# Mutations: leave `before_id` out of history.js; let a look be at the newest page alone; ask for no one more.
def test_older_runs_come_once_each_and_stay_though_new_ones_come(harness):
    page = harness(show="draft")
    page.evaluate(LIST)
    entries, older = page.locator(".mgp-entry"), page.get_by_role("button", name="Show older")
    for shown in (25, 50, 61):
        expect(entries).to_have_count(shown)
        expect(older).to_be_visible(visible=shown < 61)
        if shown < 61:
            older.click()
    page.evaluate("() => { runs[5].status = 'completed'; runs.push({ ...runs[0], id: 'new', created_at: 2e12 }); }")
    page.evaluate("list.look()")
    expect(page.locator(".mgp-pill").first).to_have_text("running")
    expect(page.locator(".mgp-pill", has_text="completed")).to_have_count(1)  # far below, and looked at again
    expect(entries).to_have_count(61)
    older.click()
    expect(entries).to_have_count(62)


# Mutation: leave `worth` out of `offered`, and what would do nothing is offered.
@pytest.mark.parametrize(("state", "labels"), OFFERS.items())
def test_offers_what_can_be_done(harness, state, labels):
    page = harness(show=state)
    assert page.locator(".mgp-button:visible").all_inner_texts() == labels


# Mutations: offer Resume for every end but `completed`, and a run whose plan refused the rest offers what can't help;
# true for `toldApart`, and each row of Refused says that it was refused; `code` alone in `marked`, and it is Python.
def test_what_was_only_refused_is_planned_again_and_a_name_is_shown(harness):
    page = harness()
    rows = [{"key": name, "status": "refused", "error": f"no room for {name}; `max_bytes='1 GB'`", "size": 1}
            for name in "ab"]  # fmt: skip
    page.evaluate(MOUNT, ["refusals", {"rows": rows}])
    panel = page.locator(".mgp-panel")
    expect(panel.locator(".mgp-items tbody tr").first).to_have_text("a1 Bno room for a; Max bytes: 1 GB")
    expect(panel.locator(".mgp-reason").last).to_have_text("no room for b; Max bytes: 1 GB1")
    expect(panel.locator(".mgp-go:visible")).to_have_text("Plan these 7 again")
    expect(panel.locator(".mgp-name")).to_have_text("nightly lake")


# Mutations: say `in all` alone, and 400 objects in 0.5 s are 4,000 a second; `> 0` for `> 0.9 * took`, the same.
def test_a_rate_is_told_with_the_time_that_it_is_of(harness):
    page = harness(show="completed")
    figures = page.locator(".mgp-figures")
    expect(figures).to_contain_text("in all")
    expect(figures).not_to_contain_text("at work")
    expect(figures).not_to_contain_text("NaN")
    short = "{ snapshot: { ...harness.states.completed.snapshot, started_at: 1000, finished_at: 1500, engine_s: 0.1 } }"
    page.evaluate(f"window.at = harness.mount({short})")
    expect(page.locator(".mgp-figures").last).to_contain_text("0.5 sin all · 0.1 s at work")


def test_paint_depends_on_the_state_alone(harness, clock):
    page = harness()
    clock.set_fixed_time(time.time())  # ages and elapsed times stand still
    differing = page.evaluate("harness.repaint()")
    assert differing == []


def test_hostile_text_is_only_text(harness):
    page = harness()
    evil = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\\u202e'
    page.evaluate(
        """(evil) => {
          const bad = {
            ...harness.running, id: evil, title: `${evil} → ${evil}`, error: evil, status: "failed", waiting_for: evil,
            holder: { host: evil, pid: 1 }, actions: { [evil]: { items: 1, bytes: 1 } }, dry_run: true,
            phases: [{ name: evil, state: "now", done: 1, total: 2 }],
          };
          const lines = [evil, `warning: ${evil}`, `\\x1b[31m${evil}\\x1b]0;x\\x07`];
          const events = [{ seq: 1, at: 1, kind: "warning", data: { text: evil } }];
          const rows = ["failed", "refused"].map((status) => ({ key: evil, status, error: evil }));
          const queued = { ...bad, status: "queued", mode: "queue", queue: evil, position: 9, ahead: [evil, evil] };
          harness.mount({ snapshot: { ...queued, waiting_for: `for ${evil}` } });
          harness.mount({ snapshot: { ...queued, waiting_for: `a worker: none serves the queue '${evil}'` } });
          const limits = { bytes_per_s: evil, in_flight: evil };
          harness.mount({ snapshot: { ...bad, status: "running", dry_run: false, held_for: evil, limits } });
          window.at = harness.mount({ snapshot: bad, trouble: evil, lines, events }, { rows });
          return harness.drawn();
        }""",
        evil,
    )
    for place in (".mgp-queue code", ".mgp-ask b", ".mgp-limits-now", ".mgp-aside", ".mgp-how"):
        assert any("onerror" in text for text in page.locator(place).all_inner_texts()), place
    panel = page.locator(".mgp-panel").last
    panel.get_by_role("tab", name="Failed").click()
    expect(panel.locator(".mgp-items tbody")).to_contain_text("onerror")
    expect(panel.locator(".mgp-reason").last).to_contain_text("onerror")
    panel.get_by_role("tab", name="Plan").click()
    panel.get_by_role("tab", name="Output").click()
    expect(panel.locator(".mgp-log")).to_contain_text("onerror")
    assert "\x1b" not in panel.locator(".mgp-log").inner_text()
    assert page.evaluate("[window.pwned ?? 0, document.querySelectorAll('.mgp img, .mgp script').length]") == [0, 0]


def test_a_hundred_thousand_lines_are_windowed(harness):
    page = harness()
    page.evaluate(MOUNT, ["running", None])
    page.evaluate(
        """() => { for (let n = 0; n < 200; n++)
             at.give({ lines: Array.from({ length: 500 }, (_, i) => `14:02:11 line ${n * 500 + i}`) }); }"""
    )
    log = page.locator(".mgp-log")
    expect(log).to_contain_text("line 99999")
    assert page.locator(".mgp-log-row").count() < 60
    log.hover()
    page.mouse.wheel(0, -10_000_000)
    expect(log).to_contain_text("line 13")
    assert page.locator(".mgp-log-row").count() < 60


def test_only_a_gesture_ends_the_following(harness):
    page = harness()
    page.evaluate(MOUNT, ["running", None])
    more = "() => at.give({ lines: Array.from({ length: 50 }, (_, i) => `more ${i}`) })"
    page.evaluate(more)
    follow, log = page.locator(".mgp-follow"), page.locator(".mgp-log")
    page.evaluate("() => { document.getElementById('stage').className = 'dark'; at.el.style.display = 'none'; }")
    page.evaluate("() => { at.el.style.display = ''; document.querySelector('.mgp-log').scrollTop = 0; }")
    page.evaluate(more)
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.wait_for_function(
        "(l => l.scrollTop + l.clientHeight >= l.scrollHeight - 4)(document.querySelector('.mgp-log'))"
    )
    log.hover()
    page.mouse.wheel(0, -300)
    expect(follow).to_have_attribute("aria-pressed", "false")
    top = log.evaluate("l => l.scrollTop")
    page.evaluate(more)
    page.wait_for_timeout(100)
    assert log.evaluate("l => l.scrollTop") == top
    follow.click()
    expect(log).to_contain_text("more 49")
    expect(follow).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize(
    "state", ["title", "running", "plan", "partial", "draft", "workerless", "limits", "limited", "refused", "paused"]
)
def test_narrow(harness, picture, state):
    page = harness(width=480, show=state)
    assert set(page.locator(".mgp-panel").evaluate("harness.inside")) == {True}
    picture(page, f"narrow-{state}")


def test_figures_do_not_move_each_other(harness):
    page = harness()
    page.evaluate(MOUNT, ["running", None])
    places = "harness.places()"
    before = page.evaluate(places)
    page.evaluate(
        """() => at.give({ snapshot: { ...harness.running, done: 7, copied: 4, skipped: 3, bytes_done: 12, rate: 0.3,
             byte_rate: 9,             eta_s: 86000, started_at: Date.now() - 3e7, failed: 1 } })"""
    )
    page.wait_for_timeout(100)
    assert page.evaluate(places) == before


def test_buttons_ask_and_failures_are_told(harness):
    page = harness()
    page.evaluate(MOUNT, ["backfill", None])
    page.get_by_label("Dry run").check()
    page.evaluate("() => at.setAnswer(async () => { throw new Error('The source /nope is not there.') })")
    page.get_by_role("button", name="Plan it").click()
    expect(page.locator(".mgp-notes .mgp-note")).to_have_text("The source /nope is not there.")
    assert page.evaluate("at.asked") == [
        ["start", {"dry_run": True, "mode": "streaming", "bytes_per_s": "", "in_flight": ""}]
    ]
    page.evaluate("() => { at.setAnswer(() => new Promise(() => {})); at.give({ snapshot: harness.running }); }")
    expect(page.locator(".mgp-notes .mgp-note")).to_have_count(0)
    cancel = page.locator(".mgp-stop")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(cancel).to_have_text("Cancelling…")
    page.keyboard.press("Enter")
    assert [verb for verb, _ in page.evaluate("at.asked")] == ["start", "cancel"]
    assert cancel.evaluate("n => n === document.activeElement")


def test_failed_items_are_asked_for_when_looked_at(harness):
    page = harness()
    page.evaluate(MOUNT, ["partial", None])
    failed = page.get_by_role("tab", name="Failed 7")
    expect(failed).to_have_attribute("aria-selected", "true")  # what went wrong comes first when all has ended
    expect(page.locator(".mgp-items tbody tr")).to_have_count(40)
    output = page.get_by_role("tab", name="Output")
    output.focus()
    page.keyboard.press("Home")
    expect(page.locator(".mgp-log")).to_be_visible()
    page.keyboard.press("End")
    expect(failed).to_be_focused()
    assert {verb for verb, _ in page.evaluate("at.asked")} == {"items", "reasons"}


# Mutations: leave `reason` out of what `read` asks for, and the first list is whole; sort nothing by status in BEHIND,
# and the refused ones come among those that failed; let `fresh` return early, and the new one never comes.
def test_failed_items_are_found_by_reason_and_by_key_and_copied(harness, picture):
    page = harness()
    page.evaluate("""() => { const writeText = async (text) => { window.copied = text; };
        Object.defineProperty(navigator, "clipboard", { value: { writeText } }); }""")
    page.evaluate(MOUNT, ["partial", None])
    rows, why = page.locator(".mgp-items tbody tr"), page.get_by_role("group", name="Why")
    expect(rows.nth(31)).to_contain_text("2025/39/")
    expect(rows.nth(32)).to_contain_text("refused: target refused")
    expect(why.get_by_role("button")).to_have_count(5)
    picture(page, "failed-items")
    changed = why.get_by_role("button", name="source changed since the plan 16")
    changed.press("Enter")
    expect(changed).to_have_attribute("aria-pressed", "true")
    expect(rows).to_have_count(16)
    page.get_by_role("searchbox", name="Find items by their keys").fill("part-10003")
    expect(rows).to_have_count(1)
    rows.first.get_by_role("button").press("Enter")
    page.wait_for_function("window.copied === '2025/3/part-10003.parquet'")
    page.get_by_role("button", name='mg.attach("k7f2-copy-0311").items("failed").df()').press("Enter")
    expect(page.locator(".mgp-code-of")).to_have_text("copied")


def test_what_fails_while_one_looks_comes_by_itself(harness):
    page = harness()
    page.evaluate(MOUNT, ["running", {"rows": [{"key": "one", "status": "failed", "error": "no", "size": 1}]}])
    page.get_by_role("tab", name="Failed 7").click()
    expect(page.locator(".mgp-items tbody tr")).to_have_count(1)
    page.evaluate("""() => { at.setAnswer(async (verb) => verb === "items" ? [{ key: "one", status: "failed" },
        { key: "two", status: "failed" }] : []); at.give({ snapshot: { ...harness.running, failed: 8 } }); }""")
    expect(page.locator(".mgp-items tbody tr")).to_have_count(2)


# Mutations: make a button, a field or a list that scrolls by document.createElement, or take the attribute off in `h`.
def test_every_focusable_node_of_every_view_keeps_the_shortcuts_away(harness):
    page = harness(show=",".join(WORDS))
    page.evaluate("harness.everything()")
    for tab in ("output", "copied", "skipped", "failed", "plan"):
        page.evaluate(
            "(tab) => document.querySelectorAll(`[id$='-t-${tab}']`).forEach((n) => n.hidden || n.click())", tab
        )
        page.wait_for_timeout(150)
        count, bare = page.evaluate("harness.bare()")
        assert bare == [], tab
        assert count > 250


# Mutation: let a part of the bar move in spite of it in progress.css, and the first line fails.
def test_nothing_moves_for_who_asked_for_that(harness, page):
    harness(show="running,paused,cancelling")
    moving = """() => [...document.querySelectorAll(".mgp *")].map((node) => getComputedStyle(node))
        .flatMap((style) => `${style.transitionDuration}, ${style.animationDuration}`.split(", "))
        .filter((each) => parseFloat(each) > 0).length"""
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) > 0


# Mutation: give `.mgp-notes` a live region, and a run that is throttled talks all day.
def test_what_is_spoken_is_little(harness):
    page = harness(show=",".join(WORDS))
    live = page.locator(".mgp :is([aria-live]:not([aria-live=off]), [role=status], [role=alert])")
    classes = {(each.get_attribute("class") or each.get_attribute("role") or "").split()[0] for each in live.all()}
    assert classes == {"mgp-spoken", "mgp-told", "mgp-checks", "status"}  # the last is how many items are shown


def test_roles_and_spoken_words(harness):
    page = harness()
    page.evaluate(MOUNT, ["running", None])
    spoken = page.locator(".mgp-spoken")
    expect(spoken).to_have_text("Migration running, 50 percent")
    page.evaluate("() => at.give({ snapshot: { ...harness.running, bytes_done: 130e9 } })")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "66")
    expect(spoken).to_have_text("Migration running, 50 percent")
    page.evaluate("() => at.give({ snapshot: { ...harness.running, status: 'cancelled' } })")
    expect(spoken).to_have_text("Migration cancelled")
    assert "s3://raw-events/2026/" in (page.locator("section").get_attribute("aria-label") or "")


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_text_can_be_read(harness, theme):
    page = harness(show=",".join(WORDS), theme=theme)
    page.wait_for_timeout(300)
    assert page.evaluate("harness.pale()") == []


def test_abort_leaves_nothing(harness):
    page = harness()
    page.evaluate(MOUNT, ["running", None])
    assert page.evaluate("() => { at.abort(); return [at.el.childElementCount, at.asked.at(-1)[0]] }") == [0, "closed"]


def test_comm_lines_come_once_and_in_order(harness):
    page = harness()
    page.evaluate("harness.speak()")
    page.evaluate("() => model.change('snapshot', harness.running)")
    page.evaluate(
        """() => { frame(7, ["too early"]); frame(5, ["five", "six"], "another view"); frame(5, ["five", "six"], me());
             frame(7, ["seven"]); frame(5, ["five", "six"], "another view"); frame(7, ["again"]);
             frame(8, ["eight"]); }"""
    )
    rows = page.locator(".mgp-log-row")
    expect(rows).to_have_text(["five", "six", "seven", "eight"])
    page.evaluate(
        "() => { frame(12, ['after a gap']); frame(9, ['nine', 'ten'], me()); }"
    )  # it asks for the tail again
    expect(rows).to_have_text(["nine", "ten"])
    page.evaluate("() => frame(0, ['of another run'], null, 'r2')")
    expect(rows).to_have_text(["of another run"])
    assert page.evaluate("() => { stop(); return model.listeners() }") == 0


def test_comm_silence_is_told_in_words(harness, page, clock):
    clock.install()
    harness().evaluate("harness.speak()")
    stop_clock(page)
    page.evaluate("() => model.change('snapshot', harness.running)")
    clock.run_for(100)
    page.get_by_role("button", name="Cancel").click()
    clock.run_for(16_000)
    notes = page.locator(".mgp-notes")
    expect(notes).to_contain_text("The kernel has not answered “cancel” for 15 s")
    expect(notes).to_contain_text("migrator cancel k7f2-copy-0311")
    expect(notes).to_contain_text('MigrationPanel("k7f2-copy-0311")')
    expect(page.locator(".mgp-pill")).to_have_text("running, last seen 17 s ago")


# Mutation: change a word of CALLED, here or there, and this fails.
def test_what_came_of_an_item_is_called_as_everywhere(harness):
    page = harness()
    told = page.evaluate("""([kinds, names]) => Object.fromEntries(kinds.map((migration) =>
        [migration, Object.fromEntries(names.map((name) => [name, harness.panel.called({ migration }, name)]))]))""",
        [["copy-objects", *CALLED], OUTCOMES])  # fmt: skip
    assert told == {each: {name: CALLED.get(each, {}).get(name, name) for name in OUTCOMES} for each in told}
    page.evaluate(MOUNT, [{"snapshot": {}}, None])
    page.evaluate("() => at.give({ snapshot: { ...harness.running, migration: 'verify', failed: 3 } })")
    expect(page.get_by_role("tab", name="Different 3")).to_be_visible()
    expect(page.locator(".mgp-legend")).to_contain_text("the same 183,655")


def test_figures_in_words(harness):
    page = harness()
    said = page.evaluate(
        """() => { const { size, span, left, plain, dissect } = harness.panel;
             return [...[999, 1000, 119.9e9, 412e6].map(size), span(291), span(90061),
               ...[null, 3, 41, 186, 7300].map(left),
               plain("\\x1b[1;31mred\\x1b[0m a\\rb\\x00"), dissect("14:02:20 failed  x").join("|")] }"""
    )
    assert said == [
        "999 B", "1.0 kB", "119.9 GB", "412 MB", "4 min 51 s", "1 d 1 h",
        "–", "seconds", "50 s", "3 min", "2 h 0 min", "b\ufffd", "14:02:20 |failed  x|bad",
    ]  # fmt: skip


ITEMS = """(rows) => {
  window.at = harness.mount(harness.states.completed);
  at.setAnswer(async (verb, args) => {
    const found = rows.filter((each) => args.status.includes(each.status) && each.key.includes(args.q));
    return verb === "items" ? found.slice(args.offset, args.offset + args.limit) : null;
  });
}"""


def test_a_count_opens_the_items_behind_it(harness, picture):
    page = harness()
    rows = [
        {"key": f"2026/<b>{n:03d}", "status": "copied" if n % 3 else "skipped", "size": 1000 * n,
         "evidence": "server-hash" if n % 3 else "listed"} for n in range(400)
    ]  # fmt: skip
    rows[7]["status"] = "adopted"
    page.evaluate(ITEMS, rows)
    page.get_by_role("tab", name="Copied").click()
    shown = page.locator(".mgp-items tbody tr")
    expect(shown).to_have_count(100)
    expect(shown.nth(4)).to_contain_text("adopted · server-hash")
    page.get_by_role("button", name="Show more").click()
    expect(shown).to_have_count(200)
    picture(page, "items")
    page.get_by_role("searchbox", name="Find items by their keys").fill("<b>39")
    expect(shown).to_have_count(6)
    expect(shown.first).to_contain_text("2026/<b>391")
    page.get_by_role("tab", name="Skipped").click()
    expect(shown.first).to_contain_text("listed")
    expect(page.get_by_role("link", name="Download CSV")).to_be_hidden()  # there is no server to give the file
    page.evaluate("at.setAnswer(async () => { throw new Error('the plan is away') })")
    page.get_by_role("tab", name="Copied").click()
    expect(page.locator(".mgp-page-items")).to_contain_text("the plan is away")


def test_the_output_is_searched_and_sifted(harness, picture):
    page = harness()
    words = ["failed" if n % 1000 == 5 else "warning" if n % 500 == 7 else "copied" for n in range(20_000)]
    lines = [f"14:02:{n % 60:02d} {word}  part-{n:05d}" for n, word in enumerate(words)]
    page.evaluate(MOUNT, ["running", {}])
    page.evaluate("(lines) => at.give({ lines })", lines)
    page.get_by_role("button", name="Find", exact=True).click()
    field = page.get_by_role("searchbox", name="Find in the output")
    expect(field).to_be_focused()
    field.fill("PART-1999")
    told, here = page.locator(".mgp-told"), page.locator(".mgp-here")
    expect(told).to_have_text("10 of 10")
    expect(here).to_contain_text("part-19999")
    page.keyboard.press("Enter")  # the one before
    expect(told).to_have_text("9 of 10")
    expect(here).to_contain_text("part-19998")
    expect(page.locator(".mgp-follow")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="The next one").click()
    page.get_by_role("button", name="The next one").click()
    expect(told).to_have_text("1 of 10")
    picture(page, "find")
    page.get_by_label("Which lines").select_option("errors")
    expect(told).to_have_text("not found")
    field.fill("")
    expect(page.locator(".mgp-log-row").first).to_contain_text("failed")
    sheet = "document.querySelector('.mgp-sheet').style.height"
    page.wait_for_function(f"{sheet} === '{21 * 18}px'")  # 20 of ours, and one of the harness's own
    page.evaluate("at.give({ lines: ['14:03:00 failed  one more', '14:03:00 copied  another'] })")
    page.wait_for_function(f"{sheet} === '{22 * 18}px'")
    field.focus()
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    page.wait_for_function(f"{sheet} === '{(20_000 + 6 + 2) * 18}px'")
