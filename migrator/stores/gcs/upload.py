"""Writing to a bucket of Google's: a small object in one request, a large one in a session that can be carried on.

The address of a session lets whoever has it write that one object for a week. It is noted in the run's workspace,
which nobody else can read, so that a killed attempt's session goes on; and is cancelled at the run's end.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from ...errors import SourceChanged, StoreError, UploadGone
from ..answers import Refusal
from ..digests import PART_BYTES
from ..native import SLOW_S
from ..s3.multipart import Notes
from ..s3.parts import recut
from .lane import GoogleLane, read_json

_BOUNDARY = "migrator-9f0d2c7e51b84a63"
_KEPT = re.compile(r"bytes=0-(\d+)")


def put(lane: GoogleLane, resource: dict[str, Any], data: bytes, query: list[tuple[str, str]]) -> dict[str, Any]:
    """Write an object in one request; its description. Raises Refusal."""
    boundary = _BOUNDARY.encode()
    while boundary in data:  # a copy of our own source code, say
        boundary += b"-"
    kind = resource.get("contentType", "application/octet-stream")
    head = f"content-type: application/json; charset=utf-8\r\n\r\n{json.dumps(resource)}\r\n".encode()
    body = b"".join(
        (b"--", boundary, b"\r\n", head, b"--", boundary, f"\r\ncontent-type: {kind}\r\n\r\n".encode(), data, b"\r\n--",
         boundary, b"--\r\n")
    )  # fmt: skip
    headers = {"content-type": f"multipart/related; boundary={boundary.decode()}"}
    return read_json(lane.send("POST", lane.upload_path, [("uploadType", "multipart"), *query], headers, body))


def put_large(
    lane: GoogleLane, resource: dict[str, Any], chunks: Iterable[bytes], size: int, query: list[tuple[str, str]],
    notes: Notes,
) -> dict[str, Any]:  # fmt: skip
    """Write an object of at least one byte in a session; its description. Raises Refusal."""
    name = str(resource["name"])
    session, have = _carry_on(lane, name, size, notes) or (_begin(lane, resource, size, query, notes), 0)
    try:
        written = _send(lane, session, recut(chunks, PART_BYTES), size, have)
    except BaseException:
        with contextlib.suppress(Exception):
            cancel(lane, session)
            notes.closed(session)
        raise
    notes.closed(session)
    return written


def cancel(lane: GoogleLane, session: str) -> None:
    """Take back what a session has sent; one that is over is as good."""
    with contextlib.suppress(Refusal):  # 499: it is cancelled; 404 and 410: it is gone
        lane.send("DELETE", session, tries=3)


def _begin(lane: GoogleLane, resource: dict[str, Any], size: int, query: list[tuple[str, str]], notes: Notes) -> str:
    name = str(resource["name"])
    asked = [("uploadType", "resumable"), ("name", name), *query]
    told = {"x-upload-content-length": str(size)}
    if kind := resource.get("contentType"):
        told["x-upload-content-type"] = kind
    answer = lane.send_json("POST", lane.upload_path, asked, resource, headers=told)
    address = urlsplit(answer.headers.get("location", ""))
    if not address.query:
        raise StoreError(f"{lane.place.endpoint} did not start an upload as Google does; check the endpoint.")
    session = f"{address.path}?{address.query}"
    try:
        notes.opened(name, session)
    except OSError as error:
        cancel(lane, session)
        raise StoreError(
            f"The upload of {name!r} can't be noted in the run's workspace: {error}; not written."
        ) from None
    return session


def _carry_on(lane: GoogleLane, name: str, size: int, notes: Notes) -> tuple[str, int] | None:
    """A session that an earlier attempt left, and how much of the object it has; its others are cancelled."""
    found = [(have, session) for session in notes.take(name) if (have := _standing(lane, session))]
    found.sort()
    for _, session in found[:-1]:
        cancel(lane, session)
        notes.closed(session)
    return (found[-1][1], found[-1][0]) if found and found[-1][0] <= size else None


def _standing(lane: GoogleLane, session: str) -> int:
    """How many bytes a session has; none where it is gone."""
    try:
        answer = lane.send("PUT", session, (), {"content-range": "bytes */*"})
    except Refusal:
        return 0
    return _kept(answer.headers.get("range")) if answer.status == 202 else 0


def _send(lane: GoogleLane, session: str, parts: Iterator[bytes], size: int, have: int) -> dict[str, Any]:
    at, held = 0, b""  # ``held`` goes on where the session ends; the last of it is sent when nothing more comes
    for part in parts:
        if held:
            held, have, _ = _step(lane, session, held, have, size)
        at += len(part)
        if at > size:
            break
        if at > have:  # what the session has is hashed on its way, and not sent again
            held += part[max(0, have - (at - len(part))) :]
    if at != size:
        raise SourceChanged(f"{lane.place.url} was to get {size} bytes and was given {at}; not written.")
    while True:
        held, have, written = _step(lane, session, held, have, size)
        if written is not None:
            return written


def _step(
    lane: GoogleLane, session: str, held: bytes, have: int, size: int
) -> tuple[bytes, int, dict[str, Any] | None]:
    """Send what is held: what is still to be sent, how much the session has, and the object once it is whole."""
    try:
        answer = lane.send("PUT", session, (), _range(have, held, size), held, read_s=SLOW_S)
    except Refusal as refusal:
        if refusal.status not in (404, 410):  # the session's, not the bucket's: whoever begins anew finds out
            raise
        raise UploadGone(
            f"{lane.place.endpoint} knows the session of an upload no more; resume begins it anew."
        ) from None
    if answer.status != 202:
        return b"", size, read_json(answer)
    kept = _kept(answer.headers.get("range"))  # it may have taken less than it was sent
    if kept <= have:
        raise StoreError(f"{lane.place.endpoint} takes no more of an upload after {kept} of {size} bytes; try again.")
    return held[kept - have :], kept, None


def _range(start: int, data: bytes, size: int) -> dict[str, str]:
    return {"content-range": f"bytes {start}-{start + len(data) - 1}/{size}"}


def _kept(told: str | None) -> int:
    """How many bytes a session says that it has."""
    match = _KEPT.fullmatch(told or "")
    return int(match[1]) + 1 if match else 0
