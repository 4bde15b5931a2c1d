// The nodes of one panel.

import { buildChecks } from "./checks.js";
import { buildConfirm } from "./confirm.js";
import { buildFind } from "./find.js";
import { buildHead } from "./head.js";
import { BEHIND, buildItems } from "./items.js";
import { buildLimits } from "./limits.js";
import { h, serial, svg } from "./nodes.js";
import { buildPlan } from "./plan.js";
import { buildQueue } from "./queue.js";

/** The nodes of one panel, once. Nothing in here depends on the state. */
export function build() {
  const id = serial();
  /** @type {Object<string, any>} */
  const v = { id };
  buildHead(v);
  v.queue = buildQueue();
  v.limits = buildLimits(id);
  v.confirm = buildConfirm(id);
  v.checks = buildChecks();
  v.terms = h("div", { class: "mgp-terms" }, v.modeFor, v.mode.group, v.dryLabel, v.limits.row);

  v.steps = h("ol", { class: "mgp-steps", "aria-label": "Phases" });
  v.parts = ["copied", "skipped", "failed"].map((name) => h("div", { class: `mgp-part mgp-is-${name}` }));
  v.meter = h("div", { class: "mgp-meter", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, ...v.parts);
  v.counts = {};
  v.legend = h("div", { class: "mgp-legend" });
  for (const name of ["copied", "adopted", "skipped", "failed", "refused", "losses", "retries"]) {
    const figure = h("b"), label = h("span");
    v.counts[name] = { figure, label, row: h("span", { class: `mgp-count mgp-is-${name}` }, label, " ", figure) };
    v.legend.append(v.counts[name].row);
  }
  v.counts.adopted.row.title = "Found written and equal after an interruption, so not copied twice";
  v.counts.retries.row.title = "Requests that were tried again";
  v.counts.losses.row.title = "Attributes that the target can't hold";
  v.figures = {};
  const figure = (name) => {
    const [big, small] = [h("b"), h("span")];
    v.figures[name] = { big, small };
    return h("div", { class: "mgp-figure" }, big, small);
  };
  v.area = svg("path", { class: "mgp-area" });
  v.line = svg("path", { class: "mgp-line" });
  v.spark = svg("svg", { class: "mgp-spark", viewBox: "0 0 132 32", preserveAspectRatio: "none", role: "img", "aria-label": "The rate so far" });
  v.spark.append(v.area, v.line);
  v.sparkSaid = h("span");
  v.sparkBox = h("div", { class: "mgp-spark-box" }, v.spark, v.sparkSaid);
  v.numbers = h("div", { class: "mgp-figures" }, figure("objects"), figure("bytes"), figure("rate"), figure("time"), v.sparkBox);
  v.progress = h("div", { class: "mgp-progress" }, v.steps, v.meter, v.legend, v.numbers);
  v.notes = h("div", { class: "mgp-notes" });

  v.tabs = {}; v.pages = {};
  v.tablist = h("div", { class: "mgp-tabs", role: "tablist", "aria-label": "Details" });
  for (const name of ["plan", "output", "copied", "skipped", "failed"]) {
    const shown = name in BEHIND ? "items" : name; // one page for all of them
    v.pages[shown] ??= h("div", { class: `mgp-page mgp-page-${shown}`, role: "tabpanel", id: `${id}-p-${shown}`, "aria-labelledby": `${id}-t-${name}` });
    v.tabs[name] = h("button", { type: "button", class: "mgp-tab", role: "tab", id: `${id}-t-${name}`, "aria-controls": `${id}-p-${shown}` });
    v.tablist.append(v.tabs[name]);
  }
  v.follow = h("button", { type: "button", class: "mgp-follow", "aria-pressed": "true", title: "Keep the newest line in sight" }, "Follow");
  v.find = buildFind();
  v.tools = h("div", { class: "mgp-tools" }, v.follow, v.find.open, v.find.link);
  v.tablist = h("div", { class: "mgp-bar" }, v.tablist, v.tools);
  v.log = h("div", { class: "mgp-log", role: "log", "aria-live": "off", "aria-label": "Live output", tabindex: 0 });
  v.empty = h("div", { class: "mgp-empty" }, "No output yet.");
  v.pages.output.append(v.find.row, h("div", { class: "mgp-log-place" }, v.log, v.empty));
  v.items = buildItems();
  v.pages.items.append(...v.items.parts);
  v.plan = buildPlan();
  v.pages.plan.append(...v.plan.parts);
  v.details = h("div", { class: "mgp-details" }, v.tablist, ...Object.values(v.pages));

  v.runId = h("button", { type: "button", class: "mgp-copy", title: "Copy the run's id" });
  v.how = h("span", { class: "mgp-how", title: "How it is executed" });
  v.holder = h("span", { class: "mgp-holder" });
  v.began = h("time", { class: "mgp-began" });
  v.command = h("button", { type: "button", class: "mgp-copy mgp-command", title: "Copy this command" });
  v.foot = h("footer", { class: "mgp-foot" }, h("span", {}, "run ", v.runId), v.how, v.holder, v.began, v.command);
  v.spoken = h("div", { class: "mgp-spoken", role: "status", "aria-live": "polite" });
  v.panel = h("section", { class: "mgp-panel", "aria-label": "Migration" }, v.head, v.confirm.box, v.progress, v.terms, v.queue.box, v.checks.list, v.notes, v.details, v.foot, v.spoken);
  v.root = h("div", { class: "mgp" }, v.panel);
  return v;
}
