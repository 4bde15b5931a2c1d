// Whether a migration can work, found out before it is started: each thing that it needs, and what to do.

import { plain } from "./figures.js";
import { h, show } from "./nodes.js";

const SIGNS = { ok: ["✓", "fine"], note: ["·", "to be known"], trouble: ["✗", "in the way"] };

export function buildChecks() {
  return { list: h("ul", { class: "mgp-checks", role: "status", "aria-label": "What was tried" }), told: null };
}

/** @param {{lines: {what: string, state: string, said: string}[], well: boolean} | null} told */
export function paintChecks(c, told) {
  show(c.list, told);
  if (c.told === told) return;
  c.told = told;
  const end = told?.well ? "Nothing is in the way." : "Mend what is marked ✗, then check again.";
  const rows = (told?.lines ?? []).map(({ what, state, said }) => h("li", { class: `mgp-check-${state}` },
    h("b", { "aria-label": SIGNS[state][1] }, SIGNS[state][0]), h("span", {}, what), h("span", { class: "mgp-dim" }, plain(said || "ok"))));
  c.list.replaceChildren(...rows, h("li", { class: "mgp-check-end" }, end));
}
