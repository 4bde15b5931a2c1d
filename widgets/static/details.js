// What a run has to show in its tabs: the plan, the output, what failed.

import { count, plain } from "./figures.js";
import { paintItems } from "./items.js";
import { h, put, set, show } from "./nodes.js";
import { paintPlan } from "./plan.js";

/** The tabs that have something to show, and the one to begin with. */
export function tabsOf(state, m) {
  const s = state.snapshot, planned = s.dry_run && Object.keys(s.actions ?? {}).length > 0;
  const names = [
    ...(planned ? ["plan"] : []), "output", ...(s.copied + s.adopted ? ["copied"] : []), ...(s.skipped && !s.dry_run ? ["skipped"] : []),
    ...(s.failed + s.refused || state.tab === "failed" ? ["failed"] : []),
  ];
  return { names, chosen: names.includes(state.tab) ? state.tab : m.plan && planned ? "plan" : "output" };
}

export function paintTabs(v, state, m) {
  const s = state.snapshot, { names, chosen } = tabsOf(state, m), bad = s.failed + s.refused;
  put(v.tabs.plan, "Plan");
  put(v.tabs.output, "Output");
  put(v.tabs.copied, `Copied ${count(s.copied + s.adopted)}`);
  put(v.tabs.skipped, `Skipped ${count(s.skipped)}`);
  put(v.tabs.failed, `${s.failed || !s.refused ? "Failed" : "Refused"} ${count(bad)}`);
  for (const [name, tab] of Object.entries(v.tabs)) {
    show(tab, names.includes(name));
    set(tab, "aria-selected", name === chosen);
    set(tab, "tabindex", name === chosen ? 0 : -1);
    if (name in v.pages) show(v.pages[name], name === chosen);
  }
  show(v.pages.items, chosen === "copied" || chosen === "skipped");
  show(v.tools, chosen === "output");
  set(v.follow, "aria-pressed", state.follow);
  paintPlan(v.plan, state, m);
  paintExceptions(v, state);
  paintItems(v.items, state);
}

function paintExceptions(v, state) {
  const { rows } = state.exceptions, s = state.snapshot, bad = s.failed + s.refused;
  if (v.exceptionRows !== rows) {
    v.exceptionRows = rows;
    v.failedRows.replaceChildren(...rows.map((each) => {
      const reason = each.status === "refused" ? `refused: ${each.error ?? ""}` : each.error ?? each.status;
      return h("tr", {}, h("td", {}, h("bdi", {}, plain(String(each.key)))), h("td", {}, plain(String(reason))));
    }));
  }
  const command = `mg.attach("${s.id}").items("failed").df()`;
  put(v.failedMore, state.failure && !rows.length ? "" : !rows.length ? "Reading…" : bad > rows.length ? `The first ${count(rows.length)} of ${count(bad)}. All of them: ${command}` : "");
  show(v.failedMore, v.failedMore.textContent);
}
