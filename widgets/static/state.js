// What a panel knows, how a patch changes it, and what it means. Nothing in here touches the page.

import { ago, called, count, exact, span } from "./figures.js";

/**
 * @typedef {{title: string, dry_run: boolean, started: boolean, mode: string, bytes_per_s: any, in_flight: any}} Draft
 * @typedef {Object<string, any>} Snapshot  migrator.model.Snapshot as JSON, and `at`: when it was read
 * @typedef {{seq: number, at: number, kind: string, data: Object<string, any>}} RunEvent
 * @typedef {{draft?: Draft, snapshot?: Snapshot, events?: RunEvent[], trouble?: string,
 *            lines?: string[], start?: number, reset?: boolean, away?: {next: number} | null}} Patch
 * @typedef {{by?: "server", subscribe(onState: (patch: Patch) => void): void,
 *            request(verb: string, args?: object): Promise<any>, close(): void}} Transport
 * @typedef {Object<string, any>} State  see `initial`
 */

const LIVE = new Set(["queued", "starting", "running"]);
export const RESUMABLE = new Set(["interrupted", "cancelled", "failed", "partial"]);
const SILENT_S = 10; // a live run that has not been heard of for so long is shown as last seen
const GAP_S = 3, MISSED_MS = 30_000; // a shorter gap is not worth a word; so long it is said what came in it
export const SAMPLES = 90;
/** What is known of the items of a tab before they are read. */
export const NOTHING = { of: "", rows: [], more: false, busy: false, trouble: "", reason: null, reasons: [], seen: 0 };

/** The limits as the two fields hold them. */
export function fieldsOf(limits) {
  const { bytes_per_s: rate, in_flight: objects } = limits ?? {};
  return { bytes_per_s: rate == null ? "" : typeof rate === "number" ? exact(rate) : String(rate), in_flight: String(objects ?? "") };
}

/** @returns {State} */
export const initial = () => ({
  draft: { title: "", dry_run: false, started: false }, snapshot: null, events: [], trouble: "",
  heard: 0, // when the last patch came, by this page's clock
  away: null, // while the server can't be reached: when it is tried again
  missed: { at: -Infinity, text: "" }, // what came in the last gap
  now: 0, eta: null, samples: [], // [at, items/s, bytes/s], one a second, kept here: the state DB has no history
  items: NOTHING,
  checks: null, // what a draft needs, once that was tried
  plan: { of: "", told: null }, // what the summary of a plan says, and of which
  dry: false, mode: "streaming", tab: "", confirm: "", folded: false, by: "kernel", follow: true, busy: {}, failure: "", copied: "",
  fields: fieldsOf(), edited: false, unfolded: false, // the limits: as typed, whether by hand, whether seen
  workerAt: -Infinity, // when a worker was started from here
});

/** The state after a patch. @param {State} state @param {Patch} patch @param {number} now */
export function reduce(state, patch, now) {
  const next = { ...state, now, heard: patch.away ? state.heard : now };
  if ("away" in patch) next.away = patch.away;
  for (const name of ["events", "trouble"]) if (name in patch) next[name] = patch[name];
  if (patch.draft) Object.assign(next, { draft: patch.draft }, state.snapshot ? {} : drafted(state, patch.draft));
  if (!patch.snapshot?.id) return next;
  const was = state.snapshot, is = (next.snapshot = patch.snapshot);
  next.away = null;
  if (was?.id === is.id && (state.away || (LIVE.has(was.status) && now - state.heard > SILENT_S * 1000))) next.missed = { at: now, text: gapOf(was, is, (now - state.heard) / 1000) };
  if (was?.id !== is.id) Object.assign(next, { samples: [], eta: null, items: NOTHING, tab: "" });
  if (was?.id !== is.id || was.status !== is.status) Object.assign(next, { failure: "", confirm: "", mode: is.mode ?? "streaming" });
  if (was?.id !== is.id || JSON.stringify(was.limits) !== JSON.stringify(is.limits)) Object.assign(next, { fields: fieldsOf(is.limits), edited: false });
  if (is.status === "running" && !is.held_for && is.rate != null && is.at - (next.samples.at(-1)?.[0] ?? 0) >= 900)
    next.samples = [...next.samples, [is.at, is.rate, is.byte_rate ?? 0]].slice(-SAMPLES);
  // A third of each new guess: the ETA follows a change within seconds and ignores a hiccup.
  const guess = is.eta_s;
  next.eta = guess == null ? null : next.eta == null ? guess : next.eta + (guess - next.eta) / 3;
  return next;
}

/** What a page did not see: "Back after 42 s: 12,310 more copied, 2 failed." */
function gapOf(was, is, seconds) {
  if (seconds < GAP_S) return "";
  const more = ["copied", "adopted", "skipped", "failed", "refused"].map((name) => [is[name] - was[name], name]).filter(([n]) => n > 0);
  const said = more.map(([n, name], i) => `${count(n)} ${i ? "" : "more "}${called(is, name)}`).join(", ") || (is.status === was.status ? "nothing has changed" : "");
  return `Back after ${span(seconds)}: ${[said, is.status !== was.status && `it is ${is.status} now`].filter(Boolean).join("; ")}.`;
}

/** The choices of a panel that is not started, as Python made it; limits typed by hand stay. */
function drafted(state, draft) {
  return { dry: !!draft.dry_run, mode: draft.mode ?? "streaming", ...(state.edited ? {} : { fields: fieldsOf(draft) }) };
}

/** Why a run with a process writes nothing: ["pausing…", "paused" or "held", and the reason if it is no wish]. */
function holding(s) {
  if (s.cancel_requested || !["starting", "running"].includes(s.status)) return ["", ""];
  const why = s.held_for === "paused" ? "" : s.held_for ?? "";
  return s.pause_requested ? [s.held_for ? "paused" : "pausing…", why] : [why && "held", why];
}

/** Whether there is still to be said what came in a gap. */
export const justBack = (state) => !!state.missed.text && state.now - state.missed.at < MISSED_MS;

// What a plan decides by itself; as migrator.moving has it.
const DECIDED = ["skip", "omit", "refuse"];
/** Whether anything of a plan is to be done. */
export const worth = (s) => Object.keys(s.actions ?? {}).some((action) => !DECIDED.includes(action));

/** What the state means, in words and fractions. @param {State} state */
export function meaning(state) {
  const s = state.snapshot;
  const nothing = { live: false, draft: false, plan: false, lost: false, quiet: 0, still: false, held: "" };
  if (!s) return state.draft.started ? { ...nothing, status: "starting", tone: "run" } : { ...nothing, status: "not started", tone: "dim", draft: true };
  const live = LIVE.has(s.status), since = (state.now - state.heard) / 1000;
  const plan = s.dry_run && s.status === "completed";
  const lost = live && (!!state.away || since > SILENT_S);
  const quiet = live ? (s.silent_s ?? 0) + since : 0;
  const [hold, held] = holding(s);
  const tones = { completed: "good", partial: "warn", interrupted: "warn", cancelled: "dim", failed: "bad", running: "run", starting: "run" };
  let status = s.status, tone = tones[s.status] ?? "dim";
  if (plan) status = "plan ready";
  else if (live && s.cancel_requested) [status, tone] = ["cancelling…", "warn"];
  else if (s.status === "running" && (lost || quiet > SILENT_S)) [status, tone] = [`${hold || "running"}, last seen ${ago(quiet)}`, "dim"];
  else if (hold) [status, tone] = [hold, hold === "held" ? "warn" : "dim"];
  const still = hold === "paused" || hold === "held" || s.status === "queued";
  return { status, tone, live, draft: false, plan, lost, quiet, held, still };
}

/** Shares of the bar: by bytes where there are any, else by items. @param {Snapshot} s */
export function shares(s) {
  const whole = s.bytes_total > 0 ? s.bytes_done / s.bytes_total : s.total > 0 ? s.done / s.total : 0;
  const complete = s.total > 0 && s.done >= s.total;
  const all = complete ? 1 : Math.min(whole, 0.999), settled = s.done || 1;
  const part = (n) => (s.done ? (all * n) / settled : 0);
  return { all, copied: s.done ? part(s.copied + s.adopted) : all, skipped: part(s.skipped), failed: part(s.failed + s.refused) };
}
