// The first line of a panel: what goes where, how it stands, and what can be done about it.

import { count } from "./figures.js";
import { buildFold } from "./fold.js";
import { buildMode, paintMode } from "./mode.js";
import { button, h, path, put, set, show } from "./nodes.js";
import { aside } from "./sentences.js";
import { RESUMABLE, worth } from "./state.js";

const VERBS = { // name: label and kind, in the order in which they stand
  pause: ["Pause", "mgp-steady"], run_now: ["Run now instead", ""], cancel: ["Cancel", "mgp-stop"],
  report: ["Report", ""], retry: ["", ""], resume: ["Resume", "mgp-go"], apply: ["Apply this plan", "mgp-go"], check: ["Check", "mgp-steady"], start: ["Run", "mgp-go mgp-steady"],
};

export function buildHead(v) {
  v.what = h("div", { class: "mgp-what" });
  v.pill = h("span", { class: "mgp-pill" });
  v.aside = h("span", { class: "mgp-aside" });
  v.mode = buildMode();
  v.dry = h("input", { type: "checkbox", id: `${v.id}-dry` });
  v.dryLabel = h("label", { class: "mgp-dry", for: v.dry.id }, v.dry, "Dry run");
  for (const [name, [label, kind]] of Object.entries(VERBS)) v[name] = button(label, kind);
  v.report.title = "The run's record on one page";
  v.check.title = "Try what it needs: reach, rights, conditions, clocks, room. What is written for that is taken back";
  v.retry.title = "A dry run of those objects alone, looked at anew; nothing is written before you apply it";
  v.modeFor = h("span", { class: "mgp-mode-for" });
  v.verbs = h("div", { class: "mgp-verbs" }, ...Object.keys(VERBS).map((name) => v[name]));
  buildFold(v);
  v.head = h("header", { class: "mgp-head" }, v.chevron, v.what, h("div", { class: "mgp-state" }, v.pill, v.aside), v.brief, v.verbs);
}

/** What can be done in this state. */
function offered(s, m, draft) {
  const waits = s?.status === "queued", asked = s?.cancel_requested;
  // What the plan refused stays refused in it: where nothing else is left, only another plan goes on.
  const resume = RESUMABLE.has(s?.status) && !(s.status === "partial" && !s.failed && s.migration === "copy-objects");
  // A dry run writes nothing, so there is nothing to hold; one that was paused from elsewhere can go on.
  const pause = m.live && s && !waits && !asked && (!s.dry_run || s.pause_requested);
  const apply = m.plan && worth(s);
  const ended = s && !m.live && !m.draft, odd = s ? s.failed + s.refused : 0;
  const retry = s?.status === "partial" && s.migration === "copy-objects" && !s.dry_run && odd > 0;
  return {
    mode: m.draft || resume || apply, dryLabel: m.draft, pause, run_now: waits && !asked, cancel: m.live,
    report: ended && !m.plan, retry, resume, apply, check: m.draft && draft.checks, start: m.draft,
  };
}

function wording(state, s, m) {
  const busy = state.busy;
  const odd = s ? s.failed + s.refused : 0;
  return {
    retry: busy.retry ? "Starting…" : odd === 1 ? "Plan this one again" : `Plan these ${count(odd)} again`,
    check: busy.preflight ? "Checking…" : "Check",
    start: busy.start ? "Starting…" : state.dry ? "Plan it" : state.mode === "queue" ? "Queue it" : "Run",
    cancel: busy.cancel || (m.live && s?.cancel_requested) ? "Cancelling…" : "Cancel",
    pause: s?.pause_requested ? "Unpause" : "Pause", run_now: busy.run_now ? "Starting…" : "Run now instead",
    resume: busy.resume ? "Resuming…" : "Resume", apply: busy.apply ? "Starting…" : "Apply this plan",
  };
}

export function paintHead(v, state, m) {
  const s = state.snapshot, busy = state.busy;
  paintTitle(v, s?.title || s?.name || state.draft.title, s && s.name !== s.id ? s.name : "");
  put(v.pill, m.status);
  v.pill.className = `mgp-pill mgp-${m.tone}`;
  put(v.aside, aside(s, m));
  const { mode, ...offer } = offered(s, m, state.draft);
  paintMode(v.mode, state, mode);
  for (const [name, on] of Object.entries(offer)) show(v[name], on);
  show(v.verbs, Object.values(offer).some(Boolean));
  put(v.modeFor, m.plan ? "Apply it by" : m.draft ? "" : "Resume it by");
  show(v.modeFor, mode && !m.draft);
  show(v.terms, mode || offer.dryLabel || !v.limits.row.hidden);
  for (const [name, words] of Object.entries(wording(state, s, m))) put(v[name], words);
  v.dry.checked = state.dry;
  set(v.check, "aria-disabled", !!busy.preflight);
  v.start.disabled = v.dry.disabled = !!busy.start;
  // aria-disabled, not disabled: a disabled button drops the focus, and the keyboard's next key goes to the notebook.
  set(v.cancel, "aria-disabled", !!(busy.cancel || s?.cancel_requested));
  set(v.pause, "aria-disabled", !!(busy.pause || busy.unpause));
  v.pause.classList.toggle("mgp-go", !!s?.pause_requested);
  v.retry.classList.toggle("mgp-go", offer.retry && !offer.resume);
  for (const name of ["run_now", "report", "retry", "resume", "apply"]) set(v[name], "aria-disabled", !!busy[name]);
}

function paintTitle(v, title, name) {
  if (v.title === title && v.name === name) return;
  Object.assign(v, { title, name });
  const [from, ...to] = title.split(" → ");
  v.what.replaceChildren(path(from), ...(to.length ? [h("span", { class: "mgp-to" }, h("i", {}, "→"), path(to.join(" → ")))] : []),
    ...(name && name !== title ? [h("bdi", { class: "mgp-name", title: name }, name)] : []));
  set(v.panel, "aria-label", `Migration ${title}`);
}
