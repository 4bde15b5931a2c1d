// The items behind a count: a page at a time, found by their keys.

import { count, plain, size } from "./figures.js";
import { button, h, put, set, show, tableOf } from "./nodes.js";

/** Which tab shows items of which status. */
export const BEHIND = { copied: ["copied", "adopted"], skipped: ["skipped"] };
const PAGE_ITEMS = 100, PAUSE_MS = 250;

export function buildItems() {
  const search = h("input", { type: "search", class: "mgp-field mgp-search", placeholder: "Find in keys", "aria-label": "Find items by their keys", autocomplete: "off", spellcheck: "false" });
  const link = h("a", { class: "mgp-link", download: "" }, "Download CSV"), rows = h("tbody"), note = h("span", { role: "status" }), more = button("Show more", "mgp-small");
  const box = h("div", { class: "mgp-scroll", tabindex: 0, role: "region", "aria-label": "Items" }, tableOf(["Key", "Size", "Evidence"], rows, "mgp-items"));
  return { search, link, rows, note, more, parts: [h("div", { class: "mgp-sieve" }, search, link), box, h("div", { class: "mgp-more" }, note, more)] };
}

export function paintItems(i, state) {
  const { of, rows, more, busy, trouble } = state.items;
  show(i.link, !!i.link.getAttribute("href"));
  show(i.more, more);
  put(i.note, trouble || (busy && !rows.length ? "Reading…" : !rows.length && of ? "None is like that." : rows.length ? `${count(rows.length)} shown, in the plan's order. ` : ""));
  if (i.drawn === rows) return;
  i.drawn = rows;
  i.rows.replaceChildren(...rows.map((each) => {
    const key = h("button", { type: "button", class: "mgp-copy mgp-key", title: "Copy this key" }, h("bdi", {}, plain(String(each.key))));
    key.item = String(each.key);
    const why = [each.status === "adopted" && "adopted", each.evidence ?? each.reason, each.losses && `lost: ${each.losses}`].filter(Boolean).join(" · ");
    return h("tr", {}, h("td", {}, key), h("td", {}, size(each.size)), h("td", {}, plain(why)));
  }));
}

/** `change` sets the items' part of the state; only the newest question's answer counts. */
export function wireItems(i, on, state, change, request, copy, file) {
  let turn = 0, typed = 0;
  const read = async (onward) => {
    const of = state().tab, mine = ++turn, had = onward ? state().items.rows : [];
    if (!BEHIND[of]) return;
    if (file) set(i.link, "href", file("items", { format: "csv", status: BEHIND[of] }));
    change({ ...state().items, of, busy: true, trouble: "", ...(onward || state().items.of === of ? {} : { rows: [] }) });
    try {
      const found = await request("items", { status: BEHIND[of], q: i.search.value, offset: had.length, limit: PAGE_ITEMS });
      if (mine === turn) change({ of, rows: [...had, ...found], more: found.length === PAGE_ITEMS, busy: false, trouble: "" });
    } catch (error) {
      if (mine === turn) change({ ...state().items, busy: false, trouble: error.message });
    }
  };
  on(i.search, "input", () => { clearTimeout(typed); typed = setTimeout(() => read(false), PAUSE_MS); });
  on(i.search, "keydown", (event) => event.stopPropagation());
  on(i.more, "click", () => read(true));
  on(i.rows, "click", (event) => { const key = event.target.closest(".mgp-key"); if (key) copy(key.item); });
  return () => read(false);
}
