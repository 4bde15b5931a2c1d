// The one view of a run. A plain ES module: no build step, no dependency.
//
//   transport --patches--> reduce(state) --> paint(view, state)
//   click     --verb-----> transport.request
//
// `paint` alone touches the page, apart from the log window (it has 100,000 lines and its own way to
// draw few of them). Text from keys, logs and errors reaches the page by textContent only.

/**
 * @typedef {{title: string, dry_run: boolean, started: boolean}} Draft
 * @typedef {Object<string, any>} Snapshot  migrator.model.Snapshot as JSON, and `at`: when it was read
 * @typedef {{seq: number, at: number, kind: string, data: Object<string, any>}} RunEvent
 * @typedef {{draft?: Draft, snapshot?: Snapshot, events?: RunEvent[], trouble?: string,
 *            lines?: string[], reset?: boolean}} Patch
 * @typedef {{subscribe(onState: (patch: Patch) => void): void,
 *            request(verb: string, args?: object): Promise<any>, close(): void}} Transport
 * @typedef {{key: string, status: string, error: string}} Exceptional
 * @typedef {Object<string, any>} State  see `initial`
 */

const LIVE = new Set(["queued", "starting", "running"]);
const RESUMABLE = new Set(["interrupted", "cancelled", "failed", "partial"]);
const ANSWER_MS = 15_000; // a busy kernel answers between two cells; longer than that is said in words
const SILENT_S = 10; // a live run that has not been heard of for so long is shown as last seen
const MAX_LINES = 100_000, ROW = 18;
const SAMPLES = 90;

// ------------------------------------------------------------------------------------------- figures

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
export const count = (n) => (n == null ? "–" : whole.format(n));

/** Bytes in decimal units: 119.9 GB. */
export function size(bytes) {
  if (bytes == null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (bytes >= 999.95 && unit < units.length - 1) { bytes /= 1000; unit++; }
  return `${bytes.toFixed(unit > 2 || (unit && bytes < 99.95) ? 1 : 0)} ${units[unit]}`;
}

/** A duration in its two largest units: 4 min 51 s. */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** The time left, in steps as coarse as the guess: it must not flicker. */
export function left(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return "–";
  if (seconds < 8) return "seconds";
  if (seconds < 90) return `${Math.ceil(seconds / 10) * 10} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  const minutes = Math.round(seconds / 600) * 10;
  return seconds < 86400 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${(seconds / 86400).toFixed(1)} days`;
}

const rate = (n) => (n == null ? "–" : `${n < 10 && n > 0 ? n.toFixed(1) : count(n)} /s`);
const ago = (s) => `${span(s)} ago`;

/** Escape sequences and control characters out; of what a carriage return overwrote, the last. */
export function plain(text) {
  // eslint-disable-next-line no-control-regex
  const bare = text.replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)/g, "").replace(/\r+$/, "");
  // eslint-disable-next-line no-control-regex
  return bare.slice(bare.lastIndexOf("\r") + 1).replace(/\t/g, "    ").replace(/[\x00-\x1f\x7f]/g, "\ufffd");
}

const STAMP = /^(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d+)?Z?\s/;
const LEVELS = [
  ["bad", /^\W*(?:failed|failure|error|critical|fatal|refused|traceback|\w*(?:Error|Exception):)/i],
  ["warn", /^\W*(?:warning|warn|throttled|conflict|skipped lines)\b/i],
  ["good", /^\W*(?:completed|done)\b/i],
];
/** A log line as [time stamp, text, level]. */
export function dissect(line) {
  const stamp = STAMP.exec(line)?.[0] ?? "", text = line.slice(stamp.length);
  return [stamp, text, LEVELS.find(([, words]) => words.test(text))?.[0] ?? ""];
}

// ------------------------------------------------------------------------------------------- state

/** @returns {State} */
export const initial = () => ({
  draft: { title: "", dry_run: false, started: false }, snapshot: null, events: [], trouble: "",
  heard: 0, // when the last patch came, by this page's clock
  now: 0, eta: null, samples: [], // [at, items/s, bytes/s], one a second, kept here: the state DB has no history
  exceptions: { seen: -1, rows: [] },
  dry: false, tab: "", follow: true, busy: {}, failure: "", copied: "",
});

/** The state after a patch. @param {State} state @param {Patch} patch @param {number} now */
export function reduce(state, patch, now) {
  const next = { ...state, now, heard: now };
  for (const name of ["events", "trouble", "exceptions"]) if (name in patch) next[name] = patch[name];
  if (patch.draft) Object.assign(next, { draft: patch.draft, dry: state.snapshot ? state.dry : !!patch.draft.dry_run });
  if (!patch.snapshot?.id) return next;
  const was = state.snapshot, is = (next.snapshot = patch.snapshot);
  if (was?.id !== is.id) Object.assign(next, { samples: [], eta: null, exceptions: { seen: -1, rows: [] }, tab: "" });
  if (was?.id !== is.id || was.status !== is.status) next.failure = "";
  if (is.status === "running" && is.rate != null && is.at - (next.samples.at(-1)?.[0] ?? 0) >= 900)
    next.samples = [...next.samples, [is.at, is.rate, is.byte_rate ?? 0]].slice(-SAMPLES);
  // A third of each new guess: the ETA follows a change within seconds and ignores a hiccup.
  const guess = is.eta_s;
  next.eta = guess == null ? null : next.eta == null ? guess : next.eta + (guess - next.eta) / 3;
  return next;
}

/** What the state means, in words and fractions. @param {State} state */
export function meaning(state) {
  const s = state.snapshot;
  const nothing = { live: false, draft: false, plan: false, lost: false, quiet: 0 };
  if (!s) return state.draft.started ? { ...nothing, status: "starting", tone: "run" } : { ...nothing, status: "not started", tone: "dim", draft: true };
  const live = LIVE.has(s.status), since = (state.now - state.heard) / 1000;
  const plan = s.dry_run && s.status === "completed";
  const lost = live && since > SILENT_S;
  const quiet = live ? (s.silent_s ?? 0) + since : 0;
  const tones = { completed: "good", partial: "warn", interrupted: "warn", cancelled: "dim", failed: "bad", running: "run", starting: "run" };
  let status = s.status, tone = tones[s.status] ?? "dim";
  if (plan) status = "plan ready";
  else if (live && s.cancel_requested) [status, tone] = ["cancelling…", "warn"];
  else if (s.status === "running" && quiet > SILENT_S) [status, tone] = [`running, last seen ${ago(quiet)}`, "dim"];
  return { status, tone, live, draft: false, plan, lost, quiet };
}

/** Shares of the bar: by bytes where there are any, else by items. @param {Snapshot} s */
export function shares(s) {
  const whole = s.bytes_total > 0 ? s.bytes_done / s.bytes_total : s.total > 0 ? s.done / s.total : 0;
  const complete = s.total > 0 && s.done >= s.total;
  const all = complete ? 1 : Math.min(whole, 0.999), settled = s.done || 1;
  const part = (n) => (s.done ? (all * n) / settled : 0);
  return { all, copied: s.done ? part(s.copied + s.adopted) : all, skipped: part(s.skipped), failed: part(s.failed + s.refused) };
}

// ------------------------------------------------------------------------------------------- the page

/** An element; every focusable one keeps JupyterLab's shortcuts away from itself, or `d d` deletes the cell. */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== false) node.setAttribute(name, String(value));
  if (/^(button|a|input|select|summary)$/.test(tag) || "tabindex" in attributes) node.setAttribute("data-lm-suppress-shortcuts", "true");
  node.append(...children);
  return node;
}
const svg = (tag, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const button = (label, kind = "") => h("button", { type: "button", class: `mgp-button ${kind}` }, label);
const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const show = (node, on) => { if (node.hidden === !!on) node.hidden = !on; };
const set = (node, name, value) => { if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value)); };
const serial = (() => { let n = 0; return () => `mgp${++n}-${Math.random().toString(36).slice(2, 8)}`; })();

/** The nodes of one panel, once. Nothing in here depends on the state. */
function build() {
  const id = serial();
  /** @type {Object<string, any>} */
  const v = { id };
  v.what = h("div", { class: "mgp-what" });
  v.pill = h("span", { class: "mgp-pill" });
  v.aside = h("span", { class: "mgp-aside" });
  v.dry = h("input", { type: "checkbox", id: `${id}-dry` });
  v.dryLabel = h("label", { class: "mgp-dry", for: `${id}-dry` }, v.dry, "Dry run");
  v.start = button("Run", "mgp-go");
  v.apply = button("Apply this plan", "mgp-go");
  v.resume = button("Resume", "mgp-go");
  v.cancel = button("Cancel", "mgp-stop");
  v.verbs = h("div", { class: "mgp-verbs" }, v.dryLabel, v.cancel, v.resume, v.apply, v.start);
  v.head = h("header", { class: "mgp-head" }, v.what, h("div", { class: "mgp-state" }, v.pill, v.aside), v.verbs);

  v.steps = h("ol", { class: "mgp-steps", "aria-label": "Phases" });
  v.parts = ["copied", "skipped", "failed"].map((name) => h("div", { class: `mgp-part mgp-is-${name}` }));
  v.meter = h("div", { class: "mgp-meter", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, ...v.parts);
  v.counts = {};
  v.legend = h("div", { class: "mgp-legend" });
  for (const name of ["copied", "adopted", "skipped", "failed", "refused", "losses"]) {
    const figure = h("b");
    v.counts[name] = { figure, row: h("span", { class: `mgp-count mgp-is-${name}` }, `${name} `, figure) };
    v.legend.append(v.counts[name].row);
  }
  v.counts.adopted.row.title = "Found written and equal after an interruption, so not copied twice";
  v.counts.losses.row.title = "Attributes that the target can't hold";
  v.figures = {};
  const figure = (name) => {
    const [big, small] = [h("b"), h("span")];
    v.figures[name] = { big, small };
    return h("div", { class: "mgp-figure" }, big, small);
  };
  v.area = svg("path", { class: "mgp-area" });
  v.line = svg("path", { class: "mgp-line" });
  v.spark = svg("svg", { class: "mgp-spark", viewBox: "0 0 132 32", preserveAspectRatio: "none", role: "img", "aria-label": "Rate of the last minutes" });
  v.spark.append(v.area, v.line);
  v.numbers = h("div", { class: "mgp-figures" }, figure("objects"), figure("bytes"), figure("rate"), figure("time"), v.spark);
  v.progress = h("div", { class: "mgp-progress" }, v.steps, v.meter, v.legend, v.numbers);
  v.notes = h("div", { class: "mgp-notes" });

  v.tabs = {}; v.pages = {};
  v.tablist = h("div", { class: "mgp-tabs", role: "tablist", "aria-label": "Details" });
  for (const name of ["plan", "output", "failed"]) {
    v.pages[name] = h("div", { class: `mgp-page mgp-page-${name}`, role: "tabpanel", id: `${id}-p-${name}`, "aria-labelledby": `${id}-t-${name}` });
    v.tabs[name] = h("button", { type: "button", class: "mgp-tab", role: "tab", id: `${id}-t-${name}`, "aria-controls": `${id}-p-${name}` });
    v.tablist.append(v.tabs[name]);
  }
  v.follow = h("button", { type: "button", class: "mgp-follow", "aria-pressed": "true", title: "Keep the newest line in sight" }, "Follow");
  v.tablist = h("div", { class: "mgp-bar" }, v.tablist, v.follow);
  v.log = h("div", { class: "mgp-log", role: "log", "aria-live": "off", "aria-label": "Live output", tabindex: 0 });
  v.empty = h("div", { class: "mgp-empty" }, "No output yet.");
  v.pages.output.append(v.log, v.empty);
  v.planRows = h("tbody");
  v.pages.plan.append(tableOf(["Action", "Objects", "Size", "Why"], v.planRows, "mgp-plan"));
  v.failedRows = h("tbody");
  v.failedMore = h("p", { class: "mgp-more" });
  v.failedBox = h("div", { class: "mgp-scroll", tabindex: 0, role: "region", "aria-label": "Items that failed or were refused" }, tableOf(["Key", "Reason"], v.failedRows, "mgp-failed"));
  v.pages.failed.append(v.failedBox, v.failedMore);
  v.details = h("div", { class: "mgp-details" }, v.tablist, ...Object.values(v.pages));

  v.runId = h("button", { type: "button", class: "mgp-copy", title: "Copy the run's id" });
  v.holder = h("span", { class: "mgp-holder" });
  v.began = h("span", { class: "mgp-began" });
  v.command = h("button", { type: "button", class: "mgp-copy mgp-command", title: "Copy this command" });
  v.foot = h("footer", { class: "mgp-foot" }, h("span", {}, "run ", v.runId), v.holder, v.began, v.command);
  v.spoken = h("div", { class: "mgp-spoken", role: "status", "aria-live": "polite" });
  v.panel = h("section", { class: "mgp-panel", "aria-label": "Migration" }, v.head, v.progress, v.notes, v.details, v.foot, v.spoken);
  v.root = h("div", { class: "mgp" }, v.panel);
  return v;
}

function tableOf(names, body, kind) {
  const heads = names.map((name) => h("th", { scope: "col" }, name));
  return h("table", { class: `mgp-table ${kind}` }, h("thead", {}, h("tr", {}, ...heads)), body);
}

// ------------------------------------------------------------------------------------------- paint

/** Draws the state. The same state draws the same page. @param {Object<string, any>} v @param {State} state */
export function paint(v, state) {
  const m = meaning(state), s = state.snapshot;
  set(v.panel, "data-status", s?.status ?? "draft");
  set(v.panel, "data-run", s?.id ?? "");
  v.panel.classList.toggle("mgp-off", m.lost);
  paintHead(v, state, m);
  paintNotes(v, notes(state, m));
  for (const node of [v.progress, v.details, v.foot]) show(node, !!s);
  if (!s) return;
  show(v.progress, !m.plan);
  paintSteps(v, s);
  paintMeter(v, s, m);
  paintFigures(v, state, m);
  paintTabs(v, state, m);
  paintFoot(v, state, m);
}

function paintHead(v, state, m) {
  const s = state.snapshot, title = s?.title || s?.name || state.draft.title;
  if (v.title !== title) {
    v.title = title;
    const [from, ...to] = title.split(" → ");
    v.what.replaceChildren(path(from), ...(to.length ? [h("span", { class: "mgp-to" }, h("i", {}, "→"), path(to.join(" → ")))] : []));
    set(v.panel, "aria-label", `Migration ${title}`);
  }
  put(v.pill, m.status);
  v.pill.className = `mgp-pill mgp-${m.tone}`;
  put(v.aside, aside(s, m));
  const offer = { dryLabel: m.draft, start: m.draft, cancel: m.live, resume: s && RESUMABLE.has(s.status), apply: m.plan };
  for (const [name, on] of Object.entries(offer)) show(v[name], on);
  show(v.verbs, Object.values(offer).some(Boolean));
  v.dry.checked = state.dry;
  const busy = state.busy, wording = {
    start: busy.start ? "Starting…" : state.dry ? "Plan it" : "Run",
    cancel: busy.cancel || (m.live && s?.cancel_requested) ? "Cancelling…" : "Cancel",
    resume: busy.resume ? "Resuming…" : "Resume", apply: busy.apply ? "Starting…" : "Apply this plan",
  };
  for (const [name, words] of Object.entries(wording)) put(v[name], words);
  v.start.disabled = v.dry.disabled = !!busy.start;
  // aria-disabled, not disabled: a disabled button drops the focus, and the keyboard's next key goes to the notebook.
  set(v.cancel, "aria-disabled", !!(busy.cancel || s?.cancel_requested));
  set(v.resume, "aria-disabled", !!busy.resume);
  set(v.apply, "aria-disabled", !!busy.apply);
}

/** A path whose end always stays in sight: the middle gives way, at a slash where there is one. */
function path(text) {
  const slash = text.indexOf("/", Math.max(text.length - 28, 8));
  const cut = slash > 0 && slash < text.length - 5 ? slash : Math.max(text.length - 18, Math.ceil(text.length / 2));
  return h("bdi", { class: "mgp-path", title: text }, h("span", {}, text.slice(0, cut)), h("span", {}, text.slice(cut)));
}

function aside(s, m) {
  if (!s) return "";
  if (m.plan) return "nothing was written";
  if (m.live) return s.dry_run ? "dry run" : s.waiting_for ? `waits for ${s.waiting_for}` : "";
  if (s.status !== "partial") return s.dry_run ? "dry run" : "";
  return ["failed", "refused"].filter((name) => s[name]).map((name) => `${count(s[name])} ${name}`).join(", ");
}

/** What has to be said in a sentence: [tone, bold beginning, the rest]. */
export function notes(state, m) {
  const s = state.snapshot, said = [];
  if (state.failure) said.push(["bad", "", state.failure]);
  if (state.trouble) said.push(["warn", "", state.trouble]);
  if (m.lost) said.push(["warn", `No word from the kernel for ${span((state.now - state.heard) / 1000)}.`,
    `The run does not need it. After a restart, MigrationPanel("${s.id}") shows the run again.`]);
  if (!s || m.plan) return said;
  const rest = Math.max(0, s.total - s.done), done = `${count(s.done)} of ${count(s.total)} objects are done`;
  const onward = s.dry_run ? "Resume plans again." : rest ? `${done}; Resume goes on with the other ${count(rest)}.` : "Resume goes on from there.";
  if (s.status === "interrupted") said.push(["warn", s.error || `The process on ${s.holder?.host ?? "its host"} is gone.`, onward]);
  if (s.status === "failed") said.push(["bad", s.error || "The run failed.", onward]);
  if (s.status === "cancelled") said.push(["dim", "", s.total ? `Cancelled. ${onward}` : "Cancelled before anything was planned."]);
  if (s.status === "partial" && s.error) said.push(["warn", "", s.error]);
  const warnings = state.events.filter((event) => event.kind === "warning");
  if (warnings.length) said.push(["warn", warnings.length > 1 ? `${count(warnings.length)} warnings, the last:` : "Warning:", String(warnings.at(-1).data.text ?? "")]);
  return said;
}

function paintNotes(v, said) {
  const key = JSON.stringify(said);
  if (v.saidKey === key) return;
  v.saidKey = key;
  v.notes.replaceChildren(...said.map(([tone, first, rest]) =>
    h("p", { class: "mgp-note" }, h("b", { class: `mgp-${tone}` }, first), first && rest ? " " : "", first ? rest : h("span", { class: `mgp-${tone}` }, rest))));
}

function paintSteps(v, s) {
  const names = s.phases.map((phase) => phase.name).join("\n");
  if (v.stepNames !== names) {
    v.stepNames = names;
    v.stepNodes = s.phases.map((phase) => ({ fill: h("i"), name: h("span", {}, phase.name.replace(/^./, (c) => c.toUpperCase())), figure: h("b") }));
    v.steps.replaceChildren(...v.stepNodes.map((n) => (n.row = h("li", { class: "mgp-step" }, h("div", { class: "mgp-rail" }, n.fill), n.name, n.figure))));
  }
  show(v.steps, s.phases.length);
  s.phases.forEach((phase, i) => {
    const node = v.stepNodes[i], part = phase.total ? Math.min(1, phase.done / phase.total) : 0;
    node.row.className = `mgp-step mgp-step-${phase.state}`;
    if (phase.state === "now") set(node.row, "aria-current", "step"); else node.row.removeAttribute("aria-current");
    node.fill.style.width = phase.state === "done" ? "100%" : `${(part * 100).toFixed(2)}%`;
    put(node.figure, phase.state === "next" ? "" : phase.state === "now" && phase.total ? `${Math.floor(part * 100)} %` : phase.total || phase.done ? count(phase.total || phase.done) : "");
  });
}

function paintMeter(v, s, m) {
  const part = shares(s), percent = Math.floor(part.all * 100);
  for (const [i, name] of ["copied", "skipped", "failed"].entries()) {
    v.parts[i].style.width = `${(part[name] * 100).toFixed(3)}%`;
    v.parts[i].classList.toggle("mgp-some", part[name] > 0);
  }
  set(v.meter, "aria-valuenow", percent);
  set(v.meter, "aria-valuetext", `${percent} percent, ${count(s.done)} of ${count(s.total)} objects, ${size(s.bytes_done)} of ${size(s.bytes_total)}, ${m.status}`);
  v.panel.style.setProperty("--mgp-digits", `${count(s.total).length}ch`);
  for (const [name, { figure, row }] of Object.entries(v.counts)) {
    put(figure, count(s[name]));
    row.classList.toggle("mgp-none", !s[name]);
    show(row, s[name] || name === "copied" || name === "skipped" || name === "failed");
  }
}

function paintFigures(v, state, m) {
  const s = state.snapshot, f = v.figures;
  const until = s.finished_at ?? (s.at + (m.live ? state.now - state.heard : 0));
  const took = s.started_at ? (until - s.started_at) / 1000 : 0;
  const speed = m.live ? [s.rate, s.byte_rate] : s.engine_s > 0 && !s.dry_run ? [s.done / s.engine_s, s.bytes_done / s.engine_s] : [null, null];
  put(f.objects.big, count(s.done));
  put(f.objects.small, s.total > s.done ? `of ${count(s.total)} objects` : "objects");
  put(f.bytes.big, size(s.bytes_done));
  put(f.bytes.small, s.bytes_total > s.bytes_done ? `of ${size(s.bytes_total)}` : s.bytes_done ? "of data" : " ");
  put(f.rate.big, rate(speed[0]));
  put(f.rate.small, `${speed[1] == null ? "" : `${size(speed[1])}/s`}${m.live || speed[1] == null ? "" : " on average"}` || " ");
  put(f.time.big, m.live ? left(state.eta) : span(took));
  put(f.time.small, m.live ? `${state.eta == null ? "no estimate" : "left"} · ${span(took)} so far` : "in all");
  paintSpark(v, state.samples.map(([, items, bytes]) => (s.bytes_total ? bytes : items)), m.live);
}

function paintSpark(v, samples, live) {
  const key = samples.join() + live;
  if (v.sparkKey === key) return;
  v.sparkKey = key;
  const top = Math.max(...samples, 1e-9), step = 132 / ((live ? SAMPLES : samples.length) - 1), start = 132 - (samples.length - 1) * step;
  const points = samples.map((y, i) => `${(start + i * step).toFixed(1)} ${(30 - (y / top) * 27).toFixed(1)}`);
  const enough = points.length > 3; // fewer say nothing
  v.line.setAttribute("d", enough ? `M${points.join("L")}` : "");
  v.area.setAttribute("d", enough ? `M${start.toFixed(1)} 32L${points.join("L")}L132 32Z` : "");
}

/** The tabs that have something to show, and the one to begin with. */
export function tabsOf(state, m) {
  const s = state.snapshot, planned = s.dry_run && Object.keys(s.actions ?? {}).length > 0;
  const names = [...(planned ? ["plan"] : []), "output", ...(s.failed + s.refused || state.tab === "failed" ? ["failed"] : [])];
  return { names, chosen: names.includes(state.tab) ? state.tab : m.plan && planned ? "plan" : "output" };
}

function paintTabs(v, state, m) {
  const s = state.snapshot, { names, chosen } = tabsOf(state, m), bad = s.failed + s.refused;
  put(v.tabs.plan, "Plan");
  put(v.tabs.output, "Output");
  put(v.tabs.failed, `${s.failed || !s.refused ? "Failed" : "Refused"} ${count(bad)}`);
  for (const [name, tab] of Object.entries(v.tabs)) {
    show(tab, names.includes(name));
    set(tab, "aria-selected", name === chosen);
    set(tab, "tabindex", name === chosen ? 0 : -1);
    show(v.pages[name], name === chosen);
  }
  show(v.follow, chosen === "output");
  set(v.follow, "aria-pressed", state.follow);
  paintPlan(v, s);
  paintExceptions(v, state);
}

const WHY = {
  create: "not at the target", skip: "the same at the target", overwrite: "differs from the source",
  refuse: "can't be carried; the reasons are under Refused", run: "to be done",
};
function paintPlan(v, s) {
  const key = JSON.stringify(s.actions);
  if (v.planKey === key) return;
  v.planKey = key;
  const order = Object.keys(WHY), rows = Object.entries(s.actions ?? {}).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  const row = (kind, ...cells) => h("tr", { class: `mgp-row-${kind}` }, ...cells.map((cell) => h("td", {}, cell)));
  const all = ["items", "bytes"].map((what) => rows.reduce((sum, [, each]) => sum + (each[what] ?? 0), 0));
  v.planRows.replaceChildren(
    ...rows.map(([action, each]) => row(action, action, count(each.items), size(each.bytes), WHY[action] ?? "")),
    ...(rows.length > 1 ? [row("total", "in all", count(all[0]), size(all[1]), "")] : []));
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

function paintFoot(v, state, m) {
  const s = state.snapshot, holder = s.holder;
  const words = (text) => (state.copied === text ? "copied" : text), command = `migrator follow ${s.id}`;
  put(v.runId, words(s.id));
  put(v.command, words(command));
  put(v.holder, !holder ? "" : [holder.host, holder.pid && `pid ${holder.pid}`, m.live && `alive ${ago(m.quiet)}`].filter(Boolean).join(" · "));
  const began = s.started_at ?? s.created_at, date = new Date(began);
  const today = date.toDateString() === new Date(state.now).toDateString();
  put(v.began, `started ${date.toLocaleString(undefined, { ...(today ? {} : { month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", hour12: false })}`);
  set(v.began, "title", date.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" }));
}

// ------------------------------------------------------------------------------------------- the log

/** A window on an array of lines: rows of one height, and nodes for those in sight only. */
export class LogWindow {
  /** @param {HTMLElement} box @param {(follow: boolean) => void} onFollow @param {AbortSignal} signal */
  constructor(box, onFollow, signal) {
    Object.assign(this, { box, onFollow, lines: [], rows: new Map(), follow: true, due: 0, gesture: -1e9, wide: 0 });
    this.sheet = h("div", { class: "mgp-sheet" });
    box.append(this.sheet);
    const on = (name, act) => box.addEventListener(name, act, { passive: true, signal });
    // Scroll events come from theme changes and re-attachment too: only a gesture may end the following.
    for (const name of ["wheel", "touchmove", "pointerdown", "keydown"]) on(name, () => { this.gesture = performance.now(); });
    on("scroll", () => {
      if (performance.now() - this.gesture < 400) this.setFollow(this.atEnd());
      this.soon();
    });
    on("pointerup", () => { if (!getSelection()?.isCollapsed && box.contains(getSelection().anchorNode)) this.setFollow(false); });
    const watch = new ResizeObserver(() => this.soon());
    watch.observe(box);
    signal.addEventListener("abort", () => { watch.disconnect(); cancelAnimationFrame(this.due); });
  }
  atEnd() { return this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 4; }
  setFollow(on) {
    if (this.follow !== on) { this.follow = on; this.onFollow(on); }
    this.soon();
  }
  clear() { this.lines = []; this.rows.forEach((row) => row.remove()); this.rows.clear(); this.wide = 0; this.soon(); }
  append(lines) {
    for (const line of lines) this.lines.push(plain(line).slice(0, 4000));
    const extra = this.lines.length - MAX_LINES;
    if (extra > 5000 || (extra > 0 && this.follow)) {
      this.lines.splice(0, extra);
      this.rows.forEach((row) => row.remove());
      this.rows.clear();
      if (!this.follow) this.box.scrollTop -= extra * ROW; // what is being read stays where it is
    }
    this.soon();
  }
  soon() { this.due ||= requestAnimationFrame(() => { this.due = 0; this.draw(); }); }
  draw() {
    const { box, sheet, lines, rows } = this;
    if (!box.clientHeight) return; // another tab is in front
    sheet.style.height = `${lines.length * ROW}px`;
    if (this.follow && !this.atEnd()) box.scrollTop = box.scrollHeight;
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 8), last = Math.min(lines.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + 8);
    for (const [i, row] of rows) if (i < first || i >= last) { row.remove(); rows.delete(i); }
    for (let i = first; i < last; i++) {
      this.wide = Math.max(this.wide, lines[i].length);
      if (!rows.has(i)) { const row = logRow(lines[i], i); rows.set(i, row); sheet.append(row); }
    }
    sheet.style.minWidth = `${this.wide + 1}ch`;
  }
}
function logRow(line, i) {
  const [stamp, text, level] = dissect(line);
  const row = h("div", { class: `mgp-log-row${level && ` mgp-${level}`}` }, h("span", { class: "mgp-stamp" }, stamp), text || " ");
  row.style.top = `${i * ROW}px`;
  return row;
}

// ------------------------------------------------------------------------------------------- a panel

/** Puts a panel into `el`, fed by `transport`, until `signal` aborts. @param {Transport} transport */
export function mount(el, transport, signal) {
  const v = build();
  let state = initial(), due = 0, spoken = "";
  const draw = () => { due = 0; paint(v, state); speak(); log.soon(); };
  // A hidden tab gets no animation frames; what is spoken and shown must be right when it comes back.
  const soon = () => { due ||= document.hidden ? setTimeout(draw, 250) : requestAnimationFrame(draw); };
  const change = (part) => { state = { ...state, ...part, now: Date.now() }; soon(); };
  const log = new LogWindow(v.log, (follow) => change({ follow }), signal);
  const on = (node, name, act) => node.addEventListener(name, act, { signal });

  const speak = () => {
    const m = meaning(state), s = state.snapshot;
    const quarter = s && m.live ? `, ${Math.floor(shares(s).all * 4) * 25} percent` : "";
    const words = s ? `${m.status.replace(/, last seen.*/, ", not heard of")}${quarter}` : "";
    if (words !== spoken) { spoken = words; put(v.spoken, words && `Migration ${words}`); }
  };
  const ask = async (verb, args) => {
    if (state.busy[verb]) return;
    change({ busy: { ...state.busy, [verb]: true }, failure: "" });
    try {
      await transport.request(verb, args);
    } catch (error) {
      change({ failure: error.message });
    } finally {
      change({ busy: { ...state.busy, [verb]: false } });
    }
  };
  const readExceptions = async () => {
    const s = state.snapshot, seen = s ? s.failed + s.refused : 0;
    if (!s || !seen || state.tab !== "failed" || state.busy.exceptions || state.exceptions.seen === seen) return;
    state.busy = { ...state.busy, exceptions: true };
    try {
      change({ exceptions: { seen, rows: await transport.request("exceptions") } });
    } catch (error) {
      change({ failure: error.message, exceptions: { ...state.exceptions, seen } });
    } finally {
      setTimeout(() => { state.busy = { ...state.busy, exceptions: false }; readExceptions(); }, 2000);
    }
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      change({ copied: text });
      setTimeout(() => change({ copied: "" }), 1200);
    } catch { change({ failure: `The browser does not allow copying here: ${text}` }); }
  };
  const choose = (name, focus) => {
    change({ tab: name });
    if (focus) v.tabs[name].focus();
    readExceptions();
  };

  on(v.start, "click", () => ask("start", { dry_run: state.dry }));
  for (const verb of ["cancel", "resume", "apply"]) on(v[verb], "click", () => { if (v[verb].getAttribute("aria-disabled") !== "true") ask(verb); });
  on(v.dry, "change", () => change({ dry: v.dry.checked }));
  on(v.follow, "click", () => log.setFollow(!log.follow));
  on(v.runId, "click", () => copy(state.snapshot.id));
  on(v.command, "click", () => copy(`migrator follow ${state.snapshot.id}`));
  for (const name of Object.keys(v.tabs)) on(v.tabs[name], "click", () => choose(name));
  on(v.tablist, "keydown", (event) => {
    const names = Object.keys(v.tabs).filter((name) => !v.tabs[name].hidden), at = names.findIndex((name) => v.tabs[name] === event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    choose(names[(to + names.length) % names.length], true);
  });

  transport.subscribe((patch) => {
    if (patch.reset) log.clear();
    if (patch.lines) log.append(patch.lines);
    state = reduce(state, patch, Date.now());
    show(v.empty, !log.lines.length);
    readExceptions();
    soon();
  });
  const clock = setInterval(() => { if (meaning(state).live) change({}); }, 1000); // ages and elapsed time
  signal.addEventListener("abort", () => {
    clearInterval(clock);
    cancelAnimationFrame(due);
    transport.close();
    v.root.remove();
  });
  paint(v, state);
  el.append(v.root);
}

// ------------------------------------------------------------------------------------------- transports

/** Questions that wait for their answers: {id, verb, args} out, {id, ok, data, error} back. */
function asker(send, silence, ms = ANSWER_MS) {
  const waiting = new Map();
  return {
    request: (verb, args = {}) => new Promise((resolve, reject) => {
      const id = serial();
      const timer = setTimeout(() => { waiting.delete(id); reject(new Error(silence(verb, ms))); }, ms);
      waiting.set(id, { resolve, reject, timer });
      send({ id, verb, args });
    }),
    answer({ id, ok, data, error }) {
      const asked = waiting.get(id);
      if (!asked) return; // another view's, or too late
      waiting.delete(id);
      clearTimeout(asked.timer);
      ok ? asked.resolve(data) : asked.reject(new Error(error));
    },
    close: () => waiting.forEach(({ timer }) => clearTimeout(timer)),
  };
}

/** Through the kernel: traits bring the state, messages the log and the answers. @returns {Transport} */
export function commTransport(model, signal) {
  const client = serial(), names = ["draft", "snapshot", "events", "trouble"];
  const questions = asker((message) => model.send(message), (verb, ms) =>
    `The kernel has not answered “${verb}” for ${ms / 1000} s: it is busy with another cell, or gone. ` +
    `It may still do so. The run does not need the kernel${verb === "cancel" ? `; in a terminal: migrator cancel ${model.get("snapshot")?.id ?? ""}` : ""}.`);
  let run = "", next = -1; // the number of the line that is expected; -1: none before our own tail has come
  const hello = () => { next = -1; questions.request("hello", { client }).catch(() => {}); };
  const take = (frame, onState) => {
    if (frame.to && frame.to !== client) return;
    if (frame.to && next < 0) { // the first of our tail: the log begins anew
      [run, next] = [frame.run, frame.first + frame.lines.length];
      onState({ reset: true, lines: frame.lines });
    } else if (frame.run !== run && next >= 0 && frame.first === 0) { // the panel shows another run now
      [run, next] = [frame.run, frame.lines.length];
      onState({ reset: true, lines: frame.lines });
    } else if (frame.run === run && frame.first === next) {
      next += frame.lines.length;
      onState({ lines: frame.lines });
    } else if (next >= 0 && frame.first > next) hello(); // some were lost on the way
  };
  return {
    subscribe(onState) {
      const give = (...which) => onState(Object.fromEntries(which.map((name) => [name, model.get(name)])));
      const heard = (message) => (message.type === "reply" ? questions.answer(message) : message.type === "log" && take(message, onState));
      const changed = names.map((name) => [`change:${name}`, () => give(name)]);
      model.on("msg:custom", heard);
      for (const [name, act] of changed) model.on(name, act);
      signal.addEventListener("abort", () => {
        model.off("msg:custom", heard);
        for (const [name, act] of changed) model.off(name, act);
      });
      give(...names);
      hello();
    },
    request: questions.request,
    close: questions.close,
  };
}

/** anywidget's door: one view of a model. */
function render({ model, el }) {
  const life = new AbortController();
  mount(el, commTransport(model, life.signal), life.signal);
  return () => life.abort();
}
export default { render };
