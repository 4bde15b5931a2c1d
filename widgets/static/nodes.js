// Making nodes, and changing them only where they differ.

import { capital } from "./figures.js";

/** An element; every focusable one keeps JupyterLab's shortcuts away from itself, or `d d` deletes the cell. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== false) node.setAttribute(name, String(value));
  if (/^(button|a|input|select|summary|textarea)$/.test(tag) || "tabindex" in attributes) node.setAttribute("data-lm-suppress-shortcuts", "true");
  node.append(...children);
  return node;
}
export const svg = (tag, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
export const button = (label, kind = "") => h("button", { type: "button", class: `mgp-button ${kind}` }, label);
export const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
export const show = (node, on) => { if (node.hidden === !!on) node.hidden = !on; };
export const set = (node, name, value) => { if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value)); };
export const serial = (() => { let n = 0; return () => `mgp${++n}-${Math.random().toString(36).slice(2, 8)}`; })();

/** Runs `act`; where it hid what had the focus, the focus stays in `box`, or the keyboard's next key goes to the notebook. */
export function keepFocus(box, act) {
  const had = box.contains(document.activeElement) ? document.activeElement : null;
  act();
  if (!had || had === box || had.checkVisibility() || !box.checkVisibility()) return;
  const lent = ["tabindex", "data-lm-suppress-shortcuts"]; // for as long as it has the focus: a click must not find them
  for (const name of lent) box.setAttribute(name, name === "tabindex" ? -1 : "true");
  box.addEventListener("blur", () => lent.forEach((name) => box.removeAttribute(name)), { once: true });
  box.focus({ preventScroll: true });
}

/** Text whose parts in backticks are code, or an option. Text all the same: nothing in it is taken for a tag. */
export function inline(text) {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, i) => (i % 2 ? marked(part) : part)) : [text];
}

/** Text whose options alone are marked: what stands in a reason may be a key, with backticks of its own. */
export const withOptions = (text) => text.split(OPTION).map((part, i) => (i % 2 ? marked(part.slice(1, -1)) : part));
const OPTION = /(`[a-z][a-z_]*=(?:[^`'"\n]|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")*`)/; // as migrator.options reads it

/** An option as `migrator.options` writes it, under the name that a form has for it; what is none of these as it is. */
function marked(code) {
  const [, name, value] = /^([a-z][a-z_]*)=(.*)$/s.exec(code) ?? [];
  if (!name) return h("code", {}, code);
  const said = value === "True" ? "yes" : value.replace(/^(['"])(.*)\1$/s, "$2");
  return h("code", { title: code }, [capital(name.replaceAll("_", " ")), said].filter(Boolean).join(": "));
}

export function tableOf(names, body, kind) {
  const heads = names.map((name) => h("th", { scope: "col" }, name));
  return h("table", { class: `mgp-table ${kind}` }, h("thead", {}, h("tr", {}, ...heads)), body);
}

/** A path whose end always stays in sight: the middle gives way, at a slash where there is one. */
export function path(text) {
  const slash = text.indexOf("/", Math.max(text.length - 28, 8));
  const cut = slash > 0 && slash < text.length - 5 ? slash : Math.max(text.length - 18, Math.ceil(text.length / 2));
  return h("bdi", { class: "mgp-path", title: text }, h("span", {}, text.slice(0, cut)), h("span", {}, text.slice(cut)));
}
