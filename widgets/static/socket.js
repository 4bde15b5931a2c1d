// The way to the Jupyter server: one socket a page for any number of runs, requests by POST.
//
// Cookies alone say who we are; no token stands in a URL. What changes anything carries X-XSRFToken.

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const PLACES = ["copy-objects", "verify"]; // between two places, so that what it needs can be tried
const EVENTS = 50, OLDER_LINES = 2_000;
const CHECK_MS = 3000, SILENT_MS = 15_000; // the server says something of each run every few seconds: without that the line is dead

/** Where our routes are, and the cookie that goes back as a header. */
export const base = () => new URL(`${JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl}migrator/`, location.href);
const xsrf = () => decodeURIComponent(document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "");

/** Asks the server; its sentence where it refuses. */
export async function ask(path, body) {
  const headers = { "X-XSRFToken": xsrf() };
  const options = body === undefined ? { headers } : { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(new URL(`api/${path}`, base()), { ...options, credentials: "same-origin" });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(told.message || `The Jupyter server answered ${answer.status} ${answer.statusText}.`), { fields: told.fields });
  return told;
}

/** A query, whose lists stand once for each of theirs. */
export const query = (args) => new URLSearchParams(Object.entries(args).flatMap(([name, value]) => [value].flat().map((each) => [name, each])));

/** The page's socket: it comes back by itself, and then asks for what each place missed. */
class Hub {
  constructor() {
    this.seats = new Map(); // run id -> Set of {heard, after, cursor}
    this.tries = this.heard = this.timer = 0;
    addEventListener("online", () => this.seats.size && !this.socket && this.connect());
    setInterval(() => this.socket?.readyState === WebSocket.OPEN && this.seats.size && Date.now() - this.heard > SILENT_MS && this.drop(this.socket), CHECK_MS);
  }

  sit(id, seat) {
    if (!this.seats.has(id)) this.seats.set(id, new Set());
    this.seats.get(id).add(seat);
    this.socket ? this.subscribe(id) : this.connect();
    return () => {
      const there = this.seats.get(id);
      there?.delete(seat);
      if (there?.size) return;
      this.seats.delete(id);
      this.tell({ unsub: id });
    };
  }

  connect() {
    const url = new URL("api/socket", base());
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(url));
    clearTimeout(this.timer);
    socket.onopen = () => { this.tries = 0; this.heard = Date.now(); for (const id of this.seats.keys()) this.subscribe(id); };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      this.heard = Date.now();
      for (const seat of this.seats.get(message.run) ?? []) seat.heard(message);
    };
    socket.onclose = () => this.drop(socket);
  }

  /** The line is dead, whether or not the browser knows: every place is told when it is tried again. */
  drop(socket) {
    if (this.socket !== socket) return; // it was given up before
    this.socket = null;
    socket.close();
    if (!this.seats.size) return;
    const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
    for (const seats of this.seats.values()) for (const seat of seats) seat.heard({ away: { next: Date.now() + wait } });
    this.timer = setTimeout(() => this.socket || !this.seats.size || this.connect(), wait);
  }

  // The earliest of what the places of a run have: each drops what it knows already.
  subscribe(id) {
    const seats = [...this.seats.get(id)], cursors = seats.map((seat) => seat.cursor);
    this.tell({ sub: id, after: Math.min(...seats.map((seat) => seat.after)), log: true, cursor: cursors.includes(null) ? null : Math.min(...cursors) });
  }

  tell(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
const hub = () => (globalThis[Symbol.for("migrator.hub")] ??= new Hub());

const fromByte = (text, at) => new TextDecoder().decode(new TextEncoder().encode(text).subarray(at));

/** A run by the server. `onRun` hears of another run that takes its place. @returns {Transport} */
export function socketTransport(id, onRun, onSnapshot) {
  let leave = () => {}, give = () => {}, events = [];
  const seat = { after: 0, cursor: null, heard: null };
  const draftOf = (s) => ({ title: s.title, dry_run: s.dry_run, mode: s.mode, started: s.start_requested, stakes: s.stakes, checks: PLACES.includes(s.migration), bytes_per_s: s.limits.bytes_per_s, in_flight: s.limits.in_flight });
  const snapshot = (s) => {
    const draft = draftOf(s), waits = s.status === "draft";
    give(waits ? { draft, trouble: s.error ?? "", away: null } : { draft: { ...draft, started: true }, snapshot: { ...s, at: Date.now() }, trouble: "" });
    onSnapshot(s);
  };
  const log = ({ log: text, start, from, cursor }) => {
    if (from !== null && from !== seat.cursor) return; // another place's
    const anew = seat.cursor === null, known = anew ? 0 : seat.cursor - start; // the tail, for another place that has just come
    seat.cursor = Math.max(seat.cursor ?? 0, cursor);
    if (!anew && from === null) {
      if (known >= cursor - start) return;
      if (known > 0) [text, start] = [fromByte(text, known), start + known];
    }
    give({ ...(anew ? { reset: true } : {}), lines: text ? text.replace(/\n$/, "").split("\n") : [], start });
  };
  seat.heard = (message) => {
    if (message.away || message.still) give(message.away ? { away: message.away } : {});
    if (message.trouble) give({ trouble: message.trouble });
    if (message.snapshot) snapshot(message.snapshot);
    if ("log" in message) log(message);
    const fresh = (message.events ?? []).filter((event) => event.seq > seat.after);
    if (!fresh.length) return;
    events = [...events, ...fresh].slice(-EVENTS);
    seat.after = fresh.at(-1).seq;
    give({ events });
  };
  return {
    by: "server",
    subscribe(onState) {
      give = onState;
      leave = hub().sit(id, seat);
    },
    file: (what, args) => new URL(`api/runs/${id}/${what}?${query(args)}`, base()).href,
    async request(verb, args = {}) {
      if (verb === "reasons") return ask(`runs/${id}/reasons`);
      if (verb === "plan") return ask(`runs/${id}/plan`);
      if (verb === "preflight") return ask(`runs/${id}/preflight`, {});
      if (verb === "log") return ask(`runs/${id}/log?${query({ ...args, lines: OLDER_LINES })}`);
      if (verb === "items") return ask(`runs/${id}/items?${query(args)}`);
      const told = await ask(`runs/${id}/${verb.replaceAll("_", "-")}`, args);
      if (told.id !== id) onRun(told.id);
      else snapshot(told);
      return null;
    },
    close: () => leave(),
  };
}
