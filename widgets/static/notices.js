// Says so, whatever tab is in front, when a run has ended while this page was open.

import { ask, query } from "./socket.js";

const SEEN_MS = 5000, HIDDEN_MS = 15_000, NEWEST = 50;
const KINDS = { completed: "success", partial: "warning", failed: "error", interrupted: "warning", cancelled: "info" };

/**
 * Calls `notify` once for each end of a run that comes from now on.
 * @param {(notice: {run: string, message: string, type: string}) => void} notify
 */
export function watchEnds(notify, signal) {
  const known = new Map();
  let newest = Infinity;
  const look = async () => {
    const runs = await ask(`runs?${query({ limit: NEWEST })}`);
    for (const run of runs) {
      const now = `${run.status} ${run.attempt}`, before = known.get(run.id);
      known.set(run.id, now);
      // One that was not seen before is new, or an old one that came into sight as others were purged.
      if (before === now || !(run.status in KINDS) || (before === undefined && run.created_at <= newest)) continue;
      notify({ run: run.id, message: sentence(run), type: KINDS[run.status] });
    }
    newest = Math.max(0, ...runs.map((run) => run.created_at));
  };
  const again = async () => {
    await look().catch(() => {}); // away for a moment, or without our extension: nothing to say
    if (!signal.aborted) setTimeout(again, document.hidden ? HIDDEN_MS : SEEN_MS);
  };
  again();
}

function sentence(run) {
  const odd = [["failed", run.failed], ["refused", run.refused]].filter(([, count]) => count).map(([what, count]) => `, ${count.toLocaleString()} ${what}`);
  const what = run.name === run.id ? run.title : run.name;
  return `${what.length > 80 ? `${what.slice(0, 79)}…` : what}: ${run.status}${run.dry_run ? " (dry run)" : ""}${odd.join("")}`;
}
