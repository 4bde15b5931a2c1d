// The log window: rows of one height on an array of lines, and nodes for those in sight only.

import { Lines } from "./lines.js";
import { h, put, show } from "./nodes.js";

const ROW = 18, AROUND = 8, GESTURE_MS = 400, NEAR_ROWS = 20;

export class LogWindow {
  /**
   * @param {HTMLElement} box
   * @param {{onFollow: (follow: boolean) => void, readOlder?: (before: number) => Promise<{text: string, from: number}>}} ways
   * @param {AbortSignal} signal
   */
  constructor(box, { onFollow, readOlder }, signal) {
    Object.assign(this, { box, onFollow, readOlder, lines: new Lines(), rows: new Map(), follow: true, due: 0, gesture: -1e9, held: false, wide: 0, asking: false });
    this.sheet = h("div", { class: "mgp-sheet" });
    this.note = h("div", { class: "mgp-log-note", hidden: "" });
    box.append(this.note, this.sheet);
    const on = (node, name, act) => node.addEventListener(name, act, { passive: true, signal });
    // Scroll events come from theme changes and re-attachment too: only a gesture may end the following.
    for (const name of ["wheel", "touchmove", "pointerdown", "keydown"]) on(box, name, () => { this.gesture = performance.now(); });
    on(box, "pointerdown", () => { this.held = true; }); // a scroll bar may be dragged for long
    for (const name of ["pointerup", "pointercancel"]) on(window, name, () => { if (this.held) this.gesture = performance.now(); this.held = false; });
    on(box, "scroll", () => {
      if (this.held || performance.now() - this.gesture < GESTURE_MS) this.setFollow(this.atEnd());
      this.soon();
    });
    on(box, "pointerup", () => { if (!getSelection()?.isCollapsed && box.contains(getSelection().anchorNode)) this.setFollow(false); });
    const watch = new ResizeObserver(() => this.soon());
    watch.observe(box);
    signal.addEventListener("abort", () => { watch.disconnect(); cancelAnimationFrame(this.due); });
  }
  atEnd() { return this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 4; }
  setFollow(on) {
    if (this.follow !== on) { this.follow = on; this.onFollow(on); }
    this.soon();
  }

  clear() {
    this.lines.clear();
    this.wide = 0;
    this.redraw();
  }
  append(lines, start) {
    const gone = this.lines.append(lines, start);
    if (gone) {
      if (!this.follow) this.box.scrollTop -= gone * ROW; // what is being read stays where it is
      this.redraw();
    }
    this.soon();
  }
  /** Reads what stands before the first line, when one has come near it. */
  async older() {
    const { lines } = this, before = lines.start;
    if (this.asking || this.follow || !before || !lines.room || !this.readOlder) return;
    this.asking = true;
    this.say("Reading earlier lines…");
    try {
      const { text, from } = await this.readOlder(before);
      if (lines.start !== before) return; // another run's, or trimmed meanwhile
      const added = lines.prepend(text ? text.replace(/\n$/, "").split("\n") : [], text ? from : 0);
      this.grow();
      this.box.scrollTop += added * ROW;
      this.redraw();
    } catch { /* the next scroll tries again */ } finally {
      this.asking = false;
      this.say("");
    }
  }

  say(text) { put(this.note, text); show(this.note, text); }
  show(level) { this.lines.show(level); this.redraw(); }
  seek(text) {
    this.lines.seek(text);
    this.redraw();
    this.step(-1); // from the end: the newest is what one looks for
  }
  /** To the next line that was found (1), or to the one before (-1). */
  step(way) {
    const row = this.lines.step(way);
    if (row === undefined) return;
    this.setFollow(false);
    this.box.scrollTop = row * ROW - this.box.clientHeight / 2;
    this.redraw();
  }

  soon() { this.due ||= requestAnimationFrame(() => { this.due = 0; this.draw(); }); }
  redraw() {
    this.rows.forEach((row) => row.remove());
    this.rows.clear();
    this.soon();
  }
  grow() {
    const rows = this.lines.kept.length;
    this.sheet.style.height = `${rows * ROW}px`;
    this.box.style.setProperty("--mgp-rows", Math.min(rows, 20)); // the window is no higher than what there is to see
  }
  draw() {
    const { box, sheet, rows } = this, { kept } = this.lines;
    this.grow();
    if (!box.clientHeight) return; // another tab is in front
    if (this.follow && !this.atEnd()) box.scrollTop = box.scrollHeight;
    const top = Math.floor(box.scrollTop / ROW), first = Math.max(0, top - AROUND), last = Math.min(kept.length, top + Math.ceil(box.clientHeight / ROW) + AROUND);
    for (const [i, row] of rows) if (i < first || i >= last) { row.remove(); rows.delete(i); }
    for (let i = first; i < last; i++) {
      this.wide = Math.max(this.wide, kept[i].length);
      if (!rows.has(i)) { const row = this.row(i); rows.set(i, row); sheet.append(row); }
    }
    sheet.style.minWidth = `${this.wide + 1}ch`;
    if (top < NEAR_ROWS) this.older();
  }
  row(i) {
    const [stamp, text, level, found, here] = this.lines.row(i);
    const kinds = ["mgp-log-row", level && `mgp-${level}`, found && "mgp-hit", here && "mgp-here"];
    const row = h("div", { class: kinds.filter(Boolean).join(" ") }, h("span", { class: "mgp-stamp" }, stamp), text || " ");
    row.style.top = `${i * ROW}px`;
    return row;
  }
}
