// The state on the page. The same state draws the same page.

import { paintTabs } from "./details.js";
import { ago } from "./figures.js";
import { h, path, put, set, show } from "./nodes.js";
import { paintFigures, paintMeter, paintSteps } from "./progress.js";
import { aside, notes, paintNotes } from "./sentences.js";
import { RESUMABLE, meaning } from "./state.js";

/** Draws the state. The same state draws the same page. @param {Object<string, any>} v @param {State} state */
export function paint(v, state) {
  const m = meaning(state), s = state.snapshot;
  set(v.panel, "data-status", s?.status ?? "draft");
  set(v.panel, "data-run", s?.id ?? "");
  v.panel.classList.toggle("mgp-off", m.lost);
  paintHead(v, state, m);
  paintNotes(v, notes(state, m));
  for (const node of [v.progress, v.details, v.foot]) show(node, !!s);
  if (!s) return;
  show(v.progress, !m.plan);
  paintSteps(v, s);
  paintMeter(v, s, m);
  paintFigures(v, state, m);
  paintTabs(v, state, m);
  paintFoot(v, state, m);
}

function paintHead(v, state, m) {
  const s = state.snapshot, title = s?.title || s?.name || state.draft.title;
  if (v.title !== title) {
    v.title = title;
    const [from, ...to] = title.split(" → ");
    v.what.replaceChildren(path(from), ...(to.length ? [h("span", { class: "mgp-to" }, h("i", {}, "→"), path(to.join(" → ")))] : []));
    set(v.panel, "aria-label", `Migration ${title}`);
  }
  put(v.pill, m.status);
  v.pill.className = `mgp-pill mgp-${m.tone}`;
  put(v.aside, aside(s, m));
  const offer = { dryLabel: m.draft, start: m.draft, cancel: m.live, resume: s && RESUMABLE.has(s.status), apply: m.plan };
  for (const [name, on] of Object.entries(offer)) show(v[name], on);
  show(v.verbs, Object.values(offer).some(Boolean));
  v.dry.checked = state.dry;
  const busy = state.busy, wording = {
    start: busy.start ? "Starting…" : state.dry ? "Plan it" : "Run",
    cancel: busy.cancel || (m.live && s?.cancel_requested) ? "Cancelling…" : "Cancel",
    resume: busy.resume ? "Resuming…" : "Resume", apply: busy.apply ? "Starting…" : "Apply this plan",
  };
  for (const [name, words] of Object.entries(wording)) put(v[name], words);
  v.start.disabled = v.dry.disabled = !!busy.start;
  // aria-disabled, not disabled: a disabled button drops the focus, and the keyboard's next key goes to the notebook.
  set(v.cancel, "aria-disabled", !!(busy.cancel || s?.cancel_requested));
  set(v.resume, "aria-disabled", !!busy.resume);
  set(v.apply, "aria-disabled", !!busy.apply);
}

function paintFoot(v, state, m) {
  const s = state.snapshot, holder = s.holder;
  const words = (text) => (state.copied === text ? "copied" : text), command = `migrator follow ${s.id}`;
  put(v.runId, words(s.id));
  put(v.command, words(command));
  put(v.holder, !holder ? "" : [holder.host, holder.pid && `pid ${holder.pid}`, m.live && `alive ${ago(m.quiet)}`].filter(Boolean).join(" · "));
  const began = s.started_at ?? s.created_at, date = new Date(began);
  const today = date.toDateString() === new Date(state.now).toDateString();
  put(v.began, `started ${date.toLocaleString(undefined, { ...(today ? {} : { month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", hour12: false })}`);
  set(v.began, "title", date.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" }));
}
