"""The uploads that are open at a server: listed, and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote_plus

from ...errors import StoreError
from ..answers import Refusal, read_xml
from ..native import Lane
from .entries import is_encoded
from .parts import parts_of

# An upload is begun so soon after it was noted that it will be; a server's answers tell whole seconds.
BEGIN_S, SLACK_S = 10.0, 2.0


class Begun(NamedTuple):
    """An upload that is open. ``age``: seconds since it was begun, by the server's own clock; None if it tells none."""

    key: str
    upload_id: str
    age: float | None


def begun(lane: Lane, prefix: str) -> list[Begun]:
    """The uploads that are open whose whole keys begin so; the first page of them."""
    query = [("uploads", ""), ("encoding-type", "url"), ("prefix", prefix)]
    answer = lane.ask("GET", None, query)
    root = read_xml(answer.data)
    if root is None:
        raise StoreError(f"{lane.place.endpoint} did not list uploads as an S3 server does; check the endpoint.")
    ns, found = root.tag[: root.tag.find("}") + 1], list[Begun]()
    for one in root.iterfind(f"{ns}Upload"):
        key, upload_id = one.findtext(f"{ns}Key") or "", one.findtext(f"{ns}UploadId") or ""
        key = unquote_plus(key, errors="surrogateescape") if is_encoded(root) else key
        if key.startswith(prefix):  # not every server heeds a prefix here, and what is found is aborted
            found.append(Begun(key, upload_id, _age(answer.headers.get("date"), one.findtext(f"{ns}Initiated"))))
    return found


def _age(date: str | None, initiated: str | None) -> float | None:
    try:
        return (parsedate_to_datetime(date or "") - datetime.fromisoformat(initiated or "")).total_seconds()
    except (ValueError, TypeError):
        return None


def abort_unanswered(lane: Lane, key: str, ages: Sequence[float]) -> int:
    """Abort the uploads of a key that who was killed meanwhile had begun so many seconds ago; how many.

    Nothing in a listing says whose an upload is. So it must be of this very key, have been begun right after one of
    those moments, and have no part, which nobody can send who was not told its id. Where more are like that than were
    begun, somebody else's is among them, and all are left alone.
    """
    found = [one for one in begun(lane, key) if one.key == key and one.age is not None and _fits(one.age, ages)]
    ours = [one for one in found if not parts_of(lane, key, one.upload_id).parts]
    if len(ours) > len(ages):
        return 0
    for one in ours:
        abort(lane, key, one.upload_id)
    return len(ours)


def _fits(age: float, ages: Sequence[float]) -> bool:
    return any(-SLACK_S <= ours - age <= BEGIN_S for ours in ages)


def abort(lane: Lane, key: str, upload_id: str) -> None:
    """Take back what an upload has sent; one that is gone already is as good.

    Raises
    ------
    StoreError
        If the server does not do it.
    """
    try:
        lane.send("DELETE", key, [("uploadId", upload_id)], tries=3)
    except Refusal as refusal:
        if refusal.status != 404:
            raise lane.explain(refusal, key) from None
