// A panel at work: state, clicks and keys.
//
//   transport --patches--> reduce(state) --> paint(view, state)
//   click     --verb-----> transport.request
//
// `paint` alone touches the page, apart from the log window. Text from keys, logs and errors reaches
// the page by textContent only.

import { build } from "./build.js";
import { wireConfirm } from "./confirm.js";
import { tabsOf } from "./details.js";
import { nth } from "./figures.js";
import { wireFind } from "./find.js";
import { isFolded, rememberFold } from "./fold.js";
import { wireItems } from "./items.js";
import { wireLimits } from "./limits.js";
import { LogWindow } from "./log.js";
import { wireMode } from "./mode.js";
import { h, keepFocus, put, show } from "./nodes.js";
import { paint } from "./paint.js";
import { buildPast } from "./past.js";
import { wirePlan } from "./plan.js";
import { workerComes } from "./queue.js";
import { commandOf } from "./sentences.js";
import { initial, justBack, meaning, reduce, shares } from "./state.js";

/**
 * Puts a panel into `el`, fed by `transport`, until `signal` aborts; with `ways` the past runs are found below it.
 * @param {Transport} transport
 */
export function mount(el, transport, signal, ways) {
  const v = build();
  let state = { ...initial(), by: transport.by ?? "kernel" }, due = 0, spoken = "";
  const past = ways && buildPast(ways, () => state.snapshot, signal);
  const draw = () => { due = 0; keepFocus(v.panel, () => paint(v, state)); speak(); log.soon(); };
  // A hidden tab gets no animation frames; what is spoken and shown must be right when it comes back.
  const soon = () => { due ||= document.hidden ? setTimeout(draw, 250) : requestAnimationFrame(draw); };
  const change = (part) => { state = { ...state, ...part, now: Date.now() }; soon(); };
  const log = new LogWindow(v.log, { onFollow: (follow) => change({ follow }), readOlder: (before) => transport.request("log", { before }) }, signal);
  const on = (node, name, act) => node.addEventListener(name, act, { signal });

  const speak = () => {
    const m = meaning(state), s = state.snapshot;
    const quarter = !s || !m.live ? "" : s.position ? `, ${nth(s.position)} in ${s.queue}` : `, ${Math.floor(shares(s).all * 4) * 25} percent`;
    const words = s ? `${m.status.replace(/, last seen.*/, ", not heard of")}${quarter}` : "";
    if (words !== spoken) { spoken = words; put(v.spoken, words && `Migration ${words}`); }
  };
  const ask = async (verb, args) => {
    if (state.busy[verb]) return false;
    change({ busy: { ...state.busy, [verb]: true }, failure: "" });
    try {
      return (await transport.request(verb, args)) ?? true;
    } catch (error) {
      change({ failure: error.message });
      return false;
    } finally {
      change({ busy: { ...state.busy, [verb]: false } });
    }
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      change({ copied: text });
      setTimeout(() => change({ copied: "" }), 1200);
    } catch { change({ failure: `The browser does not allow copying here: ${text}` }); }
  };
  const choose = (name, focus) => {
    change({ tab: name });
    if (focus) v.tabs[name].focus();
    readItems();
  };

  const file = transport.file && ((...which) => transport.file(...which));
  const request = (...asked) => transport.request(...asked), shown = () => (state.snapshot ? tabsOf(state, meaning(state)).chosen : "");
  const readItems = wireItems(v.items, on, () => state, (items) => change({ items }), { request, copy, file, shown });
  const readPlan = wirePlan(v.plan, on, () => state, (plan) => change({ plan }), request);
  wireFind(v.find, on, log, file);

  const press = (node, act) => on(node, "click", () => { if (node.getAttribute("aria-disabled") !== "true") act(); });
  const sure = wireConfirm(v.confirm, on, () => state, change, v);
  press(v.confirm.sure, () => { change({ confirm: "" }); v.confirm.act(); });
  press(v.start, () => sure("start", () => ask("start", { dry_run: state.dry, mode: state.mode, ...state.fields })));
  press(v.apply, async () => {
    await readPlan(); // what it costs stands in there
    sure("apply", () => ask("apply", { mode: state.mode, where: v.plan.where.value.trim() || null }));
  });
  for (const verb of ["cancel", "run_now"]) press(v[verb], () => ask(verb));
  for (const verb of ["resume", "retry"]) press(v[verb], () => ask(verb, { mode: state.mode }));
  press(v.check, async () => { change({ checks: null }); change({ checks: await ask("preflight") || null }); });
  press(v.report, () => showReport(transport, ask));
  press(v.pause, () => ask(state.snapshot.pause_requested ? "unpause" : "pause"));
  press(v.queue.worker, async () => { if (!workerComes(state) && await ask("start_worker")) change({ workerAt: Date.now() }); });
  wireMode(v.mode, on, change);
  wireLimits(v.limits, on, change, () => state, () => ask("limit", state.fields));
  on(v.dry, "change", () => change({ dry: v.dry.checked, confirm: "" }));
  on(v.chevron, "click", () => { rememberFold(state.snapshot.id, !state.folded); change({ folded: !state.folded }); });
  on(v.follow, "click", () => log.setFollow(!log.follow));
  on(v.runId, "click", () => copy(state.snapshot.id));
  on(v.command, "click", () => copy(commandOf(state.snapshot)));
  for (const name of Object.keys(v.tabs)) on(v.tabs[name], "click", () => choose(name));
  on(v.tablist, "keydown", (event) => {
    const names = Object.keys(v.tabs).filter((name) => !v.tabs[name].hidden), at = names.findIndex((name) => v.tabs[name] === event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    choose(names[(to + names.length) % names.length], true);
  });

  transport.subscribe((patch) => {
    if (patch.reset) log.clear();
    if (patch.lines) log.append(patch.lines, patch.start);
    const before = state.snapshot?.id;
    state = reduce(state, patch, Date.now());
    if (past) show(past, state.snapshot);
    if (state.snapshot && state.snapshot.id !== before) state.folded = isFolded(state.snapshot.id);
    show(v.empty, !log.lines.all.length);
    readItems();
    readPlan();
    soon();
  });
  const clock = setInterval(() => { if (meaning(state).live || state.away || justBack(state) || v.notes.childElementCount) change({}); }, 1000); // ages and elapsed time
  signal.addEventListener("abort", () => {
    clearInterval(clock);
    cancelAnimationFrame(due);
    transport.close();
    v.root.remove();
  });
  paint(v, state);
  if (past) v.root.append(past);
  el.append(v.root);
}

/** A run in `box` until `life` aborts, then the one that takes its place, such as of a plan that was applied. */
export function mountTurning(box, id, life, transportOf) {
  const own = new AbortController();
  life.addEventListener("abort", () => own.abort(), { once: true });
  mount(box, transportOf(id, (other) => { own.abort(); mountTurning(box, other, life, transportOf); }), own.signal);
}

/** The run's record on one page: in a tab of its own by the server, as a file by the kernel. */
async function showReport(transport, ask) {
  if (transport.file) return window.open(transport.file("report", {}), "_blank", "noopener");
  const told = await ask("report");
  if (!told) return;
  const link = h("a", { href: URL.createObjectURL(new Blob([told.html], { type: "text/html" })), download: told.name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
