"""A large object in parts: nothing shows before it is whole, and an error takes the parts back.

The byte lane could upload in parts too, but it can't say "only if nothing stands there", which a
server can check at the moment of completion. What a killed attempt began is carried on: a part that the server has, by
its checksum or its MD5, is not sent again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from itertools import count
from typing import Protocol
from xml.sax.saxutils import escape

from ...errors import StoreError
from ..answers import read_xml
from ..checksums import HEADER, IN_PARTS, SENT, TYPE, WHOLE
from ..native import SLOW_S, Lane
from ..wire import unquoted
from .parts import Part, Sent, Standing, part_bytes, parts_of, recut, send_parts
from .uploads import abort

_PLAIN = re.compile(rb"<ETag>(?:&quot;|&#34;|\")?([0-9a-f-]+)(?:&quot;|&#34;|\")?</ETag>")


class Notes(Protocol):
    """Who writes down which uploads were begun, so that none is forgotten when this process dies."""

    def take(self, key: str) -> list[str]: ...

    def begins(self, key: str) -> AbstractContextManager[None]: ...

    def opened(self, key: str, upload_id: str) -> None: ...

    def closed(self, upload_id: str) -> None: ...


class NoNotes:
    """For a store that no run uses."""

    def take(self, key: str) -> list[str]:
        return []

    def begins(self, key: str) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def opened(self, key: str, upload_id: str) -> None: ...

    def closed(self, upload_id: str) -> None: ...


def upload(
    lane: Lane, key: str, chunks: Iterable[bytes], size: int, headers: Mapping[str, str],
    condition: Mapping[str, str], notes: Notes,
) -> str | None:  # fmt: skip
    """Upload an object of at least one byte; with `checksums.IN_PARTS` among the headers with checksums.

    See `in_parts`.
    """

    def send(standing: Standing) -> Sent:
        return send_parts(lane, key, standing, recut(chunks, part_bytes(size)), size)

    return in_parts(lane, key, send, headers, condition, notes)


def in_parts(
    lane: Lane, key: str, send: Callable[[Standing], Sent], headers: Mapping[str, str],
    condition: Mapping[str, str], notes: Notes,
) -> str | None:  # fmt: skip
    """Make an object of the parts that ``send`` sees to; ``condition`` is checked as it is completed.

    Returns
    -------
    str or None
        The etag that the server gave.

    Raises
    ------
    Refusal
        Also ``NoSuchUpload`` as it is completed: it was, and the answer got lost, or somebody took it away.
    """
    standing = _carry_on(lane, key, notes) or _begin(lane, key, headers, notes)
    try:
        written = complete(lane, key, standing.upload_id, send(standing), condition)
    except BaseException:
        with contextlib.suppress(Exception):
            abort(lane, key, standing.upload_id)
            notes.closed(standing.upload_id)
        raise
    if written is not None:  # whoever gives none was hardly the store, and then it is open still
        notes.closed(standing.upload_id)
    return written


def _begin(lane: Lane, key: str, headers: Mapping[str, str], notes: Notes) -> Standing:
    standing: Standing | None = None
    try:
        with notes.begins(key):  # who is killed in the middle of it leaves an upload whose id nobody was told
            standing = start(lane, key, headers)
            notes.opened(key, standing.upload_id)
    except OSError as error:
        if standing:
            abort(lane, key, standing.upload_id)
        raise StoreError(
            f"The upload of {key!r} can't be noted in the run's workspace: {error}; not written."
        ) from None
    return standing


def _carry_on(lane: Lane, key: str, notes: Notes) -> Standing | None:
    """The upload that an earlier attempt got furthest with; its others are aborted."""
    found = [each for upload_id in notes.take(key) if (each := parts_of(lane, key, upload_id)).parts]
    found.sort(key=lambda each: len(each.parts))
    for each in found[:-1]:
        abort(lane, key, each.upload_id)
        notes.closed(each.upload_id)
    return found[-1] if found else None


def start(lane: Lane, key: str, headers: Mapping[str, str]) -> Standing:
    """Begin an upload. Raises StoreError where the server begins none."""
    root = read_xml(lane.ask("POST", key, [("uploads", "")], headers).data)
    for element in root if root is not None else ():
        if element.tag.endswith("UploadId") and element.text:
            return Standing(element.text, {}, IN_PARTS.items() <= headers.items())
    raise StoreError(f"{lane.place.endpoint} did not start an upload as an S3 server does; check the endpoint.")


def complete(lane: Lane, key: str, upload_id: str, sent: Sent, condition: Mapping[str, str]) -> str | None:
    """Make an object of the parts; its ETag. Raises Refusal."""
    body = f"<CompleteMultipartUpload>{''.join(map(_listed, sent.parts, count(1)))}</CompleteMultipartUpload>".encode()
    summed = {HEADER + SENT: sent.checksum, TYPE: WHOLE} if sent.checksum else {}
    # Not ask(): the caller knows what a failed condition means.
    answer = lane.send("POST", key, [("uploadId", upload_id)], {**condition, **summed}, body, read_s=SLOW_S)
    return etag_of(answer.data)


def _listed(part: Part, number: int) -> str:
    checksum = f"<ChecksumCRC64NVME>{part.checksum}</ChecksumCRC64NVME>" if part.checksum else ""
    etag = f"<ETag>&quot;{escape(part.etag)}&quot;</ETag>"
    return f"<Part><PartNumber>{number}</PartNumber>{etag}{checksum}</Part>"


def etag_of(text: bytes) -> str | None:
    """The etag in an XML answer."""
    if plain := _PLAIN.search(text):  # as nearly all are, and this is once an object
        return plain[1].decode()
    root = read_xml(text)
    for element in root if root is not None else ():
        if element.tag.endswith("ETag"):
            return unquoted(element.text)
    return None
