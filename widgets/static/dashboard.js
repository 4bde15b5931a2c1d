// All runs, and the one that is opened among them.

import { mountForm } from "./form.js";
import { listRuns } from "./history.js";
import { button, h, show } from "./nodes.js";

/** What is shown while a migration is filled in; no run has such an id. */
export const NEW = "+";

/**
 * The list of runs in `el`; a run that is chosen takes its place until one goes back.
 * `view(box, id, signal)` draws a run, `turned(id)` is told of each choice ("" for the list, NEW for a form).
 */
export function mountDashboard(el, { read, view, forms, stakes, launch, turned = () => {} }, signal) {
  const fresh = button("New migration", "mgp-go"), back = button("← All runs", "mgp-small"), stage = h("div", { class: "mgp-stage" });
  let life = null, shown = "";
  const draw = (id) => {
    life?.abort();
    life = id ? new AbortController() : null;
    shown = id;
    stage.replaceChildren();
    for (const [node, on] of [[back, id], [stage, id], [list.root, !id], [title, !id], [fresh, !id]]) show(node, on);
    if (id === NEW) mountForm(stage, { forms, stakes, launch, started: open }, life.signal);
    else if (id) view(stage, id, life.signal);
  };
  const open = (id) => { draw(id); turned(id); back.focus({ preventScroll: true }); };
  const home = () => {
    const from = shown;
    draw("");
    turned("");
    list.look();
    from === NEW ? fresh.focus({ preventScroll: true }) : list.focus(from);
  };
  const list = listRuns(read, open, signal), title = h("h2", { class: "mgp-title" }, "Migrations");
  back.addEventListener("click", home, { signal });
  fresh.addEventListener("click", () => open(NEW), { signal });
  signal.addEventListener("abort", () => { life?.abort(); root.remove(); });
  const root = h("div", { class: "mgp mgp-dashboard" },
    h("section", { class: "mgp-panel", "aria-label": "Migrations" }, h("header", { class: "mgp-head" }, back, title, h("div", { class: "mgp-verbs" }, fresh)), list.root), stage);
  draw("");
  el.append(root);
  return { draw };
}
