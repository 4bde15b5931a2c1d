// The log window: it has 100,000 lines, and its own way to draw few of them.

import { dissect, plain } from "./figures.js";
import { h } from "./nodes.js";

const MAX_LINES = 100_000, ROW = 18;
const SEVERE = { all: () => true, warnings: (level) => level === "warn" || level === "bad", errors: (level) => level === "bad" };

/** A window on an array of lines: rows of one height, and nodes for those in sight only. */
export class LogWindow {
  /** @param {HTMLElement} box @param {(follow: boolean) => void} onFollow @param {AbortSignal} signal */
  constructor(box, onFollow, signal) {
    Object.assign(this, { box, onFollow, lines: [], kept: [], rows: new Map(), follow: true, due: 0, gesture: -1e9, wide: 0 });
    Object.assign(this, { level: "all", sought: "", hits: [], hit: -1 });
    this.kept = this.lines; // those of the level that is asked for; the very array where that is all
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
  clear() { this.lines = []; this.wide = 0; this.sift(); }
  append(lines) {
    const fresh = lines.map((line) => plain(line).slice(0, 4000)), before = this.kept.length;
    for (const line of fresh) this.lines.push(line);
    if (this.kept !== this.lines) this.kept.push(...fresh.filter((line) => this.wanted(line)));
    const extra = this.lines.length - MAX_LINES;
    if (extra > 5000 || (extra > 0 && this.follow)) {
      this.lines.splice(0, extra);
      if (!this.follow) this.box.scrollTop -= extra * ROW; // what is being read stays where it is
      this.sift();
    } else this.hits.push(...this.found(before));
    this.soon();
  }

  wanted(line) { return SEVERE[this.level](dissect(line)[2]); }
  found(from) {
    const hits = [];
    if (this.sought) for (let i = from; i < this.kept.length; i++) if (this.kept[i].toLowerCase().includes(this.sought)) hits.push(i);
    return hits;
  }
  /** Draws anew what is kept: the level, or what is sought, has changed. */
  sift() {
    this.kept = this.level === "all" ? this.lines : this.lines.filter((line) => this.wanted(line));
    this.hits = this.found(0);
    this.hit = Math.min(this.hit, this.hits.length - 1);
    this.rows.forEach((row) => row.remove());
    this.rows.clear();
    this.soon();
  }
  show(level) { this.level = level; this.sift(); }
  seek(text) {
    this.sought = text.toLowerCase();
    this.hit = -1;
    this.sift();
    if (this.hits.length) this.step(-1); // from the end: the newest is what one looks for
  }
  /** To the next line that was found (1), or to the one before (-1), around the ends. */
  step(way) {
    const all = this.hits.length;
    if (!all) return;
    this.hit = this.hit < 0 ? (way < 0 ? all - 1 : 0) : (this.hit + way + all) % all;
    this.setFollow(false);
    this.box.scrollTop = this.hits[this.hit] * ROW - this.box.clientHeight / 2;
    this.rows.forEach((row) => row.remove());
    this.rows.clear();
    this.draw();
  }

  soon() { this.due ||= requestAnimationFrame(() => { this.due = 0; this.draw(); }); }
  draw() {
    const { box, sheet, kept, rows } = this;
    if (!box.clientHeight) return; // another tab is in front
    sheet.style.height = `${kept.length * ROW}px`;
    if (this.follow && !this.atEnd()) box.scrollTop = box.scrollHeight;
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 8), last = Math.min(kept.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + 8);
    for (const [i, row] of rows) if (i < first || i >= last) { row.remove(); rows.delete(i); }
    for (let i = first; i < last; i++) {
      this.wide = Math.max(this.wide, kept[i].length);
      if (!rows.has(i)) { const row = this.row(i); rows.set(i, row); sheet.append(row); }
    }
    sheet.style.minWidth = `${this.wide + 1}ch`;
  }
  row(i) {
    const [stamp, text, level] = dissect(this.kept[i]), found = this.sought && this.kept[i].toLowerCase().includes(this.sought);
    const kinds = ["mgp-log-row", level && `mgp-${level}`, found && "mgp-hit", found && this.hits[this.hit] === i && "mgp-here"];
    const row = h("div", { class: kinds.filter(Boolean).join(" ") }, h("span", { class: "mgp-stamp" }, stamp), text || " ");
    row.style.top = `${i * ROW}px`;
    return row;
  }
}
