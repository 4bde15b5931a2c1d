// A panel as one line: what goes where, how it stands, a small bar and the counts. The page remembers which are so.

import { called, count, size } from "./figures.js";
import { h, put, set, show } from "./nodes.js";
import { shares } from "./state.js";

const KEPT_AT = "migrator.folded", REMEMBERED = 200;

export function buildFold(v) {
  v.chevron = h("button", { type: "button", class: "mgp-chevron", "aria-expanded": true, "aria-label": "Details" });
  v.briefFill = ["copied", "skipped", "failed"].map((name) => h("div", { class: `mgp-part mgp-is-${name}` }));
  v.briefSaid = h("span");
  v.brief = h("div", { class: "mgp-brief", hidden: "" }, h("div", { class: "mgp-meter", "aria-hidden": "true" }, ...v.briefFill), v.briefSaid);
}

export function paintFold(v, state, m) {
  const s = state.snapshot, folded = !!s && state.folded;
  show(v.chevron, s);
  set(v.chevron, "aria-expanded", !folded);
  set(v.chevron, "title", folded ? "Show all of it" : "Show one line");
  v.panel.classList.toggle("mgp-folded", folded);
  show(v.brief, folded && !m.plan && s.total);
  if (!folded) return;
  const part = shares(s), bad = s.failed + s.refused;
  ["copied", "skipped", "failed"].forEach((name, i) => { v.briefFill[i].style.width = `${(part[name] * 100).toFixed(2)}%`; });
  put(v.briefSaid, [s.total > s.done ? `${count(s.done)} of ${count(s.total)}` : count(s.done), s.bytes_done && size(s.bytes_done), bad && `${count(bad)} ${called(s, s.failed ? "failed" : "refused")}`].filter(Boolean).join(" · "));
}

/** Which runs this browser shows as one line; the newest choices are kept, and none where nothing may be stored. */
function foldedRuns() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT_AT) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch { return []; }
}
export const isFolded = (id) => foldedRuns().includes(id);
export function rememberFold(id, folded) {
  try {
    localStorage.setItem(KEPT_AT, JSON.stringify([...foldedRuns().filter((each) => each !== id), ...(folded ? [id] : [])].slice(-REMEMBERED)));
  } catch { /* it is only not remembered */ }
}
