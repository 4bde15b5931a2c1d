// Another run by the kernel, opened below the panel's own: the page asks for what is new, and keeps the cursors.

const LIVE_MS = 1000, ENDED_MS = 5000, MORE_MS = 30, NEWEST_EVENTS = 50;

/** `ask` is the panel's way to its kernel; `turned` hears of another run that takes its place. @returns {Transport} */
export function visitTransport(ask, id, turned) {
  const cursors = { after: 0, cursor: null };
  let give = () => {}, timer = 0, asking = false, closed = false, events = [];
  const hear = (told) => {
    events = [...events, ...told.events].slice(-NEWEST_EVENTS);
    give({ draft: { title: told.snapshot.title, started: true }, snapshot: told.snapshot, events, trouble: "" });
    if (cursors.cursor === null) give({ reset: true });
    for (const { text, start } of told.pieces) give({ lines: text.replace(/\n$/, "").split("\n"), start });
    Object.assign(cursors, { cursor: told.cursor, after: events.at(-1)?.seq ?? 0 });
  };
  const look = async () => {
    clearTimeout(timer);
    if (asking || closed) return;
    asking = true;
    let wait = ENDED_MS;
    try {
      const told = await ask("look", { run: id, ...cursors });
      if (closed) return;
      hear(told);
      wait = told.more ? MORE_MS : told.ended ? ENDED_MS : LIVE_MS;
    } catch (error) {
      if (!closed) give({ trouble: error.message });
    } finally {
      asking = false;
    }
    timer = setTimeout(look, wait);
  };
  return {
    subscribe(onState) { give = onState; look(); },
    async request(verb, args = {}) {
      const told = await ask(verb, { ...args, run: id });
      if (told?.turned) return void turned(told.turned);
      look();
      return told;
    },
    close() { closed = true; clearTimeout(timer); },
  };
}
