// What a run may use: a line that says it, and unfolds into two fields.

import { count } from "./figures.js";
import { h, put, set, show } from "./nodes.js";
import { fieldsOf } from "./state.js";

function words({ bytes_per_s: rate, in_flight: objects }) {
  const most = [rate && `${rate.replace(/(\d)([a-z])/i, "$1 $2")}/s`, objects && `${/^\d+$/.test(objects) ? count(+objects) : objects} at once`];
  return most.filter(Boolean).join(" · ") || "none";
}

export function buildLimits(id) {
  const field = (name, label, example, hint) => {
    const input = h("input", { type: "text", class: "mgp-field", id: `${id}-${name}`, placeholder: example, title: hint, autocomplete: "off", spellcheck: "false" });
    return [input, h("label", { for: input.id }, label)];
  };
  const [bytes, bytesLabel] = field("bytes", "Bytes a second", "no limit", "Such as 20MiB, 20MB or 20000000; empty: no limit");
  const [objects, objectsLabel] = field("objects", "Objects at once", "no limit", "A whole number; empty: no limit of its own");
  const form = h("form", { class: "mgp-limits-form", id: `${id}-limits` },
    h("span", { class: "mgp-pair" }, bytesLabel, bytes), h("span", { class: "mgp-pair" }, objectsLabel, objects));
  const apply = h("button", { type: "submit", class: "mgp-button mgp-small" }, "Apply");
  form.append(apply);
  const fold = h("button", { type: "button", class: "mgp-fold", "aria-controls": form.id }, "Limits");
  const now = h("span", { class: "mgp-limits-now" });
  return { row: h("div", { class: "mgp-limits" }, fold, now, form), fold, now, form, inputs: { bytes_per_s: bytes, in_flight: objects }, apply };
}

export function paintLimits(l, state, m) {
  const s = state.snapshot;
  show(l.row, m.draft || (m.live && !s?.dry_run && !s?.cancel_requested && s));
  set(l.fold, "aria-expanded", state.unfolded);
  show(l.form, state.unfolded);
  show(l.now, !state.unfolded);
  const said = words(m.draft ? state.fields : fieldsOf(s?.limits));
  put(l.now, said);
  l.now.classList.toggle("mgp-none", said === "none");
  for (const [name, input] of Object.entries(l.inputs)) if (input.value !== state.fields[name]) input.value = state.fields[name];
  show(l.apply, !m.draft); // before the start they go with it
  put(l.apply, state.busy.limit ? "Applying…" : "Apply");
  set(l.apply, "aria-disabled", !!state.busy.limit);
}

/** `apply` sends the fields and says whether they were taken. */
export function wireLimits(l, on, change, state, apply) {
  const fold = () => { change({ unfolded: false }); l.fold.focus(); };
  on(l.fold, "click", () => change({ unfolded: !state().unfolded }));
  for (const [name, input] of Object.entries(l.inputs))
    on(input, "input", () => change({ fields: { ...state().fields, [name]: input.value }, edited: true }));
  on(l.form, "submit", async (event) => {
    event.preventDefault();
    if (state().snapshot && await apply()) fold();
  });
  on(l.form, "keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    fold();
  });
}
