// The toggle between streaming (now) and the queue (in turn).

import { h, set, show } from "./nodes.js";

const MODES = {
  streaming: ["Streaming", "Runs now, in a process of its own"],
  queue: ["Queue", "Runs when its turn comes, by a worker"],
};

export function buildMode() {
  const radios = {};
  for (const [mode, [label, title]] of Object.entries(MODES))
    radios[mode] = h("button", { type: "button", class: "mgp-radio", role: "radio", title }, label);
  return { radios, group: h("div", { class: "mgp-mode", role: "radiogroup", "aria-label": "Mode" }, ...Object.values(radios)) };
}

/** It is offered where a start, a resume or an apply is: on a live run the mode is a fact, said in the foot. */
export function paintMode({ radios, group }, state, on) {
  show(group, on);
  const busy = ["start", "resume", "apply"].some((verb) => state.busy[verb]);
  set(group, "aria-disabled", busy);
  for (const [mode, radio] of Object.entries(radios)) {
    set(radio, "aria-checked", mode === state.mode);
    set(radio, "tabindex", mode === state.mode ? 0 : -1);
    set(radio, "aria-disabled", busy);
  }
}

/** How a run is executed, in words. */
export const modeOf = (s) => (s.mode === "queue" ? `queue ${s.queue}` : s.mode ?? "");

export function wireMode({ radios, group }, on, change) {
  const names = Object.keys(radios);
  const choose = (mode) => { if (group.getAttribute("aria-disabled") !== "true") change({ mode }); };
  for (const mode of names) on(radios[mode], "click", () => choose(mode));
  on(group, "keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = names.findIndex((mode) => radios[mode] === event.target);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = names[(at + step + names.length) % names.length];
    choose(next);
    radios[next].focus();
  });
}
