// What a button would destroy or cost, and a second press for it: in the panel, by the keyboard, never a dialog.

import { count, plain, size } from "./figures.js";
import { button, h, put, set, show } from "./nodes.js";

const SURE = { start: "Run it", apply: "Apply it" };

export function buildConfirm(id) {
  const said = h("ul", { class: "mgp-stakes", id: `${id}-stakes` }), back = button("Back"), sure = button("", "mgp-risk");
  const box = h("div", { class: "mgp-confirm", role: "group", "aria-labelledby": said.id, hidden: "" }, said, h("div", { class: "mgp-sure" }, back, sure));
  return { box, said, back, sure };
}

/** What is at stake with a verb, a sentence each; none where nothing is destroyed and nothing costs. */
export function stakesOf(state, verb) {
  const s = state.snapshot;
  if (verb === "start") return state.dry ? [] : state.draft.stakes ?? [];
  if (verb !== "apply" || !s) return [];
  const cost = state.plan.of === s.id ? state.plan.told?.cost : null;
  return [...(s.stakes ?? []), ...(cost?.total > 0 ? [`It costs ${cost.told}.`] : [])];
}

export function paintConfirm(c, state) {
  const on = !!state.confirm, said = on ? stakesOf(state, state.confirm) : [];
  show(c.box, on);
  put(c.sure, SURE[state.confirm] ?? "");
  if (c.key === said.join("\n")) return;
  c.key = said.join("\n");
  c.said.replaceChildren(...said.map((text) => h("li", {}, plain(text))));
}

/** `act` does what was asked once more where something is at stake. */
export function wireConfirm(c, on, state, change, buttons) {
  const leave = () => {
    const verb = state().confirm;
    change({ confirm: "" });
    buttons[verb]?.focus();
  };
  on(c.back, "click", leave);
  on(c.box, "keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    leave();
  });
  return (verb, act) => {
    if (!stakesOf(state(), verb).length) return act();
    change({ confirm: verb });
    c.act = act;
    requestAnimationFrame(() => requestAnimationFrame(() => c.back.focus()));
  };
}
