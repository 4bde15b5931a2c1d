// Figures and text as people read them.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
export const count = (n) => (n == null ? "–" : whole.format(n));

// As migrator.words has it; a test holds the two together.
const DELETED = { copied: "deleted", skipped: "gone already", refused: "left" };
const CALLED = { verify: { skipped: "the same", failed: "different", refused: "not comparable" }, "delete-source": DELETED, "delete-extra": DELETED, "purge-quarantine": DELETED };
/** What a settled item of a run is called. */
export const called = (s, name) => CALLED[s.migration]?.[name] ?? name;
export const capital = (text) => text.replace(/^./, (c) => c.toUpperCase());

/** Bytes in decimal units: 119.9 GB. */
export function size(bytes) {
  if (bytes == null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (bytes >= 999.95 && unit < units.length - 1) { bytes /= 1000; unit++; }
  return `${bytes.toFixed(unit > 2 || (unit && bytes < 99.95) ? 1 : 0)} ${units[unit]}`;
}

// A decimal unit may have two decimals where they say it all.
const UNITS = [["GiB", 2 ** 30], ["GB", 1e9], ["MiB", 2 ** 20], ["MB", 1e6], ["KiB", 2 ** 10], ["kB", 1e3]];

/** Bytes as they would be typed, and no byte less: 20MiB. */
export function exact(bytes) {
  const [unit, one] = UNITS.find(([, each]) => bytes >= each && bytes % (each % 1e6 ? each : each / 100) === 0) ?? ["", 1];
  return `${bytes / one}${unit}`;
}

/** A duration in its two largest units: 4 min 51 s. */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** The same, in tenths where it is less than a second. */
export const lasted = (seconds) => (seconds > 0 && seconds < 0.95 ? `${Math.max(seconds, 0.1).toFixed(1)} s` : span(seconds));

/** The time left, in steps as coarse as the guess: it must not flicker. */
export function left(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return "–";
  if (seconds < 8) return "seconds";
  if (seconds < 90) return `${Math.ceil(seconds / 10) * 10} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  const minutes = Math.round(seconds / 600) * 10;
  return seconds < 86400 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${(seconds / 86400).toFixed(1)} days`;
}

/** A moment of this place, to the second. */
export const precisely = (at) => new Date(at).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
export const rate = (n) => (n == null ? "–" : `${n < 10 && n > 0 ? n.toFixed(1) : count(n)} /s`);
export const ago = (s) => `${span(s)} ago`;

/** A place in a row: 1st, 2nd, 13th. */
export function nth(n) {
  const ending = n % 100 > 10 && n % 100 < 14 ? "th" : { 1: "st", 2: "nd", 3: "rd" }[n % 10] ?? "th";
  return `${count(n)}${ending}`;
}

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
