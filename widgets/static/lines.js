// The lines of an output that a page has: the newest hundred thousand, which of them are wanted, and where something is found.

import { dissect, plain } from "./figures.js";

const MOST_LINES = 100_000, SLACK = 5_000, CHARS = 4_000;
const SEVERE = { all: () => true, warnings: (level) => level === "warn" || level === "bad", errors: (level) => level === "bad" };
const shift = (numbers, by) => numbers.map((n) => n + by).filter((n) => n >= 0);

export class Lines {
  constructor() { Object.assign(this, { level: "all", sought: "", hit: -1 }); this.clear(); }
  clear() {
    this.all = [];
    this.kept = this.all; // those of the level that is asked for; the very array where that is all
    this.hits = []; // places in `kept`
    this.pieces = []; // [byte at which it begins, lines]: whole ones go, so that it is known where the first line stands
  }
  /** The byte of the output at which the first line stands; 0 where there is none before it, undefined where nobody knows. */
  get start() { return this.pieces[0]?.[0]; }
  get room() { return this.all.length < MOST_LINES; }

  /** Lines at the end; how many rows went at the beginning, so that what is kept stays bounded. */
  append(lines, start) {
    const fresh = lines.map(clean), before = this.kept.length;
    for (const line of fresh) this.all.push(line);
    if (this.kept !== this.all) for (const line of fresh) if (this.wanted(line)) this.kept.push(line);
    if (fresh.length) this.pieces.push([start, fresh.length]);
    this.hits.push(...this.found(before, this.kept.length));
    return this.all.length > MOST_LINES + SLACK ? this.trim() : 0;
  }
  trim() {
    let gone = 0;
    while (this.all.length - gone > MOST_LINES) gone += this.pieces.shift()[1];
    const out = this.all.splice(0, gone), rows = this.kept === this.all ? gone : out.filter((line) => this.wanted(line)).length;
    if (this.kept !== this.all) this.kept.splice(0, rows);
    const found = this.hits.length;
    this.hits = shift(this.hits, -rows);
    this.hit = Math.max(-1, this.hit - (found - this.hits.length));
    return rows;
  }
  /** Earlier lines, before the first; how many rows that made. */
  prepend(lines, start) {
    const fresh = lines.map(clean), wanted = fresh.filter((line) => this.wanted(line)), whole = this.kept === this.all;
    this.all = [...fresh, ...this.all];
    this.kept = whole ? this.all : [...wanted, ...this.kept];
    this.pieces.unshift([start, fresh.length]);
    const found = this.found(0, wanted.length);
    this.hits = [...found, ...shift(this.hits, wanted.length)];
    if (this.hit >= 0) this.hit += found.length;
    return wanted.length;
  }

  wanted(line) { return SEVERE[this.level](dissect(line)[2]); }
  found(from, to) {
    const hits = [];
    if (this.sought) for (let i = from; i < to; i++) if (this.kept[i].toLowerCase().includes(this.sought)) hits.push(i);
    return hits;
  }
  show(level) {
    this.level = level;
    this.kept = level === "all" ? this.all : this.all.filter((line) => this.wanted(line));
    this.hits = this.found(0, this.kept.length);
    this.hit = Math.min(this.hit, this.hits.length - 1);
  }
  seek(text) {
    this.sought = text.toLowerCase();
    this.hits = this.found(0, this.kept.length);
    this.hit = -1;
  }
  /** To the next line that was found (1), or to the one before (-1), around the ends; its row, or undefined. */
  step(way) {
    const all = this.hits.length;
    if (all) this.hit = this.hit < 0 ? (way < 0 ? all - 1 : 0) : (this.hit + way + all) % all;
    return this.hits[this.hit];
  }
  /** What a row is made of: [time stamp, text, level, whether it was found, whether it is the one found last]. */
  row(i) {
    const line = this.kept[i], found = !!this.sought && line.toLowerCase().includes(this.sought);
    return [...dissect(line), found, found && this.hits[this.hit] === i];
  }
}

const clean = (line) => plain(line).slice(0, CHARS);
