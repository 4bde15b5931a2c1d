// The fields of a form: what is typed, as the server wants it, and what was wrong with it.

import { h, inline, set, show } from "./nodes.js";

const HINTS = { place: "/folder, s3://bucket/prefix, gs://…, az://…", json: "{ } as JSON", lines: "one a line" };
const TYPES = { date: "date", "date-time": "datetime-local" };
const NUMERIC = { whole: "numeric", number: "decimal" };

function control(field, id) {
  const common = { id, class: "mgp-field", "aria-describedby": `${id}-help ${id}-fault`, ...(field.required ? { "aria-required": true } : {}) };
  if (field.kind === "yes-no") {
    const box = h("input", { ...common, class: "mgp-check", type: "checkbox" });
    box.checked = !!field.default;
    return box;
  }
  if (field.kind === "choice") {
    const empty = field.default === null ? [h("option", { value: "" }, "–")] : [];
    const box = h("select", common, ...empty, ...field.choices.map((choice, at) => h("option", { value: at }, String(choice))));
    box.value = field.choices.includes(field.default) ? String(field.choices.indexOf(field.default)) : "";
    return box;
  }
  const hint = HINTS[field.kind] ?? (field.default === null || typeof field.default === "object" ? "" : String(field.default));
  const text = { ...common, placeholder: hint, autocomplete: "off", spellcheck: "false", autocapitalize: "off" };
  if (field.kind === "lines" || field.kind === "json") return h("textarea", { ...text, rows: 3 });
  return h("input", { ...text, type: TYPES[field.kind] ?? "text", ...(NUMERIC[field.kind] ? { inputmode: NUMERIC[field.kind] } : {}) });
}

/** What stands in a field; undefined where it is as it would be anyway. */
function typed(field, box) {
  if (field.kind === "yes-no") return box.checked === !!field.default ? undefined : box.checked;
  if (field.kind === "choice") return box.value === "" || field.choices[box.value] === field.default ? undefined : field.choices[box.value];
  const text = field.kind === "text" ? box.value : box.value.trim();
  if (!text) return undefined;
  if (field.kind === "lines") return text.split("\n").map((line) => line.trim()).filter(Boolean);
  if (field.kind === "json") return JSON.parse(text);
  return NUMERIC[field.kind] && /^-?\d{1,15}(\.\d+)?$/.test(text) ? +text : text;
}

/** One field of a form, with its label and what helps to fill it. */
export function buildField(field, id) {
  const box = control(field, id);
  const help = h("p", { class: "mgp-help", id: `${id}-help` }, ...inline(field.help)), fault = h("p", { class: "mgp-fault", id: `${id}-fault` });
  const row = h("div", { class: `mgp-line-of mgp-of-${field.kind}` }, h("label", { for: id }, field.label), h("div", { class: "mgp-fill" }, box, fault, help));
  show(help, field.help);
  const say = (text) => {
    fault.replaceChildren(...inline(text));
    show(fault, text);
    set(box, "aria-invalid", !!text);
  };
  say("");
  /** @param {boolean} aloud whether to say what can't be read: not while it is being typed */
  const read = (aloud = false) => {
    try {
      return typed(field, box);
    } catch (error) {
      if (aloud) say(`This is no JSON: ${error.message}.`);
      return undefined;
    }
  };
  return { field, row, box, say, read, faulty: () => !fault.hidden };
}
