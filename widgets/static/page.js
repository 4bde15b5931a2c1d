// The page of its own: all runs, and any of them by its address, without a notebook.

import { openDashboard } from "./mime.js";
import { base } from "./socket.js";

const runs = new URL("runs/", base());
const named = () => (location.pathname.startsWith(runs.pathname) ? decodeURIComponent(location.pathname.slice(runs.pathname.length)) : "");
const address = (id) => (id ? new URL(encodeURIComponent(id), runs).href : base().href.replace(/\/$/, ""));

const board = openDashboard(document.getElementById("migrator"), (id) => {
  if (named() !== id) history.pushState(null, "", address(id));
  document.title = id ? `${id} · Migrations` : "Migrations";
});
addEventListener("popstate", () => board.draw(named()));
if (named()) board.draw(named());
