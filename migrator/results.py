"""What is true of a run, as data: its picture, its events, its output, and what its items come to."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import feed, transcript
from .config import EXCEPTION_ROWS
from .errors import BadInput
from .migrations import CopyObjects
from .model import Event, Snapshot
from .quarantines import expiry, keeps, place_of
from .reasons import grouped
from .tables import Tables

if TYPE_CHECKING:
    from .engine.summary import PlanSummary
    from .report import Report
    from .stores import Preflight


class Results(Tables):
    """Reads what is true of one run: its picture, its output, and what its items come to."""

    @property
    def status(self) -> str:
        """The run's status at this moment."""
        return self.snapshot().status

    def snapshot(self) -> Snapshot:
        """The present picture of the run."""
        return feed.snapshot(self.state, self.id)

    def events(self, after: int = 0) -> list[Event]:
        """Facts with a number above ``after``, oldest first."""
        return feed.events_after(self.state, self.id, after)

    def log(self, after: int = 0, limit: int = transcript.CHUNK) -> tuple[str, int]:
        """Whole lines of the run's output from byte ``after``, and the cursor for the next call.

        A negative ``after`` means that many bytes from the end.
        """
        piece = transcript.after(self._output, after, limit)
        return piece.text, piece.end

    def log_pieces(self, after: int, limit: int, lines: int, most: int) -> list[transcript.Piece]:
        """The output from byte ``after`` (negative: from the end) in pieces of so many bytes and lines.

        There are ``most`` at most, and always one, which may be empty.
        """
        path, found = self._output, list[transcript.Piece]()
        while len(found) < most:
            found.append(transcript.after(path, found[-1].end if found else after, limit, lines))
            if not found[-1].text:
                break
        return found if len(found) == 1 or found[-1].text else found[:-1]

    def log_before(self, before: int, limit: int = transcript.CHUNK, lines: int | None = None) -> transcript.Piece:
        """The lines that end at byte ``before``, as many as fit into both limits."""
        return transcript.before(self._output, before, limit, lines)

    def exceptions(self, limit: int = 200) -> list[dict[str, object]]:
        """The first items that failed or were refused: ``item_no key status error``."""
        return feed.failures(self.state, self.id, limit)

    def reasons(self, most: int = 8) -> list[dict[str, Any]]:
        """Why items failed or were refused, the most frequent reasons: ``status gist items``.

        What differs from one item to the next is left out of a ``gist``. Of the items that the state DB keeps, the
        first ten thousand.
        """
        return grouped(feed.failures(self.state, self.id, EXCEPTION_ROWS), most)

    def preflight(self) -> Preflight:
        """Try what it needs of its two places, as `migrator.preflight` does; what is written for that is taken back.

        Raises
        ------
        BadInput
            If it is not between two places.
        """
        from .stores import Location, preflight

        spec = self.snapshot().spec
        if not {"source", "target"} <= spec.keys():
            raise BadInput(f"Run {self.id} is not between two places; there is nothing to try.")
        sources = [Location.parse(place) for place in (spec["source"], *spec.get("more_sources", ()))]
        return preflight(sources, Location.parse(spec["target"]))

    def plan_summary(self) -> PlanSummary:
        """The plan by action and reason, with the biggest objects and some of each; it prints well."""
        from .engine.summary import summarize

        folder, shards = self._files()
        row = self._row()
        spec = CopyObjects.model_validate(row["spec"]) if row["migration"] == "copy-objects" else None
        places, more = spec and (spec.named(), spec.target), filter(None, [spec and spec.deletes])
        measured = next((dict(one.data) for one in reversed(self.events()) if one.kind == "probe"), None)
        plans = [folder / shard.plan_file for shard in shards]
        return summarize(self.id, folder / "scratch", plans, places, more, measured)

    def report(self) -> Report:
        """The run's record on one page: what, by whom, by which plan, what came of it and by which evidence.

        ``.to_html()``, ``.to_markdown()`` and ``.to_json()`` give it away; a notebook shows it.
        """
        from .engine.reporting import tally
        from .report import Report

        tallies = tally(self._files()[0] / "scratch", *self._items_files())
        told = [{"at": one.at, "kind": one.kind, "data": dict(one.data)} for one in self.events()]
        seen = self.snapshot()
        kept = str(place_of(seen)[0]) if keeps(seen) else None
        expires = expiry(seen.finished_at) if kept else None
        return Report(seen, tallies, tuple(one for one in told if one["kind"] in Report.KINDS), kept, expires)

    @cached_property
    def _output(self) -> Path:
        """Where it is written never changes, and a view asks for it twice a second."""
        return feed.output(self.state, self.id)
