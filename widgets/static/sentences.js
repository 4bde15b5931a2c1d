// What a panel says beside its figures.

import { called, count, nth, span } from "./figures.js";
import { h, inline } from "./nodes.js";
import { justBack, worth } from "./state.js";

export function aside(s, m) {
  if (!s) return "";
  if (m.plan) return "nothing was written";
  if (m.live && s.cancel_requested && s.holder) return "what is in flight ends first";
  if (m.live) return [s.dry_run && "dry run", s.position && `${nth(s.position)} in ${s.queue}`].filter(Boolean).join(" · ");
  if (s.status !== "partial") return s.dry_run ? "dry run" : "";
  return ["failed", "refused"].filter((name) => s[name]).map((name) => `${count(s[name])} ${called(s, name)}`).join(", ");
}

/** What has to be said in a sentence: [tone, bold beginning, the rest]. */
export function notes(state, m) {
  const s = state.snapshot, said = [];
  if (state.failure) said.push(["bad", "", state.failure]);
  if (state.trouble) said.push(["warn", "", state.trouble]);
  if (state.away || (m.lost && state.by === "server")) said.push(["warn", "No connection to the Jupyter server.", `The run does not need it. ${again(state)}`]);
  else if (m.lost) said.push(["warn", `No word from the kernel for ${span((state.now - state.heard) / 1000)}.`,
    `The run does not need it. After a restart, MigrationPanel("${s.id}") shows the run again.`]);
  if (justBack(state)) said.push(["dim", "", state.missed.text]);
  if (m.plan && !worth(s)) said.push(["dim", "", "refuse" in (s.actions ?? {}) ? "There is nothing to apply: what is not there is refused." : "There is nothing to do."]);
  if (!s || (m.plan && worth(s))) return said;
  if (m.live && s.throttled) said.push(["warn", `Throttled by ${s.throttled.by}:`, `waiting ${span((s.at + state.now - state.heard - s.throttled.since) / 1000)}.`]);
  if (m.held) said.push(["warn", "Held:", `${m.held.replace(/\.$/, "")}. The run goes on by itself when that is over.`]);
  const rest = Math.max(0, s.total - s.done), done = `${count(s.done)} of ${count(s.total)} objects are done`;
  const onward = s.dry_run ? "Resume plans again." : rest ? `${done}; Resume goes on with the other ${count(rest)}.` : "Resume goes on from there.";
  if (s.status === "interrupted") said.push(["warn", s.error || `The process on ${s.holder?.host ?? "its host"} is gone.`, onward]);
  if (s.status === "failed") said.push(["bad", s.error || "The run failed.", onward]);
  if (s.status === "cancelled") said.push(["dim", "", s.total ? `Cancelled. ${onward}` : "Cancelled before anything was planned."]);
  if (s.status === "partial" && s.error) said.push(["warn", "", s.error]);
  const warnings = state.events.filter((event) => event.kind === "warning");
  if (warnings.length) said.push(["warn", warnings.length > 1 ? `${count(warnings.length)} warnings, the last:` : "Warning:", String(warnings.at(-1).data.text ?? "")]);
  return said;
}

function again(state) {
  const seconds = Math.ceil(((state.away?.next ?? 0) - state.now) / 1000);
  return seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again now.";
}

export function paintNotes(v, said) {
  const key = JSON.stringify(said);
  if (v.saidKey === key) return;
  v.saidKey = key;
  v.notes.replaceChildren(...said.map(([tone, first, rest]) =>
    h("p", { class: "mgp-note" }, h("b", { class: `mgp-${tone}` }, first), first && rest ? " " : "", ...(first ? inline(rest) : [h("span", { class: `mgp-${tone}` }, ...inline(rest))]))));
}

/** What shows the same in a terminal: live, its plan, or how it ended. */
export function commandOf(s) {
  const live = ["queued", "starting", "running"].includes(s.status);
  return `migrator ${live ? "follow" : s.dry_run && s.status === "completed" ? "plan" : "show"} ${s.id}`;
}
