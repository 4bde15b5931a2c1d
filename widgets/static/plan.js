// What a plan would do: by action and reason, by prefix, the largest, the cost; and which part of it to apply.

import { count, plain, size } from "./figures.js";
import { h, put, set, show, tableOf, withOptions } from "./nodes.js";
import { worth } from "./state.js";

const WHY = {
  create: "not at the target", skip: "the same at the target", overwrite: "differs from the source", omit: "a newer one has its name",
  refuse: "can't be carried; the reasons are under Refused", run: "to be done",
};

export function buildPlan() {
  const rows = h("tbody"), prefixes = h("div", { class: "mgp-prefixes", role: "list", "aria-label": "Sizes by prefix" }), notes = h("ul", { class: "mgp-remarks" });
  const where = h("input", { type: "text", class: "mgp-field mgp-where", placeholder: "Only rows where… (SQL): size < 1e9 and key like '2026/%'", "aria-label": "Apply only the rows for which this SQL expression is true", autocomplete: "off", spellcheck: "false" });
  const sieve = h("div", { class: "mgp-sieve" }, where);
  return { rows, prefixes, notes, where, sieve, drawn: "", parts: [tableOf(["Action", "Objects", "Size", "Why"], rows, "mgp-plan"), prefixes, notes, sieve] };
}

export function paintPlan(p, state, m) {
  const s = state.snapshot, told = state.plan.of === s.id ? state.plan.told : null, key = JSON.stringify([s.id, s.actions, !!told]);
  show(p.sieve, m.plan && worth(s));
  if (p.drawn === key) return;
  p.drawn = key;
  p.rows.replaceChildren(...rowsOf(s.actions ?? {}, told?.groups));
  p.prefixes.replaceChildren(...(told?.prefixes.length > 1 ? told.prefixes.map((each) => barOf(each, told.prefixes[0].bytes)) : []));
  p.notes.replaceChildren(...(told?.notes ?? []).map((note) => h("li", {}, plain(note))));
  show(p.prefixes, p.prefixes.childElementCount);
  show(p.notes, p.notes.childElementCount);
}

/** A row for each action until the summary is there, then one for each reason, with some of its keys. */
function rowsOf(actions, groups) {
  const order = Object.keys(WHY), sorted = Object.entries(actions).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  const row = (kind, action, items, bytes, ...why) => h("tr", { class: `mgp-row-${kind}` }, h("td", {}, action), h("td", {}, count(items)), h("td", {}, size(bytes)), h("td", {}, ...why));
  const found = groups
    ? [...groups].sort((a, b) => order.indexOf(a.action) - order.indexOf(b.action)).map((each) => row(each.action, each.action, each.items, each.bytes, ...withOptions(plain(each.why || WHY[each.action] || "")), samplesOf(each.samples)))
    : sorted.map(([action, each]) => row(action, action, each.items, each.bytes, WHY[action] ?? ""));
  const all = ["items", "bytes"].map((what) => sorted.reduce((sum, [, each]) => sum + (each[what] ?? 0), 0));
  return found.length > 1 ? [...found, row("total", "in all", all[0], all[1], "")] : found;
}

function samplesOf(keys) {
  const node = h("div", { class: "mgp-samples" });
  for (const key of keys ?? []) node.append(h("bdi", { class: "mgp-sample", title: plain(String(key)) }, plain(String(key))));
  return node;
}

function barOf(each, most) {
  const days = [each.oldest, each.newest].filter((at) => at != null).map((at) => new Date(at).toLocaleDateString());
  const bar = h("span", { class: "mgp-bar-fill" });
  bar.style.width = `${Math.max(1, (100 * each.bytes) / (most || 1))}%`;
  const name = h("bdi", { class: "mgp-sample" }, plain(each.prefix || "(no folder)"));
  return h("div", { class: "mgp-prefix", role: "listitem" }, name, h("span", { class: "mgp-bar-box", "aria-hidden": "true" }, bar),
    h("span", {}, `${size(each.bytes)} · ${count(each.items)}`), h("span", { class: "mgp-days" }, [...new Set(days)].join(" – ")));
}

/** Reads the summary once for each plan that is in sight. */
export function wirePlan(p, on, state, change, request) {
  let asked = "", reading;
  on(p.where, "keydown", (event) => event.stopPropagation());
  on(p.where, "input", () => set(p.where, "aria-invalid", "false"));
  const read = async (id) => {
    try {
      change({ of: id, told: await request("plan") });
    } catch { /* the counts are there all the same; the summary is more of it */ }
  };
  return () => {
    const s = state().snapshot;
    if (!s?.dry_run || s.status !== "completed") return undefined;
    if (asked !== s.id) [asked, reading] = [s.id, read(s.id)];
    return reading;
  };
}
