// The log window: it has 100,000 lines, and its own way to draw few of them.

import { dissect, plain } from "./figures.js";
import { h } from "./nodes.js";

const MAX_LINES = 100_000, ROW = 18;

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
