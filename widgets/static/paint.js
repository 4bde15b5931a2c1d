// The state on the page. The same state draws the same page.

import { paintChecks } from "./checks.js";
import { paintConfirm } from "./confirm.js";
import { paintTabs } from "./details.js";
import { ago, precisely } from "./figures.js";
import { paintFold } from "./fold.js";
import { paintHead } from "./head.js";
import { paintLimits } from "./limits.js";
import { modeOf } from "./mode.js";
import { put, set, show } from "./nodes.js";
import { paintFigures, paintMeter, paintSteps } from "./progress.js";
import { paintQueue } from "./queue.js";
import { commandOf, notes, paintNotes } from "./sentences.js";
import { meaning } from "./state.js";

/** Who took a start or a resume that the page asked for: the kernel that shows the run, or the server in its place. */
const TAKEN = {
  kernel: ["started by the kernel", "A kernel took the start: the run has its interpreter, environment and credentials"],
  server: ["started by the Jupyter server", "No kernel took the start within 2 s: the run has the interpreter that is recorded with it, and the server's environment"],
};

/** Draws the state. The same state draws the same page. @param {Object<string, any>} v @param {State} state */
export function paint(v, state) {
  const m = meaning(state), s = state.snapshot;
  set(v.panel, "data-status", s?.status ?? "draft");
  set(v.panel, "data-run", s?.id ?? "");
  v.panel.classList.toggle("mgp-off", m.lost);
  v.panel.classList.toggle("mgp-still", m.still);
  paintLimits(v.limits, state, m);
  paintHead(v, state, m);
  paintFold(v, state, m);
  paintConfirm(v.confirm, state);
  paintChecks(v.checks, m.draft ? state.checks : null);
  paintQueue(v.queue, state);
  paintNotes(v, notes(state, m));
  const waits = s?.status === "queued"; // what earlier attempts did is shown, and nothing where there were none
  show(v.progress, s && !m.plan && !(waits && !s.total));
  show(v.details, s && !(waits && !s.attempt));
  show(v.foot, s);
  if (!s) return;
  paintSteps(v, s);
  paintMeter(v, s, m);
  paintFigures(v, state, m);
  paintTabs(v, state, m);
  paintFoot(v, state, m);
}

function paintFoot(v, state, m) {
  const s = state.snapshot, holder = s.holder, waits = s.status === "queued";
  const words = (text) => (state.copied === text ? "copied" : text), command = commandOf(s);
  put(v.runId, words(s.id));
  put(v.command, words(command));
  const taken = TAKEN[state.events.findLast((event) => event.kind === "request" && event.data.request === "start")?.data.taken];
  put(v.how, [modeOf(s), taken?.[0]].filter(Boolean).join(" · "));
  set(v.how, "title", taken?.[1] ?? "How it is executed");
  put(v.holder, !holder ? "" : [holder.host, holder.pid && `pid ${holder.pid}`, m.live && `alive ${ago(m.quiet)}`].filter(Boolean).join(" · "));
  const began = s.started_at ?? s.created_at, date = new Date(began);
  const today = date.toDateString() === new Date(state.now).toDateString();
  const at = date.toLocaleString(undefined, { ...(today ? {} : { month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", hour12: false });
  put(v.began, `${s.started_at || !waits ? "started" : "queued"} ${at}${s.owner ? ` by ${s.owner}` : ""}`);
  set(v.began, "title", precisely(began));
  set(v.began, "datetime", date.toISOString());
}
