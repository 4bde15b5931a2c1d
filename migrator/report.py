"""The record of a run on one page, for an engineer and for an auditor: as HTML, Markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from .model import Snapshot
from .pages import Page, Section, Share
from .words import MOVED, counted, lasting, moment, sized

if TYPE_CHECKING:
    from .engine.reporting import Tallies

HUES = {"completed": "good", "partial": "weak", "failed": "bad", "interrupted": "weak", "cancelled": "weak"}
# What was found of an item, from the best to the worst, and how good that is.
FOUND = {
    "server-hash": "good", "re-read": "good", "listed": "even", "size-only": "weak", "failed": "bad", "refused": "weak",
}  # fmt: skip
EVIDENCE = (
    "Evidence: server-hash, the target's own hash of the bytes; re-read, they were read again; listed, both listings "
    "agree; size-only, nothing but the size could be compared."
)
PLACES = ("source", "target", "place")
# Of a process's identity, what tells people nothing.
_INNER = ("boot_id", "start_ticks")


@dataclass(frozen=True, slots=True)
class Report:
    """What a run was, by whom, and what came of it. Prints as Markdown, and shows itself in a notebook.

    Attributes
    ----------
    run : Snapshot
        The run when the report was made.
    tallies : Tallies
        Its items, added up: ``outcomes``, ``replaced``, ``gone``, ``troubles``, ``failures``, ``losses``.
    history : tuple of dict
        Its events of kinds that matter to a reader: ``at kind data``.
    kept : str, optional
        Where what it replaced or deleted is kept; None where nothing is.
    expires : int, optional
        From when on a purge takes that, in milliseconds since the epoch.
    """

    KINDS: ClassVar[frozenset[str]] = frozenset({"status", "warning", "request", "followed"})

    run: Snapshot
    tallies: Tallies
    history: tuple[dict[str, Any], ...]
    kept: str | None = None
    expires: int | None = None

    def to_json(self) -> str:
        """All of it as one JSON object."""
        more = {"history": self.history, "kept": self.kept, "expires": self.expires}
        return json.dumps({"run": self.run.to_dict(), **asdict(self.tallies), **more}, ensure_ascii=False, indent=2,
                          default=str)  # fmt: skip

    def to_markdown(self) -> str:
        """The page as Markdown; text from keys and errors is escaped."""
        return self.page().to_markdown()

    def to_html(self) -> str:
        """The page as HTML, complete in itself; it prints well."""
        return self.page().to_html()

    def _repr_html_(self) -> str:
        return self.page().to_fragment()

    def __str__(self) -> str:
        return self.to_markdown()

    __repr__ = __str__

    def page(self) -> Page:
        """What it says, in order."""
        seen = self.run
        status = f"{seen.status} (dry run)" if seen.dry_run else seen.status
        return Page(
            seen.title, status, HUES.get(seen.status, "even"), _sum(seen), _figures(seen), _shares(self.tallies),
            self.sections(),
        )  # fmt: skip

    def sections(self) -> list[Section]:
        """The page's tables, in order."""
        made = [Section("Run", ("", ""), self._facts()), Section("What was asked for", ("", ""), _asked(self.run))]
        made += [*_outcomes(self.tallies), *self._replaced(), *_troubles(self.tallies, self.run.id)]
        if self.tallies.losses:
            rows = [(one["loss"], f"{one['items']:,}") for one in self.tallies.losses]
            made.append(Section("Attributes that the target can't hold", ("attribute", "items#"), rows))
        if self.history:
            rows = [(moment(one["at"]), one["kind"], _told(one["data"])) for one in self.history]
            made.append(Section("History", ("when.", "what.", ""), rows))
        return made

    def _facts(self) -> list[tuple[str, str]]:
        seen = self.run
        begun = next((one["data"] for one in reversed(self.history) if "release" in one["data"]), {})
        facts = {
            "run": seen.id + (f" ({seen.name})" if seen.name != seen.id else ""),
            "tags": ", ".join(seen.tags),
            "asked by": seen.owner,
            "ran on": f"{seen.holder['host']}, pid {seen.holder['pid']}" if seen.holder else "",
            "by": f"migrator {begun['release']}, Python {begun['python']}, {seen.interpreter}" if begun else "",
            "mode": "dry run: nothing was written" if seen.dry_run else f"{seen.mode}, attempt {seen.attempt}",
            "plan": (seen.plan_hash or "none yet") + (f", of run {seen.plan_run}" if seen.plan_run else ""),
            "recorded": moment(seen.created_at),
            "started": moment(seen.started_at),
            "finished": moment(seen.finished_at),
            "requests sent again": f"{seen.retries:,}" if seen.retries else "",
            "error": seen.error or "",
        }  # fmt: skip
        return [(name, value) for name, value in facts.items() if value]

    def _replaced(self) -> Iterator[Section]:
        """What stood somewhere and does not any more."""
        if not self.tallies.replaced:
            return
        fate = f"kept below {self.kept}" if self.kept else "can't be brought back"
        rows = [(_DONE[one["action"]], *_amount(one), fate) for one in self.tallies.replaced]
        note = ""
        if self.kept:
            until = f" A purge of the quarantine takes it from {moment(self.expires)} on." if self.expires else ""
            note = f"`migrator restore {self.run.id}` brings it back.{until}"
        yield Section("What was replaced or deleted", ("what.", "items#", "bytes#", ""), rows, note)
        if not self.kept:
            rows = [(one["key"], _DONE[one["action"]], sized(one["size"] or 0)) for one in self.tallies.gone]
            left = sum(one["items"] for one in self.tallies.replaced) - len(rows)
            yield Section("Irreversible, one by one", ("key", "what.", "bytes#"), rows, _rest(left, self.run.id))


_DONE = {"overwrite": "replaced", "delete": "deleted"}


def _asked(seen: Snapshot) -> list[tuple[str, str]]:
    """The specification: the places first, then what was set."""
    given = _given(dict(seen.spec))
    places = [(name, _place(given.pop(name))) for name in PLACES if name in given]
    places[1:1] = [("source", _place(one)) for one in given.pop("more_sources", ())]
    return [("migration", seen.migration), *places, *((name, _plain(value)) for name, value in given.items())]


def _plain(value: Any) -> str:
    if isinstance(value, dict) and "url" in value:
        return _place(value)
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _place(given: Any) -> str:
    if not isinstance(given, dict) or "url" not in given:
        return str(given)
    return str(given["url"]) + (f" at {given['endpoint']}" if given.get("endpoint") else "")


def _given(value: Any) -> Any:
    """A specification without what is not set."""
    if not isinstance(value, dict):
        return value
    spared = {name: _given(each) for name, each in value.items()}
    return {name: each for name, each in spared.items() if each not in (None, "", (), [], {}) and each is not False}


def _outcomes(tallies: Tallies) -> Iterator[Section]:
    columns = ("action.", "because", "outcome.", "evidence.", "items#", "bytes#")
    rows = [(one["action"], one["reason"], one["status"], one["evidence"], *_amount(one)) for one in tallies.outcomes]
    yield Section("Items by action, reason, outcome and evidence", columns, rows, EVIDENCE)


def _troubles(tallies: Tallies, run: str) -> Iterator[Section]:
    if not tallies.troubles:
        return
    rows = [(one["status"], one["why"], *_amount(one), one["example"]) for one in tallies.troubles]
    yield Section("What failed or was refused, by kind", ("outcome.", "why", "items#", "bytes#", "for example"), rows)
    rows = [(one["status"], one["key"], one["error"] or "") for one in tallies.failures]
    left = sum(one["items"] for one in tallies.troubles) - len(rows)
    yield Section("One by one", ("outcome.", "key", "why"), rows, _rest(left, run))


def _rest(left: int, run: str) -> str:
    return f"and {left:,} more: `migrator items {run} --format csv` lists all." if left > 0 else ""


def _amount(one: dict[str, Any]) -> tuple[str, str]:
    return f"{one['items']:,}", sized(one["bytes"] or 0)


def _shares(tallies: Tallies) -> list[Share]:
    """Items by what was found of them."""
    amounts: dict[str, int] = {}
    for one in tallies.outcomes:
        bad = one["status"] in ("failed", "refused")
        found = one["status"] if bad else one["evidence"] or one["status"]
        amounts[found] = amounts.get(found, 0) + one["items"]
    names = [*(name for name in FOUND if name in amounts), *(name for name in amounts if name not in FOUND)]
    return [Share(name, amounts[name], FOUND.get(name, "none")) for name in names]


def _figures(seen: Snapshot) -> list[tuple[str, str]]:
    figures = [(f"{seen.done:,} of {seen.total:,}", "objects done"), (sized(seen.bytes_done), "of data")]
    if seen.engine_s:
        verb = MOVED.get(seen.migration, "moved")
        figures += [
            (lasting(seen.engine_s), "at work"),
            (f"{seen.moved / seen.engine_s:,.0f}", f"objects {verb} a second"),
            (sized(seen.bytes_moved / seen.engine_s), "a second"),
        ]
    return figures


def _told(data: dict[str, Any]) -> str:
    given = {name: value for name, value in data.items() if value not in (None, "", {}, []) and name not in _INNER}
    first = [str(given.pop(name)) for name in ("status", "text", "request") if name in given]
    return ", ".join([*first, *(f"{name} {value}" for name, value in given.items())])


def _sum(seen: Snapshot) -> str:
    if seen.dry_run and seen.status == "completed":
        return f"{counted(seen.total, 'object')} planned · {sized(seen.bytes_total)}"
    return f"{seen.outcome or 'nothing done'} · {sized(seen.bytes_moved)} {MOVED.get(seen.migration, 'moved')}"
