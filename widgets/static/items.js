// The items behind a count: a page at a time, found by their keys; those that failed also by why.

import { called, count, plain, size } from "./figures.js";
import { button, h, put, set, show, tableOf, withOptions } from "./nodes.js";
import { NOTHING } from "./state.js";

/** Which tab shows items of which status, in that order. */
export const BEHIND = { copied: ["copied", "adopted", "deleted"], skipped: ["skipped"], failed: ["failed", "refused"] };
const PAGE_ITEMS = 100, PAUSE_MS = 250, AGAIN_MS = 2000;

export function buildItems() {
  const search = h("input", { type: "search", class: "mgp-field mgp-search", placeholder: "Find in keys", "aria-label": "Find items by their keys", autocomplete: "off", spellcheck: "false" });
  const link = h("a", { class: "mgp-link", download: "" }, "Download CSV"), rows = h("tbody"), note = h("span", { role: "status" }), more = button("Show more", "mgp-small");
  const table = tableOf(["Key", "Size", "Evidence"], rows, "mgp-items"), why = table.querySelector("th:last-child");
  const box = h("div", { class: "mgp-scroll", tabindex: 0, role: "region", "aria-label": "Items" }, table);
  const reasons = h("div", { class: "mgp-kinds mgp-reasons", role: "group", "aria-label": "Why" });
  const code = h("button", { type: "button", class: "mgp-copy mgp-code-of", title: "The same in Python: copy it" });
  return { search, link, rows, note, more, why, table, reasons, code, parts: [h("div", { class: "mgp-sieve" }, search, link), reasons, box, h("div", { class: "mgp-more" }, note, more, code)] };
}

/** The line of Python that gives the same items. */
export const lineOf = (s, tab) => `mg.attach("${s.id}").items("${statusOf(s, tab)}").df()`;
const statusOf = (s, tab) => (tab === "failed" && !s.failed ? "refused" : tab === "copied" && called(s, tab) === "deleted" ? "deleted" : tab);

export function paintItems(i, state, tab) {
  const mine = state.items.of === tab, { of, rows, more, busy, trouble } = mine ? state.items : NOTHING, failed = tab === "failed";
  const line = tab in BEHIND ? lineOf(state.snapshot, tab) : "";
  show(i.link, !!i.link.getAttribute("href"));
  show(i.more, more);
  put(i.code, state.copied === line ? "copied" : line);
  put(i.why, failed ? "Reason" : "Evidence");
  i.table.classList.toggle("mgp-of-failed", failed);
  put(i.note, trouble || (busy && !rows.length ? "Reading…" : !rows.length && of ? "None is like that." : rows.length ? `${count(rows.length)} shown, in the plan's order. ` : ""));
  paintReasons(i, mine && failed ? state.items : NOTHING, failed && toldApart(state.snapshot));
  if (i.drawn === rows) return;
  i.drawn = rows;
  i.rows.replaceChildren(...rows.map((each) => rowOf(each, toldApart(state.snapshot))));
}

/** What was refused says so among what failed; alone, its tab does. */
const toldApart = (s) => s.failed > 0;

function rowOf(each, apart) {
  const key = h("button", { type: "button", class: "mgp-copy mgp-key", title: "Copy this key" }, h("bdi", {}, plain(String(each.key))));
  key.item = String(each.key);
  const found = [each.status === "adopted" && "adopted", each.evidence ?? each.reason, each.losses && `lost: ${each.losses}`].filter(Boolean).join(" · ");
  const why = each.status === "failed" ? each.error ?? "failed" : each.status === "refused" ? `${apart ? "refused: " : ""}${each.error ?? each.reason ?? ""}` : found;
  return h("tr", {}, h("td", {}, key), h("td", {}, size(each.size)), h("td", {}, ...withOptions(plain(String(why)))));
}

/** The reasons as a choice, where there is more than one. */
function paintReasons(i, { reasons, reason }, apart) {
  const chosen = reasons.length > 1 ? reasons : [];
  show(i.reasons, chosen.length);
  if (i.reasonsDrawn !== reasons) {
    i.reasonsDrawn = reasons;
    i.reasons.replaceChildren(...[null, ...chosen].map((each) => {
      const node = h("button", { type: "button", class: "mgp-kind mgp-reason", title: each ? each.gist : "All that failed or were refused" },
        h("bdi", {}, ...(each ? withOptions(`${apart && each.status === "refused" ? "refused: " : ""}${plain(each.gist || each.status)}`) : ["All"])), ...(each ? [h("b", {}, count(each.items))] : []));
      node.reason = each;
      return node;
    }));
  }
  for (const node of i.reasons.children) set(node, "aria-pressed", (node.reason?.gist ?? "") === (reason?.gist ?? "") && node.reason?.status === reason?.status);
}

/**
 * `change` sets the items' part of the state; only the newest question's answer counts. `shown` is the tab in front.
 * What is returned is told of every change of the run: it reads what is in sight and has not been read.
 */
export function wireItems(i, on, state, change, { request, copy, file, shown }) {
  let turn = 0, typed = 0, later = 0, at = 0;
  const bad = () => { const s = state().snapshot; return s ? s.failed + s.refused : 0; };
  const read = async (onward) => {
    const of = shown(), mine = ++turn, had = onward ? state().items.rows : [], same = state().items.of === of;
    if (!BEHIND[of]) return;
    at = Date.now();
    const reason = of === "failed" && same ? state().items.reason : null, status = reason ? [reason.status] : BEHIND[of];
    const wanted = { status, q: i.search.value, ...(reason ? { reason: reason.gist } : {}) };
    if (file) set(i.link, "href", file("items", { format: "csv", ...wanted }));
    change({ ...state().items, of, reason, busy: true, trouble: "", seen: bad(), ...(same ? {} : { rows: [] }) });
    if (of === "failed" && !onward) request("reasons").then((reasons) => mine === turn && change({ ...state().items, reasons: reasons ?? [] }), () => {});
    try {
      const found = await request("items", { ...wanted, offset: had.length, limit: PAGE_ITEMS });
      if (mine === turn) change({ ...state().items, rows: [...had, ...found], more: found.length === PAGE_ITEMS, busy: false });
    } catch (error) {
      if (mine === turn) change({ ...state().items, busy: false, trouble: error.message });
    }
  };
  /** Those that fail while one looks at them come by themselves; a list that was read on stays as it is. */
  const fresh = () => {
    const of = shown(), { items } = state(), grown = of === "failed" && items.of === of && items.seen !== bad() && items.rows.length <= PAGE_ITEMS;
    if (!state().snapshot || !BEHIND[of]) return;
    if (items.of !== of) return void read(false);
    if (grown && !later) later = setTimeout(() => { later = 0; if (shown() === of) read(false); }, Math.max(0, at + AGAIN_MS - Date.now()));
  };
  on(i.search, "input", () => { clearTimeout(typed); typed = setTimeout(() => read(false), PAUSE_MS); });
  on(i.search, "keydown", (event) => event.stopPropagation());
  on(i.more, "click", () => read(true));
  on(i.reasons, "click", (event) => {
    const chosen = event.target.closest(".mgp-reason");
    if (chosen) { change({ ...state().items, reason: chosen.reason }); read(false); }
  });
  on(i.code, "click", () => copy(lineOf(state().snapshot, shown())));
  on(i.rows, "click", (event) => { const key = event.target.closest(".mgp-key"); if (key) copy(key.item); });
  return fresh;
}
