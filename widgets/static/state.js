// What a panel knows, how a patch changes it, and what it means. Nothing in here touches the page.

import { ago } from "./figures.js";

/**
 * @typedef {{title: string, dry_run: boolean, started: boolean}} Draft
 * @typedef {Object<string, any>} Snapshot  migrator.model.Snapshot as JSON, and `at`: when it was read
 * @typedef {{seq: number, at: number, kind: string, data: Object<string, any>}} RunEvent
 * @typedef {{draft?: Draft, snapshot?: Snapshot, events?: RunEvent[], trouble?: string,
 *            lines?: string[], reset?: boolean}} Patch
 * @typedef {{subscribe(onState: (patch: Patch) => void): void,
 *            request(verb: string, args?: object): Promise<any>, close(): void}} Transport
 * @typedef {{key: string, status: string, error: string}} Exceptional
 * @typedef {Object<string, any>} State  see `initial`
 */

const LIVE = new Set(["queued", "starting", "running"]);
export const RESUMABLE = new Set(["interrupted", "cancelled", "failed", "partial"]);
const SILENT_S = 10; // a live run that has not been heard of for so long is shown as last seen
export const SAMPLES = 90;

/** @returns {State} */
export const initial = () => ({
  draft: { title: "", dry_run: false, started: false }, snapshot: null, events: [], trouble: "",
  heard: 0, // when the last patch came, by this page's clock
  now: 0, eta: null, samples: [], // [at, items/s, bytes/s], one a second, kept here: the state DB has no history
  exceptions: { seen: -1, rows: [] },
  dry: false, tab: "", follow: true, busy: {}, failure: "", copied: "",
});

/** The state after a patch. @param {State} state @param {Patch} patch @param {number} now */
export function reduce(state, patch, now) {
  const next = { ...state, now, heard: now };
  for (const name of ["events", "trouble", "exceptions"]) if (name in patch) next[name] = patch[name];
  if (patch.draft) Object.assign(next, { draft: patch.draft, dry: state.snapshot ? state.dry : !!patch.draft.dry_run });
  if (!patch.snapshot?.id) return next;
  const was = state.snapshot, is = (next.snapshot = patch.snapshot);
  if (was?.id !== is.id) Object.assign(next, { samples: [], eta: null, exceptions: { seen: -1, rows: [] }, tab: "" });
  if (was?.id !== is.id || was.status !== is.status) next.failure = "";
  if (is.status === "running" && is.rate != null && is.at - (next.samples.at(-1)?.[0] ?? 0) >= 900)
    next.samples = [...next.samples, [is.at, is.rate, is.byte_rate ?? 0]].slice(-SAMPLES);
  // A third of each new guess: the ETA follows a change within seconds and ignores a hiccup.
  const guess = is.eta_s;
  next.eta = guess == null ? null : next.eta == null ? guess : next.eta + (guess - next.eta) / 3;
  return next;
}

/** What the state means, in words and fractions. @param {State} state */
export function meaning(state) {
  const s = state.snapshot;
  const nothing = { live: false, draft: false, plan: false, lost: false, quiet: 0 };
  if (!s) return state.draft.started ? { ...nothing, status: "starting", tone: "run" } : { ...nothing, status: "not started", tone: "dim", draft: true };
  const live = LIVE.has(s.status), since = (state.now - state.heard) / 1000;
  const plan = s.dry_run && s.status === "completed";
  const lost = live && since > SILENT_S;
  const quiet = live ? (s.silent_s ?? 0) + since : 0;
  const tones = { completed: "good", partial: "warn", interrupted: "warn", cancelled: "dim", failed: "bad", running: "run", starting: "run" };
  let status = s.status, tone = tones[s.status] ?? "dim";
  if (plan) status = "plan ready";
  else if (live && s.cancel_requested) [status, tone] = ["cancelling…", "warn"];
  else if (s.status === "running" && quiet > SILENT_S) [status, tone] = [`running, last seen ${ago(quiet)}`, "dim"];
  return { status, tone, live, draft: false, plan, lost, quiet };
}

/** Shares of the bar: by bytes where there are any, else by items. @param {Snapshot} s */
export function shares(s) {
  const whole = s.bytes_total > 0 ? s.bytes_done / s.bytes_total : s.total > 0 ? s.done / s.total : 0;
  const complete = s.total > 0 && s.done >= s.total;
  const all = complete ? 1 : Math.min(whole, 0.999), settled = s.done || 1;
  const part = (n) => (s.done ? (all * n) / settled : 0);
  return { all, copied: s.done ? part(s.copied + s.adopted) : all, skipped: part(s.skipped), failed: part(s.failed + s.refused) };
}
