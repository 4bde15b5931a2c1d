// What a queued run waits for: who is ahead, and a worker where there is none.

import { count } from "./figures.js";
import { button, h, inline, put, set, show } from "./nodes.js";

const NO_WORKER = /^a worker: none serves the queue/; // migrator.lifecycle.queue says it; a test holds the two together
const PATIENCE_MS = 20_000; // a worker that is not there after so long did not start: it may be asked for again
const NAMED = 3;

/** Whether a run waits because nobody takes runs from its queue. */
export const workerless = (s) => s?.status === "queued" && NO_WORKER.test(s.waiting_for ?? "");

/** Who is ahead and what it waits for, in sentences. Ids stand in backticks. */
export function waiting(s) {
  const named = (s.ahead ?? []).slice(0, NAMED).map((id) => `\`${id}\``), others = (s.position ?? 1) - 1 - named.length;
  if (others > 0) named.push(`${count(others)} ${others > 1 ? "others" : "other"}`);
  const behind = named.length ? `Behind ${[named.slice(0, -1).join(", "), named.at(-1)].filter(Boolean).join(" and ")}.` : "";
  const why = s.waiting_for && !workerless(s) ? `Waits for ${s.waiting_for}.` : "";
  return [behind, why].filter(Boolean).join(" ");
}

/** Whether a worker is on its way. Asked of the state, not of the button: a second click may come before it is painted. */
export const workerComes = (state) => !!state.busy.start_worker || state.now - state.workerAt < PATIENCE_MS;

export function buildQueue() {
  const lack = h("span"), worker = button("Start a worker", "mgp-small");
  worker.title = "On this machine, in a process of its own. It outlives this notebook, and takes runs in turn until it is ended.";
  const ask = h("div", { class: "mgp-note mgp-ask" }, lack, worker), behind = h("p", { class: "mgp-note" });
  return { box: h("div", { class: "mgp-queue" }, behind, ask), behind, ask, lack, worker };
}

export function paintQueue(q, state) {
  const s = state.snapshot, queued = s?.status === "queued" && !s.cancel_requested, lacks = queued && workerless(s);
  const said = queued ? waiting(s) : "", key = `${said}\n${lacks && s.queue}`;
  show(q.behind, said);
  show(q.ask, lacks);
  const asked = workerComes(state);
  put(q.worker, asked ? "Starting a worker…" : "Start a worker");
  set(q.worker, "aria-disabled", asked);
  if (q.key === key) return;
  q.key = key;
  q.behind.replaceChildren(...inline(said));
  q.lack.replaceChildren(...(lacks ? [h("b", { class: "mgp-warn" }, `No worker serves the queue ${s.queue}.`),
    ...inline(` Start one here, or in a terminal: \`migrator worker${s.queue === "default" ? "" : ` --queue ${s.queue}`}\``)] : []));
}
