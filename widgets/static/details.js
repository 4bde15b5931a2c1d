// What a run has to show in its tabs: the plan, the output, the items.

import { called, capital, count } from "./figures.js";
import { BEHIND, paintItems } from "./items.js";
import { put, set, show } from "./nodes.js";
import { paintPlan } from "./plan.js";

/** The tabs that have something to show, and the one to begin with. */
export function tabsOf(state, m) {
  const s = state.snapshot, planned = s.dry_run && Object.keys(s.actions ?? {}).length > 0;
  const names = [
    ...(planned ? ["plan"] : []), "output", ...(s.copied + s.adopted ? ["copied"] : []), ...(s.skipped && !s.dry_run ? ["skipped"] : []),
    ...(s.failed + s.refused || state.tab === "failed" ? ["failed"] : []),
  ];
  // What went wrong comes first at the end, unless somebody reads the output.
  const first = m.plan && planned ? "plan" : s.status === "partial" && state.follow && names.includes("failed") ? "failed" : "output";
  return { names, chosen: names.includes(state.tab) ? state.tab : first };
}

export function paintTabs(v, state, m) {
  const s = state.snapshot, { names, chosen } = tabsOf(state, m), bad = s.failed + s.refused;
  put(v.tabs.plan, "Plan");
  put(v.tabs.output, "Output");
  put(v.tabs.copied, `${capital(called(s, "copied"))} ${count(s.copied + s.adopted)}`);
  put(v.tabs.skipped, `${capital(called(s, "skipped"))} ${count(s.skipped)}`);
  put(v.tabs.failed, `${capital(called(s, s.failed || !s.refused ? "failed" : "refused"))} ${count(bad)}`);
  for (const [name, tab] of Object.entries(v.tabs)) {
    show(tab, names.includes(name));
    set(tab, "aria-selected", name === chosen);
    set(tab, "tabindex", name === chosen ? 0 : -1);
    if (name in v.pages) show(v.pages[name], name === chosen);
  }
  show(v.pages.items, chosen in BEHIND);
  set(v.pages.items, "aria-labelledby", v.tabs[chosen in BEHIND ? chosen : "copied"].id);
  show(v.tools, chosen === "output");
  set(v.follow, "aria-pressed", state.follow);
  paintPlan(v.plan, state, m);
  paintItems(v.items, state, chosen);
}
