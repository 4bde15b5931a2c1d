// The first line of a panel: what goes where, how it stands, and what can be done about it.

import { buildMode, paintMode } from "./mode.js";
import { button, h, path, put, set, show } from "./nodes.js";
import { aside } from "./sentences.js";
import { RESUMABLE } from "./state.js";

const VERBS = { // name: label and kind, in the order in which they stand
  pause: ["Pause", "mgp-steady"], run_now: ["Run now instead", ""], cancel: ["Cancel", "mgp-stop"],
  resume: ["Resume", "mgp-go"], apply: ["Apply this plan", "mgp-go"], start: ["Run", "mgp-go mgp-steady"],
};

export function buildHead(v) {
  v.what = h("div", { class: "mgp-what" });
  v.pill = h("span", { class: "mgp-pill" });
  v.aside = h("span", { class: "mgp-aside" });
  v.mode = buildMode();
  v.dry = h("input", { type: "checkbox", id: `${v.id}-dry` });
  v.dryLabel = h("label", { class: "mgp-dry", for: v.dry.id }, v.dry, "Dry run");
  for (const [name, [label, kind]] of Object.entries(VERBS)) v[name] = button(label, kind);
  v.verbs = h("div", { class: "mgp-verbs" }, v.mode.group, v.dryLabel, ...Object.keys(VERBS).map((name) => v[name]));
  v.head = h("header", { class: "mgp-head" }, v.what, h("div", { class: "mgp-state" }, v.pill, v.aside), v.verbs);
}

/** What can be done in this state. */
function offered(s, m) {
  const waits = s?.status === "queued", asked = s?.cancel_requested, resume = RESUMABLE.has(s?.status);
  // A dry run writes nothing, so there is nothing to hold; one that was paused from elsewhere can go on.
  const pause = m.live && s && !waits && !asked && (!s.dry_run || s.pause_requested);
  return { mode: m.draft || resume || m.plan, dryLabel: m.draft, pause, run_now: waits && !asked, cancel: m.live, resume, apply: m.plan, start: m.draft };
}

function wording(state, s, m) {
  const busy = state.busy;
  return {
    start: busy.start ? "Starting…" : state.dry ? "Plan it" : state.mode === "queue" ? "Queue it" : "Run",
    cancel: busy.cancel || (m.live && s?.cancel_requested) ? "Cancelling…" : "Cancel",
    pause: s?.pause_requested ? "Unpause" : "Pause", run_now: busy.run_now ? "Starting…" : "Run now instead",
    resume: busy.resume ? "Resuming…" : "Resume", apply: busy.apply ? "Starting…" : "Apply this plan",
  };
}

export function paintHead(v, state, m) {
  const s = state.snapshot, busy = state.busy;
  paintTitle(v, s?.title || s?.name || state.draft.title);
  put(v.pill, m.status);
  v.pill.className = `mgp-pill mgp-${m.tone}`;
  put(v.aside, aside(s, m));
  const { mode, ...offer } = offered(s, m);
  paintMode(v.mode, state, mode);
  for (const [name, on] of Object.entries(offer)) show(v[name], on);
  show(v.verbs, Object.values(offer).some(Boolean));
  for (const [name, words] of Object.entries(wording(state, s, m))) put(v[name], words);
  v.dry.checked = state.dry;
  v.start.disabled = v.dry.disabled = !!busy.start;
  // aria-disabled, not disabled: a disabled button drops the focus, and the keyboard's next key goes to the notebook.
  set(v.cancel, "aria-disabled", !!(busy.cancel || s?.cancel_requested));
  set(v.pause, "aria-disabled", !!(busy.pause || busy.unpause));
  v.pause.classList.toggle("mgp-go", !!s?.pause_requested);
  for (const name of ["run_now", "resume", "apply"]) set(v[name], "aria-disabled", !!busy[name]);
}

function paintTitle(v, title) {
  if (v.title === title) return;
  v.title = title;
  const [from, ...to] = title.split(" → ");
  v.what.replaceChildren(path(from), ...(to.length ? [h("span", { class: "mgp-to" }, h("i", {}, "→"), path(to.join(" → ")))] : []));
  set(v.panel, "aria-label", `Migration ${title}`);
}
