// Finding in the output: a line of tools that unfolds above it.

import { count } from "./figures.js";
import { button, h, put, set, show } from "./nodes.js";

const WAIT_MS = 150;

export function buildFind() {
  const open = h("button", { type: "button", class: "mgp-tool", "aria-expanded": "false", title: "Find in the output, or show only what went wrong" }, "Find");
  const text = h("input", { type: "search", class: "mgp-field mgp-search", placeholder: "Find in the output", "aria-label": "Find in the output", autocomplete: "off", spellcheck: "false" });
  const [before, after] = ["‹", "›"].map((sign) => button(sign, "mgp-small")), told = h("span", { class: "mgp-told", role: "status" });
  before.setAttribute("aria-label", "The one before");
  after.setAttribute("aria-label", "The next one");
  const level = h("select", { class: "mgp-field mgp-level", "aria-label": "Which lines" },
    ...[["all", "all lines"], ["warnings", "warnings and errors"], ["errors", "errors"]].map(([value, label]) => h("option", { value }, label)));
  const link = h("a", { class: "mgp-tool", download: "" }, "Download");
  return { open, text, before, after, told, level, link, row: h("div", { class: "mgp-sieve mgp-finds", hidden: "" }, text, before, after, told, level) };
}

export function wireFind(f, on, log, file) {
  let typed = 0;
  const tell = () => put(f.told, !f.text.value ? "" : log.lines.hits.length ? `${count(log.lines.hit + 1)} of ${count(log.lines.hits.length)}` : "not found");
  const step = (way) => { log.step(way); tell(); };
  const unfold = (open) => {
    set(f.open, "aria-expanded", open);
    show(f.row, open);
    if (open) return f.text.focus();
    f.text.value = "";
    f.level.value = "all";
    log.show("all");
    log.seek("");
    f.open.focus();
  };
  on(f.open, "click", () => unfold(f.row.hidden));
  on(f.text, "input", () => { clearTimeout(typed); typed = setTimeout(() => { log.seek(f.text.value); tell(); }, WAIT_MS); });
  on(f.before, "click", () => step(-1));
  on(f.after, "click", () => step(1));
  on(f.level, "change", () => { log.show(f.level.value); tell(); });
  on(f.row, "keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") unfold(false);
    if (event.key === "Enter" && event.target === f.text) step(event.shiftKey ? 1 : -1);
  });
  if (file) set(f.link, "href", file("log", { download: 1 }));
  show(f.link, !!file);
}
