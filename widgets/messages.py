"""What the page asks: `{id, verb, args}` in, `{id, ok, data, error}` back. Nothing in it is trusted.

A message may come on another thread than the main one, so an answer is short work, and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from migrator import feed
from migrator.api import open_state, stakes_of
from migrator.errors import BadForm, BadInput

from . import offers, visits
from .feed import sentence
from .reading import sendable, sent
from .verbs import known

PAGE = 100  # runs, or items
TEXT_CHARS, REASON_CHARS = 200, 4_000
LOG_BYTES, LOG_LINES = 64 << 10, 500
FIGURE_CHARS = 40  # more is no figure
WHERE_CHARS = 10_000

Args = Mapping[str, Any]


def reply(panel: Any, content: Any) -> dict[str, Any]:
    """Do what a message asks, and say how it went."""
    asked = content if isinstance(content, dict) else {}
    try:
        data = _answer(panel, str(asked["verb"]), asked.get("args") or {})
        answer: dict[str, Any] = {"ok": True, "data": sendable(data)}
    except Exception as error:  # noqa: BLE001  it is the page's to show; raised here it would land nowhere
        answer = {"ok": False, "error": sendable(sentence(error))}
        if isinstance(error, BadForm):
            answer["fields"] = sendable(error.fields)
    return {"type": "reply", "id": asked.get("id"), **answer}


def _answer(panel: Any, verb: str, args: Args) -> Any:
    """Of the panel's run, or of the one that is named, with the one that took its place."""
    if not (run_id := args.get("run")):
        return _verbs(panel)[verb](args)
    visit = visits.Visit(str(run_id))
    told = _verbs(visit)[verb](args)
    return told if visit.run.id == run_id else {"turned": visit.run.id}


def _verbs(panel: Any) -> dict[str, Callable[[Args], Any]]:
    return {
        "hello": lambda args: _hello(panel, str(args["client"])),
        "start": lambda args: panel._start(_terms(args)),
        "cancel": lambda _: panel.cancel(),
        "pause": lambda _: panel.pause(),
        "unpause": lambda _: panel.unpause(),
        "limit": lambda args: panel.limit(**_limits(args)),
        "resume": lambda args: panel.resume(known(args.get("mode"))),
        "run_now": lambda _: panel.run_now(),
        "start_worker": lambda _: panel.start_worker(),
        "apply": lambda args: panel.apply(known(args.get("mode")), _typed(args.get("where"), WHERE_CHARS)),
        "retry": lambda args: panel.plan_again(known(args.get("mode"))),
        "report": lambda _: {"html": panel._started().report().to_html(), "name": f"{panel.run.id}.html"},
        "plan": lambda _: panel._started().plan_summary().to_dict(),
        "log": lambda args: _older(panel, args),
        "look": lambda args: visits.look(panel._started(), args),
        "preflight": lambda _: panel.preflight().to_dict(),
        "reasons": lambda _: panel._started().reasons(),
        "items": lambda args: _items(panel, args),
        "runs": _runs,
        "migrations": lambda _: offers.offers(),
        "stakes": lambda args: list(stakes_of(offers.made(args))),
        "launch": lambda args: offers.launch(args).id,
        "open": lambda args: panel._open(str(args["id"])),
    }


def _hello(panel: Any, client: str) -> None:
    panel._outputs.seen()
    panel._feed.greet(client)


def _items(panel: Any, args: Args) -> list[dict[str, Any]]:
    """A page of the run's items."""
    status = [str(each) for each in args.get("status") or ()]
    text, offset = str(args.get("q") or "")[:TEXT_CHARS], max(0, int(args.get("offset") or 0))
    reason = str(args.get("reason") or "")[:REASON_CHARS]
    return panel._started().page(status, text, offset, min(int(args.get("limit") or PAGE), PAGE), reason)


def _older(panel: Any, args: Args) -> dict[str, Any]:
    """The lines of output before a byte."""
    piece = panel._started().log_before(max(0, int(args["before"])), LOG_BYTES, LOG_LINES)
    return {"text": piece.text, "from": piece.start}


def _runs(args: Args) -> list[dict[str, Any]]:
    """A page of the runs there are, newest first."""
    found = feed.snapshots(
        open_state(),
        min(int(args.get("limit") or PAGE), PAGE),
        before=int(args["before"]) if args.get("before") else None,
        before_id=str(args.get("before_id") or "")[:TEXT_CHARS],
        status=[str(each) for each in args.get("status") or ()],
        text=str(args.get("q") or "")[:TEXT_CHARS],
        title=str(args["title"]) if args.get("title") else None,
    )
    return [sent(seen) for seen in found]


def _terms(args: Args) -> dict[str, Any]:
    """How to start; what the page does not say is as the panel was made."""
    mode = {"mode": known(args["mode"])} if args.get("mode") is not None else {}
    return {"dry_run": bool(args.get("dry_run")), **mode, **_limits(args)}


def _limits(args: Args) -> dict[str, Any]:
    """The limits' two fields, as they were typed; an empty one means no limit."""
    found: dict[str, Any] = {}
    if "bytes_per_s" in args:
        found["bytes_per_s"] = _typed(args["bytes_per_s"])
    if "in_flight" in args:
        typed = _typed(args["in_flight"])
        if typed is not None and not typed.isdecimal():
            raise BadInput(f"Objects in flight are a whole number, such as 64, not {typed!r}.")
        found["in_flight"] = typed and int(typed)
    return found


def _typed(value: Any, most: int = FIGURE_CHARS) -> str | None:
    """What stands in a field, or None when nothing does."""
    return str("" if value is None else value).strip()[:most] or None
