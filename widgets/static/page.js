// The page of its own: all runs, and any of them by its address, without a notebook.

import { NEW } from "./dashboard.js";
import { openDashboard } from "./mime.js";
import { base } from "./socket.js";

const runs = new URL("runs/", base()), start = new URL("new", base());
const named = () => {
  const { pathname } = location;
  return pathname === start.pathname ? NEW : pathname.startsWith(runs.pathname) ? decodeURIComponent(pathname.slice(runs.pathname.length)) : "";
};
const address = (shown) => (shown === NEW ? start.href : shown ? new URL(encodeURIComponent(shown), runs).href : base().href.replace(/\/$/, ""));

const board = openDashboard(document.getElementById("migrator"), (shown) => {
  if (named() !== shown) history.pushState(null, "", address(shown));
  document.title = shown === NEW ? "New migration" : shown ? `${shown} · Migrations` : "Migrations";
});
addEventListener("popstate", () => board.draw(named()));
if (named()) board.draw(named());
