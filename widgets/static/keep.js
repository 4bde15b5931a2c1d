// A view that outlives the output that it was drawn into.
//
// When a kernel writes into an output (a panel's end, for the saved notebook), Lab draws the widget anew, beside the
// one that was there and is only dropped. Drawn from nothing it would lose its tab, its search, its place in a list.

const views = new Map(); // a panel's id -> its views: each is given a model of its own, that says the same
const FRAMES = 120;

/** Draws a view of a model into `el`, or moves the one there whose output is gone. @returns {() => void} ends it */
export function keep(model, el, draw) {
  const panel = model.get("panel_id"), known = views.get(panel) ?? new Set();
  views.set(panel, known);
  const lost = [...known].find(isLost), view = lost ?? begin(model, draw);
  known.add(view);
  view.el = el;
  el.append(view.stage);
  if (lost) whenShown(el, () => restore(view));
  return () => {
    if (view.el !== el) return; // it has moved on
    known.delete(view);
    view.life.abort();
  };
}

// What is scrolled out of sight is taken from the page too, with its output; a view that was dropped has none.
const isLost = ({ el, seen }) => seen && !el.isConnected && !el.closest(".jp-OutputArea");

function begin(model, draw) {
  const view = { life: new AbortController(), stage: document.createElement("div"), seen: false, tops: new Map(), focused: null };
  const watch = new ResizeObserver(() => { view.seen ||= view.stage.isConnected; });
  watch.observe(view.stage);
  view.life.signal.addEventListener("abort", () => watch.disconnect());
  view.stage.addEventListener("scroll", ({ target }) => view.tops.set(target, target.scrollTop), { capture: true, passive: true });
  view.stage.addEventListener("focusin", ({ target }) => { view.focused = target; });
  draw(model, view.stage, view.life.signal);
  return view;
}

function restore({ tops, focused }) {
  for (const [node, top] of tops) node.scrollTop = top;
  if (document.activeElement === document.body) focused?.focus({ preventScroll: true }); // nobody else has taken it
}

function whenShown(el, act, frames = FRAMES) {
  requestAnimationFrame(() => (el.isConnected ? act() : frames && whenShown(el, act, frames - 1)));
}
