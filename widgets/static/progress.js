// How far a run is: its phases, the bar, the figures, the line of its rate.

import { called, capital, count, lasted, left, precisely, rate, size, span } from "./figures.js";
import { h, put, set, show } from "./nodes.js";
import { SAMPLES, shares } from "./state.js";

export function paintSteps(v, s) {
  const names = s.phases.map((phase) => phase.name).join("\n");
  if (v.stepNames !== names) {
    v.stepNames = names;
    v.stepNodes = s.phases.map((phase) => ({ fill: h("i"), name: h("span", {}, capital(phase.name)), figure: h("b") }));
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

export function paintMeter(v, s, m) {
  const part = shares(s), percent = Math.floor(part.all * 100);
  for (const [i, name] of ["copied", "skipped", "failed"].entries()) {
    v.parts[i].style.width = `${(part[name] * 100).toFixed(3)}%`;
    v.parts[i].classList.toggle("mgp-some", part[name] > 0);
  }
  set(v.meter, "aria-valuenow", percent);
  set(v.meter, "aria-valuetext", `${percent} percent, ${count(s.done)} of ${count(s.total)} objects, ${size(s.bytes_done)} of ${size(s.bytes_total)}, ${m.status}`);
  v.panel.style.setProperty("--mgp-digits", `${count(s.total).length}ch`);
  for (const [name, { figure, label, row }] of Object.entries(v.counts)) {
    put(figure, count(s[name]));
    put(label, called(s, name));
    row.classList.toggle("mgp-none", !s[name]);
    show(row, s[name] || name === "copied" || name === "skipped" || (name === "failed" && !s.refused));
  }
}

export function paintFigures(v, state, m) {
  const s = state.snapshot, f = v.figures;
  const until = s.finished_at ?? (s.at + (m.live ? state.now - state.heard : 0));
  const took = s.started_at ? (until - s.started_at) / 1000 : 0;
  const waits = s.status === "queued", speed = waits ? [null, null] : m.still ? [0, 0] : m.live ? [s.rate, s.byte_rate] : s.engine_s > 0 && !s.dry_run ? [s.moved / s.engine_s, s.bytes_moved / s.engine_s] : [null, null];
  put(f.objects.big, count(s.done));
  put(f.objects.small, s.total > s.done ? `of ${count(s.total)} objects` : "objects");
  put(f.bytes.big, size(s.bytes_done));
  put(f.bytes.small, s.bytes_total > s.bytes_done ? `of ${size(s.bytes_total)}` : s.bytes_done ? "of data" : " ");
  put(f.rate.big, rate(speed[0]));
  put(f.rate.small, `${speed[1] == null ? "" : `${size(speed[1])}/s`}${m.live || speed[1] == null ? "" : " on average"}` || " ");
  set(f.rate.small, "title", s.migration === "verify" ? "what was compared" : "what was moved: not what is skipped, failed or refused");
  const eta = m.still ? null : state.eta;
  put(f.time.big, m.live ? left(eta) : lasted(took));
  put(f.time.small, m.live ? waits ? " " : `${m.still ? m.status : eta == null ? "no estimate" : "left"} · ${span(took)} so far` : inAll(took, speed[0] == null ? took : s.engine_s));
  set(f.time.small, "title", [s.started_at && `started ${precisely(s.started_at)}`, s.finished_at && `ended ${precisely(s.finished_at)}`].filter(Boolean).join(", "));
  const of = s.bytes_total ? 2 : 1;
  paintSpark(v, state.samples.map((sample) => sample[of]), m.live, of === 2 ? (top) => `${size(top)}/s` : rate);
}

/** With the time at work where that is clearly less: the rate is of that. */
const inAll = (took, work) => (work > 0.9 * took ? "in all" : `in all · ${lasted(work)} at work`);

function paintSpark(v, samples, live, words) {
  const key = samples.join() + live;
  if (v.sparkKey === key) return;
  v.sparkKey = key;
  const top = Math.max(...samples, 1e-9), step = 132 / ((live ? Math.max(samples.length, SAMPLES / 3) : samples.length) - 1), start = 132 - (samples.length - 1) * step;
  const points = samples.map((y, i) => `${(start + i * step).toFixed(1)} ${(30 - (y / top) * 27).toFixed(1)}`);
  const enough = points.length > 3; // fewer say nothing
  show(v.sparkBox, enough);
  put(v.sparkSaid, enough ? `at most ${words(top)}` : "");
  v.line.setAttribute("d", enough ? `M${points.join("L")}` : "");
  v.area.setAttribute("d", enough ? `M${start.toFixed(1)} 32L${points.join("L")}L132 32Z` : "");
}
