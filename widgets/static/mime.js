// The view in an output, fed by the server: live with the kernel busy, restarted or gone.

import { mountDashboard } from "./dashboard.js";
import { mount, mountTurning } from "./mount.js";
import { ask, base, query, socketTransport } from "./socket.js";

export { watchEnds } from "./notices.js";

const TYPE = "application/vnd.migrator.run+json";
const ID = /^[\w.-]{1,64}$/;
const ENDED = new Set(["completed", "partial", "failed", "cancelled", "interrupted"]);

/** Loads our style sheets once a page. */
function dress() {
  if (document.querySelector("link[data-migrator]")) return;
  for (const name of ["base", "terms", "progress", "details", "history", "form", "media"]) {
    const link = document.createElement("link");
    Object.assign(link, { rel: "stylesheet", href: new URL(`static/${name}.css`, base()).href });
    link.dataset.migrator = name;
    document.head.append(link);
  }
}

/** How a list of runs is read, and one of them shown in a place of its own. */
const ways = {
  read: (wanted) => ask(`runs?${query(wanted)}`),
  view: (box, id, life) => mountTurning(box, id, life, (run, turn) => socketTransport(run, turn, () => {})),
};

/** All runs in `el`, each to be opened there. `turned` is told of what is opened ("" for the list). */
export function openDashboard(el, turned, signal = new AbortController().signal) {
  dress();
  const launch = async (asked) => (await ask("runs", asked)).id;
  const stakes = async (asked) => (await ask("stakes", asked)).stakes;
  return mountDashboard(el, { ...ways, turned, stakes, launch, forms: () => ask("migrations") }, signal);
}

/**
 * Shows a run in `el`, and leaves its final record in the notebook. `onRun` is told of another run that
 * takes its place, before the notebook is. @returns {() => void} closes the view
 */
export function open(el, id, model, onRun) {
  if (!id) {
    const whole = new AbortController();
    openDashboard(el, () => {}, whole.signal);
    return () => whole.abort();
  }
  if (!ID.test(id)) throw new Error("no run");
  dress();
  let life = new AbortController(), recorded = "", shown = "";
  const show = (run) => {
    shown = run;
    life.abort();
    life = new AbortController();
    mount(el, socketTransport(run, turn, (seen) => record(run, seen)), life.signal, ways);
  };
  const turn = (run) => {
    onRun(run);
    write(run, {});
    show(run);
  };
  const write = (run, record) => model.setData({ data: { ...model.data, ...record, [TYPE]: { run_id: run } } });
  // Once for each end, and not again for one that the notebook has already.
  const record = async (run, seen) => {
    const end = `${run} ${seen.status} ${seen.attempt}`;
    if (!ENDED.has(seen.status) || recorded === end) return;
    recorded = end;
    const told = await ask(`runs/${run}/record`).catch(() => null);
    if (shown !== run) return; // the panel has turned to another meanwhile, and the notebook with it
    if (told && told["text/plain"] !== model.data["text/plain"]) write(run, told);
  };
  show(id);
  return () => life.abort();
}
