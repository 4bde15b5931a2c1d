"""A large object in parts: nothing shows before it is whole, and an error takes the parts back.

The byte lane could upload in parts too, but it can't say "only if nothing stands there", which a
server can check at the moment of completion. What a killed attempt began is carried on: a part that the server has, by
its checksum or its MD5, is not sent again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Protocol
from urllib.parse import unquote_plus
from xml.sax.saxutils import escape

from ...errors import StoreError
from ..answers import Refusal, read_xml
from ..checksums import HEADER, IN_PARTS, SENT, TYPE, WHOLE
from ..native import SLOW_S, Lane
from ..wire import unquoted
from .entries import is_encoded
from .parts import Part, Sent, Standing, part_bytes, parts_of, recut, send_parts

_PLAIN = re.compile(rb"<ETag>(?:&quot;|&#34;|\")?([0-9a-f-]+)(?:&quot;|&#34;|\")?</ETag>")


class Notes(Protocol):
    """Who writes down which uploads were begun, so that none is forgotten when this process dies."""

    def take(self, key: str) -> list[str]: ...

    def opened(self, key: str, upload_id: str) -> None: ...

    def closed(self, upload_id: str) -> None: ...


class NoNotes:
    """For a store that no run uses."""

    def take(self, key: str) -> list[str]:
        return []

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


def _begin(lane: Lane, key: str, headers: Mapping[str, str], notes: Notes) -> Standing:
    standing = start(lane, key, headers)
    try:
        notes.opened(key, standing.upload_id)
    except OSError as error:
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


def begun(lane: Lane, prefix: str) -> list[tuple[str, str]]:
    """Key and id of the uploads that are open whose whole keys begin so; the first page of them."""
    query = [("uploads", ""), ("encoding-type", "url"), ("prefix", prefix)]
    root = read_xml(lane.ask("GET", None, query).data)
    if root is None:
        raise StoreError(f"{lane.place.endpoint} did not list uploads as an S3 server does; check the endpoint.")
    ns, found = root.tag[: root.tag.find("}") + 1], list[tuple[str, str]]()
    for one in root.iterfind(f"{ns}Upload"):
        key, upload_id = one.findtext(f"{ns}Key") or "", one.findtext(f"{ns}UploadId") or ""
        key = unquote_plus(key, errors="surrogateescape") if is_encoded(root) else key
        if key.startswith(prefix):  # not every server heeds a prefix here, and what is found is aborted
            found.append((key, upload_id))
    return found


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
