// What a run may use: a line that says it, and unfolds into two sliders, each with a field for the very figure.

import { count, exact } from "./figures.js";
import { h, put, set, show } from "./nodes.js";
import { fieldsOf } from "./state.js";

const STEPS = 100, LEAST = 1e5, TOP = 1e10, MOST_OBJECTS = 512, UNITS_OF = { "": 1, k: 1e3, m: 1e6, g: 1e9, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 };
const settled = (n, digits = 2) => Number(n.toPrecision(digits));

/** Each limit by its slider: from least to most in even ratios, and at the end none. */
const SCALES = {
  bytes_per_s: {
    label: "Bytes a second", hint: "Such as 20MiB, 20MB or 20000000; empty: no limit",
    text: (at) => exact(settled(LEAST * (TOP / LEAST) ** (at / (STEPS - 1)))),
    value: (text) => {
      const [, figure, unit] = /^\s*([\d.]+)\s*([kmg]i?)?b?(?:\/s)?\s*$/i.exec(text) ?? [];
      return figure ? (STEPS - 1) * Math.log(figure * UNITS_OF[(unit ?? "").toLowerCase()] / LEAST) / Math.log(TOP / LEAST) : NaN;
    },
    said: (text) => `${text.replace(/(\d)([a-z])/i, "$1 $2")} a second`,
  },
  in_flight: {
    label: "Objects at once", hint: "A whole number up to 512; empty: no limit of its own",
    text: (at) => String(Math.round(MOST_OBJECTS ** (at / (STEPS - 1)))),
    value: (text) => (/^\d+$/.test(text) ? (STEPS - 1) * Math.log(Math.max(1, +text)) / Math.log(MOST_OBJECTS) : NaN),
    said: (text) => `${text} at once`,
  },
};

function words({ bytes_per_s: rate, in_flight: objects }) {
  const most = [rate && `${rate.replace(/(\d)([a-z])/i, "$1 $2")}/s`, objects && `${/^\d+$/.test(objects) ? count(+objects) : objects} at once`];
  return most.filter(Boolean).join(" · ") || "none";
}

export function buildLimits(id) {
  const form = h("form", { class: "mgp-limits-form", id: `${id}-limits` }), inputs = {}, sliders = {};
  for (const [name, { label, hint }] of Object.entries(SCALES)) {
    inputs[name] = h("input", { type: "text", class: "mgp-field", id: `${id}-${name}`, placeholder: "no limit", title: hint, autocomplete: "off", spellcheck: "false" });
    sliders[name] = h("input", { type: "range", class: "mgp-slider", min: 0, max: STEPS, step: 1, "aria-label": `${label}, as a slider` });
    form.append(h("label", { for: inputs[name].id }, label), sliders[name], inputs[name]);
  }
  const apply = h("button", { type: "submit", class: "mgp-button mgp-small" }, "Apply");
  form.append(apply);
  const fold = h("button", { type: "button", class: "mgp-fold", "aria-controls": form.id }, "Limits");
  const now = h("span", { class: "mgp-limits-now" });
  return { row: h("div", { class: "mgp-limits" }, fold, now, form), fold, now, form, inputs, sliders, apply };
}

export function paintLimits(l, state, m) {
  const s = state.snapshot;
  show(l.row, m.draft || (m.live && !s?.dry_run && !s?.cancel_requested && s));
  set(l.fold, "aria-expanded", state.unfolded);
  show(l.form, state.unfolded);
  const held = m.draft ? state.fields : fieldsOf(s?.limits), said = words(held);
  put(l.now, said);
  l.now.classList.toggle("mgp-none", said === "none");
  for (const [name, input] of Object.entries(l.inputs)) {
    const text = state.fields[name], at = text.trim() ? SCALES[name].value(text) : STEPS;
    if (input.value !== text) input.value = text;
    if (at >= 0 && document.activeElement !== l.sliders[name]) l.sliders[name].value = Math.min(at, text.trim() ? STEPS - 1 : STEPS);
    set(l.sliders[name], "aria-valuetext", text.trim() ? SCALES[name].said(text) : "no limit");
  }
  // Before the start they go with it; a slider says when it is let go.
  show(l.apply, !m.draft && state.edited);
  put(l.apply, state.busy.limit ? "Applying…" : "Apply");
  set(l.apply, "aria-disabled", !!state.busy.limit);
}

/** `apply` sends the fields and says whether they were taken. */
export function wireLimits(l, on, change, state, apply) {
  const fold = () => { change({ unfolded: false }); l.fold.focus(); };
  const type = (name, text, edited) => change({ fields: { ...state().fields, [name]: text }, edited });
  on(l.fold, "click", () => change({ unfolded: !state().unfolded }));
  for (const [name, input] of Object.entries(l.inputs)) on(input, "input", () => type(name, input.value, true));
  for (const [name, slider] of Object.entries(l.sliders)) {
    on(slider, "input", () => type(name, +slider.value < STEPS ? SCALES[name].text(+slider.value) : "", true));
    on(slider, "change", () => { if (state().snapshot) apply(); });
  }
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
