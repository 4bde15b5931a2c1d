// Says so, whatever tab is in front, when a run has ended while this page was open.

import { ask, query } from "./socket.js";

const SEEN_MS = 5000, HIDDEN_MS = 15_000, NEWEST = 50, STANDS_MS = 8000;
// From what is well to what is worst.
const KINDS = { completed: "success", cancelled: "info", partial: "warning", interrupted: "warning", failed: "error" };
const LASTING = new Set(["partial", "interrupted", "failed"]);

/**
 * Tells each end of a run that comes from now on. There is one notice: what ends while it stands is gathered in it.
 * @param {(notice: {run: string, message: string, type: string, autoClose: number | false, afresh?: boolean}, at: string) => Promise<string>} notify
 *   shows a notice, or puts it into the place of the one `at`, and says where it stands: "" where none is any more
 */
export function watchEnds(notify, signal) {
  const known = new Map();
  let newest = Infinity, standing = { at: "", ends: new Map(), until: 0 };
  const tell = async (ends) => {
    if (Date.now() < standing.until) {
      const all = new Map([...standing.ends, ...ends]), notice = noticeOf([...all.values()]);
      const at = await notify({ ...notice, afresh: standing.until !== Infinity }, standing.at);
      if (at) return (standing = { at, ends: all, until: endOf(notice) });
    }
    const notice = noticeOf([...ends.values()]);
    standing = { at: await notify(notice, ""), ends, until: endOf(notice) };
  };
  const look = async () => {
    const runs = await ask(`runs?${query({ limit: NEWEST })}`), ends = new Map();
    for (const run of runs) {
      const now = `${run.status} ${run.attempt}`, before = known.get(run.id);
      known.set(run.id, now);
      // One that was not seen before is new, or an old one that came into sight as others were purged.
      if (before === now || !(run.status in KINDS) || (before === undefined && run.created_at <= newest)) continue;
      ends.set(run.id, run);
    }
    newest = Math.max(0, ...runs.map((run) => run.created_at));
    if (ends.size) await tell(ends);
  };
  const again = async () => {
    await look().catch(() => {}); // away for a moment, or without our extension: nothing to say
    if (!signal.aborted) setTimeout(again, document.hidden ? HIDDEN_MS : SEEN_MS);
  };
  again();
}

/** One run's end in a sentence, that of several as how many ended how; what went wrong stays until it is closed. */
function noticeOf(ends) {
  const kinds = Object.keys(KINDS).filter((status) => ends.some((run) => run.status === status)), worst = kinds.at(-1);
  const counts = kinds.map((status) => `${ends.filter((run) => run.status === status).length} ${status}`);
  const message = ends.length === 1 ? sentence(ends[0]) : `${ends.length} runs ended: ${counts.join(", ")}`;
  return { run: ends.length === 1 ? ends[0].id : "", message, type: KINDS[worst], autoClose: LASTING.has(worst) ? false : STANDS_MS };
}

const endOf = (notice) => (notice.autoClose ? Date.now() + notice.autoClose : Infinity);

function sentence(run) {
  const odd = [["failed", run.failed], ["refused", run.refused]].filter(([, count]) => count).map(([what, count]) => `, ${count.toLocaleString()} ${what}`);
  const what = run.name === run.id ? run.title : run.name;
  return `${what.length > 80 ? `${what.slice(0, 79)}…` : what}: ${!run.dry_run ? run.status : run.status === "completed" ? "plan ready" : `${run.status} (dry run)`}${odd.join("")}`;
}
