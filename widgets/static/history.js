// The runs there are, newest first: what went where, how it ended, and when.

import { called, count, lasted, left, precisely, size } from "./figures.js";
import { button, h, path, put, set, show } from "./nodes.js";
import { initial, meaning, shares } from "./state.js";
import { buildTeaching } from "./teach.js";

const PAGE_RUNS = 25, MOST_RUNS = 100, LOOK_MS = 3000, TYPING_MS = 250;
const KINDS = [
  ["All", []], ["Running", ["starting", "running"]], ["Queued", ["queued"]], ["Completed", ["completed"]],
  ["To look at", ["partial", "failed", "interrupted", "cancelled"]],
];

/**
 * A list of runs that keeps itself fresh until `signal` aborts. With `same` those of that title come first.
 * @param {(query: {limit: number, before?: number, before_id?: string, q: string, status: string[]}) => Promise<Snapshot[]>} read
 */
export function listRuns(read, onOpen, signal, same) {
  const search = h("input", { type: "search", class: "mgp-field mgp-search", placeholder: "Search by place, name or id", "aria-label": "Search runs", autocomplete: "off", spellcheck: "false" });
  const kinds = KINDS.map(([label]) => h("button", { type: "button", class: "mgp-kind", "aria-pressed": label === "All" }, label));
  const scopes = same ? ["Same places", "All runs"].map((label, at) => h("button", { type: "button", class: "mgp-kind", "aria-pressed": !at }, label)) : [];
  const rows = h("ul", { class: "mgp-runs", "aria-label": "Runs" }), note = h("p", { class: "mgp-more", role: "status" }), older = button("Show older");
  const teaching = buildTeaching(!same, signal);
  const root = h("div", { class: "mgp-history" },
    h("div", { class: "mgp-sieve" }, search, ...(same ? [h("div", { class: "mgp-kinds", role: "group", "aria-label": "Whose runs" }, ...scopes)] : []), h("div", { class: "mgp-kinds", role: "group", "aria-label": "Which runs" }, ...kinds)),
    rows, note, teaching, h("div", { class: "mgp-older" }, older));
  const on = (node, name, act) => node.addEventListener(name, act, { signal });
  const entries = new Map(); // run id -> {node, key}
  let runs = [], status = [], asked = 0, waiting = 0, more = false, typed = 0, title = same?.() ?? "";

  const draw = () => {
    for (const [id, each] of entries) if (!runs.some((run) => run.id === id)) { each.node.remove(); entries.delete(id); }
    runs.forEach((run, at) => {
      const node = entry(entries, run, onOpen, signal);
      if (rows.children[at] !== node) rows.insertBefore(node, rows.children[at] ?? null);
    });
    show(older, more);
  };
  const say = (text) => { put(note, text); show(note, text); };
  // The newest `wanted` of them, or those after the `last` that is shown; one is asked for to know whether there are more.
  const ask = async (wanted, last) => {
    const found = [], sifted = { q: search.value.trim(), status, ...(title ? { title } : {}) };
    for (let full = true; full && found.length <= wanted;) {
      const limit = Math.min(MOST_RUNS, wanted + 1 - found.length), from = found.at(-1) ?? last;
      const page = await read({ ...sifted, limit, ...(from ? { before: from.created_at, before_id: from.id } : {}) });
      full = page.length === limit;
      found.push(...page);
    }
    return { found: found.slice(0, wanted), rest: found.length > wanted };
  };
  // What is shown stays until an answer has come, and only the newest question's answer counts. Each look is at all that
  // is shown, so that none is as it was once.
  const look = async (wanted = Math.max(PAGE_RUNS, runs.length), last = null) => {
    const turn = ++asked;
    waiting += 1;
    try {
      const { found, rest } = await ask(wanted, last);
      if (turn !== asked || signal.aborted) return;
      runs = last ? [...runs, ...found] : found;
      more = rest;
      draw();
      const sifted = search.value || status.length || title;
      say(!runs.length && sifted ? "No run is like that." : "");
      show(teaching, !runs.length && !sifted);
    } catch (error) {
      if (turn === asked && !signal.aborted) say(error.message);
    } finally {
      waiting -= 1;
    }
  };

  on(search, "input", () => { clearTimeout(typed); typed = setTimeout(() => look(PAGE_RUNS), TYPING_MS); });
  on(search, "keydown", (event) => event.stopPropagation());
  kinds.forEach((node, at) => on(node, "click", () => {
    status = KINDS[at][1];
    kinds.forEach((each) => set(each, "aria-pressed", each === node));
    look(PAGE_RUNS);
  }));
  scopes.forEach((node, at) => on(node, "click", () => {
    title = at ? "" : same() ?? "";
    scopes.forEach((each) => set(each, "aria-pressed", each === node));
    look(PAGE_RUNS);
  }));
  on(older, "click", () => look(PAGE_RUNS, runs.at(-1)));
  const clock = setInterval(() => { if (!waiting && !document.hidden && root.checkVisibility()) look(); }, LOOK_MS); // never in the way of what was asked for
  signal.addEventListener("abort", () => { clearInterval(clock); clearTimeout(typed); });
  show(older, false);
  look(PAGE_RUNS);
  return { root, look, focus: (id) => (entries.get(id)?.node.firstChild ?? search).focus({ preventScroll: true }) };
}

function entry(entries, run, onOpen, signal) {
  const had = entries.get(run.id), key = JSON.stringify([run.status, run.seq, run.done, run.bytes_done, run.cancel_requested, run.held_for, Math.floor((run.silent_s ?? 0) / 10)]);
  const open = had?.node.firstChild ?? h("button", { type: "button", class: "mgp-entry" });
  if (!had) {
    open.addEventListener("click", () => onOpen(run.id), { signal });
    entries.set(run.id, { node: h("li", {}, open), key: "" });
  }
  const mine = entries.get(run.id);
  if (mine.key === key) return mine.node;
  mine.key = key;
  const m = meaning({ ...initial(), snapshot: run, heard: Date.now(), now: Date.now() }), [from, ...to] = run.title.split(" → ");
  open.replaceChildren(
    h("span", { class: `mgp-pill mgp-${m.tone}` }, m.status),
    h("span", { class: "mgp-entry-what" }, path(from), ...(to.length ? [h("i", {}, " → "), path(to.join(" → "))] : []), ...(run.name !== run.id ? [h("bdi", { class: "mgp-entry-name" }, run.name)] : [])),
    h("span", { class: "mgp-entry-done" }, ...farOf(run, m)),
    h("span", { class: "mgp-entry-when", title: precisely(run.created_at) }, when(run)));
  return mine.node;
}

/** How far a run is: a bar while it works, then what came of it. */
function farOf(run, m) {
  const bad = run.failed + run.refused, ready = run.dry_run && run.status === "completed";
  const done = !run.total ? "" : ready || run.done === run.total ? `${count(run.total)} object${run.total === 1 ? "" : "s"}` : `${count(run.done)} of ${count(run.total)}`;
  const bytes = ready ? run.bytes_total : run.bytes_done;
  const said = [done, bytes && size(bytes), m.live && run.eta_s != null && !m.still && `${left(run.eta_s)} left`].filter(Boolean).join(" · ");
  const odd = bad ? [h("b", { class: "mgp-bad" }, ` · ${count(bad)} ${called(run, run.failed ? "failed" : "refused")}`)] : [];
  if (!m.live || !run.total) return [said, ...odd];
  const fill = h("span", { class: "mgp-part mgp-is-copied" });
  fill.style.width = `${(shares(run).all * 100).toFixed(1)}%`;
  return [h("span", { class: "mgp-meter", "aria-hidden": "true" }, fill), said, ...odd];
}

function when(run) {
  const date = new Date(run.created_at), today = date.toDateString() === new Date().toDateString();
  const at = date.toLocaleString(undefined, { ...(today ? {} : { month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", hour12: false });
  return run.started_at && run.finished_at ? `${at} · ${lasted((run.finished_at - run.started_at) / 1000)}` : at;
}
