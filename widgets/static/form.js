// A migration to be filled in and started: the fields of its class, on which terms, and the same in Python.

import { buildConfirm, paintConfirm, wireConfirm } from "./confirm.js";
import { buildField } from "./fields.js";
import { buildMode, paintMode, wireMode } from "./mode.js";
import { button, h, inline, put, serial, set, show } from "./nodes.js";
import { codeOf } from "./python.js";

const RUN_NAME = { name: "name", label: "Name", kind: "text", help: "To find the run again.", required: false, own: false, default: null, choices: [] };
const EFFECTS = { plan: "Nothing is written: the plan comes first.", streaming: "It starts at once, and writes.", queue: "It writes when its turn comes." };

/**
 * A form in `el`. `forms()` gives what may be started, `stakes(asked)` says what it would destroy, `launch(asked)`
 * starts it and gives the run's id.
 * @param {{forms: () => Promise<any>, stakes: (asked: object) => Promise<string[]>, launch: (asked: object) => Promise<string>,
 *          started: (id: string) => void}} ways
 */
export function mountForm(el, { forms, stakes, launch, started }, signal) {
  const on = (node, name, act) => node.addEventListener(name, act, { signal });
  const v = buildForm();
  let offer = null, fields = [], own = null, state = { mode: "streaming", busy: {}, draft: {}, confirm: "" };

  const values = (aloud) => Object.fromEntries(fields.map((each) => [each.field.name, each.read(aloud)]).filter(([, value]) => value !== undefined));
  const terms = () => {
    const name = own?.read()?.trim();
    return { ...(v.dry.checked ? { dry_run: true } : {}), ...(state.mode === offer.mode ? {} : { mode: state.mode }), ...(name ? { name } : {}) };
  };
  const draw = () => {
    const plan = v.dry.checked;
    paintMode(v.mode, state, true);
    paintConfirm(v.confirm, state);
    put(v.go, state.busy.start ? "Starting…" : plan ? "Plan it" : state.mode === "queue" ? "Queue it" : "Run");
    set(v.go, "aria-disabled", !!state.busy.start);
    put(v.effect, EFFECTS[plan ? "plan" : state.mode]);
    if (!offer || offer.trouble) return;
    const given = values(), missing = offer.fields.filter((field) => field.required && !(field.name in given)).map((field) => field.name);
    put(v.code, codeOf(offer, given, missing, terms()));
  };
  const change = (part) => { state = { ...state, ...part }; draw(); };
  const fault = (text) => { v.fault.replaceChildren(...inline(text)); show(v.fault, text); };

  const choose = (next) => {
    offer = next;
    put(v.summary, next.trouble ?? next.summary);
    for (const node of [v.form, v.said, v.foot]) show(node, !next.trouble);
    if (next.trouble) return;
    const id = serial();
    // What two neighbours have in common is said once.
    const helped = next.fields.map((field, at) => (field.help === next.fields[at + 1]?.help ? { ...field, help: "" } : field));
    fields = helped.map((field) => buildField(field, `${id}-${field.name}`));
    own = buildField(RUN_NAME, `${id}-the-runs-name`);
    v.main.replaceChildren(...fields.filter((each) => each.field.own).map((each) => each.row));
    v.more.replaceChildren(own.row, ...fields.filter((each) => !each.field.own).map((each) => each.row));
    for (const each of [...fields, own]) on(each.box, "input", () => { each.say(""); change({ confirm: "" }); });
    unfold(false);
    fault("");
    draw();
  };
  const unfold = (open) => { set(v.fold, "aria-expanded", open); show(v.more, open); };

  const refused = (error) => {
    const { "": whole = "", ...faults } = error.fields ?? { "": error.message };
    const unknown = Object.keys(faults).filter((name) => !fields.some((each) => each.field.name === name)).map((name) => faults[name]);
    for (const each of fields) each.say(faults[each.field.name] ?? "");
    fault([whole, ...unknown].filter(Boolean).join(" "));
    const first = fields.find((each) => each.faulty());
    if (first && !first.field.own) unfold(true);
    first?.box.focus();
  };
  const busy = async (act) => {
    change({ busy: { start: true } });
    try {
      await act();
    } catch (error) {
      refused(error);
    } finally {
      change({ busy: {} });
    }
  };
  const submit = async () => {
    if (state.busy.start || state.confirm || !offer) return;
    for (const each of fields) each.say("");
    fault("");
    const spec = values(true), unread = fields.find((each) => each.faulty());
    if (unread) return unread.box.focus();
    const { migration } = offer, dry = v.dry.checked, name = own.read()?.trim() || undefined;
    const begin = () => busy(async () => {
      const id = await launch({ migration, spec, mode: state.mode, dry_run: dry, name });
      if (!signal.aborted) started(id);
    });
    if (dry) return begin();
    await busy(async () => change({ draft: { stakes: await stakes({ migration, spec }) } }));
    if (!fields.some((each) => each.faulty()) && v.fault.hidden) sure("start", begin);
  };
  const sure = wireConfirm(v.confirm, on, () => state, change, { start: v.go });

  on(v.form, "submit", (event) => event.preventDefault());
  on(v.form, "keydown", (event) => { // not left to the browser: Lab keeps it from submitting a form of an output
    if (event.key !== "Enter" || event.target.tagName !== "INPUT" || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  on(v.go, "click", submit);
  on(v.confirm.sure, "click", () => { change({ confirm: "" }); v.confirm.act(); });
  on(v.dry, "change", () => change({ confirm: "" }));
  on(v.fold, "click", () => unfold(v.more.hidden));
  on(v.copy, "click", () => navigator.clipboard.writeText(v.code.textContent).then(
    () => { put(v.copy, "Copied"); setTimeout(() => put(v.copy, "Copy"), 1200); }, () => fault("The browser does not allow copying here.")));
  wireMode(v.mode, on, change);
  signal.addEventListener("abort", () => v.root.remove());
  el.append(v.root);
  forms().then(({ migrations, mode }) => {
    if (signal.aborted) return;
    const offers = migrations.map((each) => ({ ...each, mode }));
    v.which.replaceChildren(...offers.map((each, at) => h("option", { value: at }, each.title)));
    show(v.which, offers.length > 1);
    show(v.title, offers.length < 2);
    on(v.which, "change", () => choose(offers[v.which.value]));
    state.mode = mode;
    if (!offers.length) return fault("Nothing may be started here; c.Migrator.migrations says what may.");
    put(v.title, offers[0].title);
    choose(offers[0]);
    fields[0]?.box.focus({ preventScroll: true }); // the choice of a migration is one Shift+Tab before it
  }, (error) => fault(error.message));
}

/** The nodes of a form, before it is known what is to be filled in. */
function buildForm() {
  const v = { title: h("h2", { class: "mgp-title" }, "New migration"), summary: h("p", { class: "mgp-summary" }) };
  v.which = h("select", { class: "mgp-field mgp-which", "aria-label": "What to start" });
  v.main = h("div", { class: "mgp-lines" });
  v.more = h("div", { class: "mgp-lines", id: serial() });
  v.fold = h("button", { type: "button", class: "mgp-fold", "aria-controls": v.more.id, "aria-expanded": false }, "More");
  v.form = h("form", { class: "mgp-form", novalidate: "" }, v.main, v.fold, v.more);
  v.code = h("pre", { class: "mgp-code", tabindex: 0, "aria-label": "The same in Python" });
  v.copy = h("button", { type: "button", class: "mgp-copy" }, "Copy");
  v.said = h("div", { class: "mgp-said" }, h("div", { class: "mgp-said-head" }, h("span", {}, "The same in Python"), v.copy), v.code);
  v.fault = h("p", { class: "mgp-note mgp-bad", role: "alert", hidden: "" });
  v.confirm = buildConfirm(serial());
  v.mode = buildMode();
  v.dry = h("input", { type: "checkbox", id: serial() });
  v.dry.checked = true;
  v.go = button("Plan it", "mgp-go mgp-steady");
  v.effect = h("span", { class: "mgp-aside", role: "status" });
  v.foot = h("div", { class: "mgp-form-foot" }, v.mode.group, h("label", { class: "mgp-dry", for: v.dry.id }, v.dry, "Dry run"), v.effect, v.go);
  for (const node of [v.which, v.more, v.form, v.said, v.foot]) show(node, false);
  v.root = h("section", { class: "mgp-panel", "aria-label": "New migration" }, h("header", { class: "mgp-head" }, v.title, v.which), v.summary, v.form, v.said, v.fault, v.confirm.box, v.foot);
  return v;
}
