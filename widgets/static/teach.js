// What stands in an empty list of runs: what would be listed there, and the three ways to begin.

import { h, put } from "./nodes.js";

const WAYS = [
  ["In a notebook", 'MigrationPanel(mg.CopyObjects("/data/in", "s3://lake/in"))'],
  ["In a terminal", "migrator copy /data/in s3://lake/in --dry-run"],
];

/** `here`: whether a form is at hand, that is called "New migration". */
export function buildTeaching(here, signal) {
  const rows = WAYS.flatMap(([where, line]) => {
    const copied = h("span", { class: "mgp-dim", role: "status" }), copy = h("button", { type: "button", class: "mgp-copy", title: "Copy this line" }, line);
    copy.addEventListener("click", () => navigator.clipboard?.writeText(line).then(() => put(copied, " copied"), () => {}), { signal });
    return [h("dt", {}, where), h("dd", {}, copy, copied)];
  });
  return h("div", { class: "mgp-teach", hidden: "" },
    h("p", { class: "mgp-teach-first" }, "No runs yet."),
    h("p", {}, "Each migration is a process of its own. It is listed here whoever started it, and can be opened, stopped and resumed whatever becomes of the tab and the kernel. A dry run says first what would be done."),
    h("dl", {}, ...(here ? [h("dt", {}, "Here"), h("dd", {}, "New migration, above: a form for each kind.")] : []), ...rows));
}
