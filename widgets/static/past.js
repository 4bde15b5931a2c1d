// Below a run: the runs before it, of the same places or all; one that is chosen opens there.

import { listRuns } from "./history.js";
import { button, h, set, show } from "./nodes.js";

/**
 * A line that unfolds into a list of runs. `view(box, id, signal)` draws the one that is chosen.
 * @param {{read: (query: object) => Promise<Snapshot[]>, view: (box: HTMLElement, id: string, signal: AbortSignal) => void}} ways
 */
export function buildPast({ read, view }, snapshot, signal) {
  const fold = h("button", { type: "button", class: "mgp-fold", "aria-expanded": false }, "Past runs");
  const back = button("← Past runs", "mgp-small"), place = h("div", { class: "mgp-past-place" }), stage = h("div", { class: "mgp-stage" });
  const on = (node, act) => node.addEventListener("click", act, { signal });
  let list = null, life = null, shown = "";
  const draw = (id) => {
    life?.abort();
    life = id ? new AbortController() : null;
    stage.replaceChildren();
    for (const [node, there] of [[stage, id], [back, id], [fold, !id], [place, !id && fold.getAttribute("aria-expanded") === "true"]]) show(node, there);
    if (id) view(stage, id, life.signal);
  };
  const open = (id) => {
    draw((shown = id));
    back.focus({ preventScroll: true });
  };
  on(fold, () => {
    set(fold, "aria-expanded", fold.getAttribute("aria-expanded") !== "true");
    draw("");
    if (list) return list.look();
    list = listRuns(read, open, signal, () => snapshot()?.title);
    place.append(list.root);
  });
  on(back, () => {
    draw("");
    list.look();
    list.focus(shown);
  });
  draw("");
  signal.addEventListener("abort", () => life?.abort());
  return h("div", { class: "mgp-past", role: "group", "aria-label": "Past runs", hidden: "" }, h("div", { class: "mgp-past-head" }, fold, back), place, stage);
}
