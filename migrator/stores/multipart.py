"""A large object in parts: nothing shows before it is whole, and an error takes the parts back.

The byte lane could upload in parts too, but it can't say "only if nothing stands there", which a
server can check at the moment of completion. What a killed attempt began is carried on: a part that the server has, by
its MD5, is not sent again.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import md5
from typing import NamedTuple, Protocol
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ..errors import SourceChanged, StoreError
from .answers import Refusal, read_xml
from .digests import PART_BYTES
from .native import SLOW_S, Lane
from .wire import unquoted

MOST_PARTS = 10_000
AT_ONCE = 4
_PLAIN = re.compile(rb"<ETag>(?:&quot;|&#34;|\")?([0-9a-f-]+)(?:&quot;|&#34;|\")?</ETag>")


def part_bytes(size: int) -> int:
    """The size of all parts but the last: PART_BYTES, doubled until ten thousand parts suffice."""
    part = PART_BYTES
    while part * MOST_PARTS < size:
        part *= 2
    return part


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


class Standing(NamedTuple):
    """An upload, and the parts that the server has of it: number to MD5 and size."""

    upload_id: str
    parts: Mapping[int, tuple[str, int]]


def upload(
    lane: Lane, key: str, chunks: Iterable[bytes], size: int, headers: Mapping[str, str],
    condition: Mapping[str, str], notes: Notes,
) -> str | None:  # fmt: skip
    """Upload an object of at least one byte. See `in_parts`."""

    def send(standing: Standing) -> list[str]:
        return _send_parts(lane, key, standing, recut(chunks, part_bytes(size)), size)

    return in_parts(lane, key, send, headers, condition, notes)


def in_parts(
    lane: Lane, key: str, send: Callable[[Standing], list[str]], headers: Mapping[str, str],
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
        etags = send(standing)
        written = _complete(lane, key, standing.upload_id, etags, condition)
    except BaseException:
        with contextlib.suppress(Exception):
            abort(lane, key, standing.upload_id)
            notes.closed(standing.upload_id)
        raise
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
    upload_id = _start(lane, key, headers)
    try:
        notes.opened(key, upload_id)
    except OSError as error:
        abort(lane, key, upload_id)
        raise StoreError(
            f"The upload of {key!r} can't be noted in the run's workspace: {error}; not written."
        ) from None
    return Standing(upload_id, {})


def _carry_on(lane: Lane, key: str, notes: Notes) -> Standing | None:
    """The upload that an earlier attempt got furthest with; its others are aborted."""
    found = [Standing(upload_id, parts) for upload_id in notes.take(key) if (parts := _list(lane, key, upload_id))]
    found.sort(key=lambda each: len(each.parts))
    for each in found[:-1]:
        abort(lane, key, each.upload_id)
        notes.closed(each.upload_id)
    return found[-1] if found else None


def _list(lane: Lane, key: str, upload_id: str) -> dict[int, tuple[str, int]]:
    """The parts that the server has of an upload; none where it is gone."""
    parts: dict[int, tuple[str, int]] = {}
    marker = "0"
    while True:
        try:
            answer = lane.send("GET", key, [("uploadId", upload_id), ("part-number-marker", marker)])
        except Refusal as refusal:
            if refusal.status == 404:
                return {}
            raise lane.explain(refusal, key) from None
        root = read_xml(answer.data)
        if root is None:
            return parts
        ns = root.tag[: root.tag.find("}") + 1]
        page = {int(part.findtext(f"{ns}PartNumber") or 0): _part(part, ns) for part in root.iterfind(f"{ns}Part")}
        parts |= page
        if root.findtext(f"{ns}IsTruncated") != "true" or not page:
            return parts
        marker = str(max(page))


def _part(part: ElementTree.Element, ns: str) -> tuple[str, int]:
    return unquoted(part.findtext(f"{ns}ETag")) or "", int(part.findtext(f"{ns}Size") or 0)


def recut(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly ``size``, the last one shorter."""
    held: list[bytes] = []
    length = 0
    for chunk in chunks:
        if not held and len(chunk) == size:
            yield chunk
            continue
        held.append(chunk)
        length += len(chunk)
        if length >= size:
            whole = b"".join(held)
            cut = length - length % size
            for start in range(0, cut, size):
                yield whole[start : start + size]
            held = [whole[cut:]] if cut < length else []
            length -= cut
    if length:
        yield b"".join(held)


def _start(lane: Lane, key: str, headers: Mapping[str, str]) -> str:
    root = read_xml(lane.ask("POST", key, [("uploads", "")], headers).data)
    for element in root if root is not None else ():
        if element.tag.endswith("UploadId") and element.text:
            return element.text
    raise StoreError(f"{lane.place.endpoint} did not start an upload as an S3 server does; check the endpoint.")


def _send_parts(lane: Lane, key: str, standing: Standing, parts: Iterable[bytes], size: int) -> list[str]:
    etags: list[str] = []
    flying: deque[Future[str]] = deque()
    sent = 0
    # Leaving the block waits for what is in flight, so an abort afterwards finds no straggler.
    with ThreadPoolExecutor(AT_ONCE, "migrator-part") as threads:
        for number, part in enumerate(parts, 1):
            sent += len(part)
            flying.append(threads.submit(_send_part, lane, key, standing, number, part))
            del part
            if len(flying) >= AT_ONCE:
                etags.append(flying.popleft().result())
        etags.extend(future.result() for future in flying)
    if sent != size:
        raise SourceChanged(f"{lane.place.url} {key!r} was to get {size} bytes and was given {sent}; not written.")
    return etags


def _send_part(lane: Lane, key: str, standing: Standing, number: int, part: bytes) -> str:
    if number in standing.parts and standing.parts[number] == (md5(part, usedforsecurity=False).hexdigest(), len(part)):
        return standing.parts[number][0]
    query = [("partNumber", str(number)), ("uploadId", standing.upload_id)]
    etag = lane.ask("PUT", key, query, body=part).etag
    if not etag:
        raise StoreError(f"{lane.place.endpoint} gave no etag for part {number} of {key!r}.")
    return etag


def _complete(lane: Lane, key: str, upload_id: str, etags: list[str], condition: Mapping[str, str]) -> str | None:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{escape(etag)}&quot;</ETag></Part>"
        for number, etag in enumerate(etags, 1)
    )
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    # Not ask(): the caller knows what a failed condition means.
    answer = lane.send("POST", key, [("uploadId", upload_id)], condition, body, read_s=SLOW_S)
    return etag_of(answer.data)


def etag_of(text: bytes) -> str | None:
    """The etag in an XML answer."""
    if plain := _PLAIN.search(text):  # as nearly all are, and this is once an object
        return plain[1].decode()
    root = read_xml(text)
    for element in root if root is not None else ():
        if element.tag.endswith("ETag"):
            return unquoted(element.text)
    return None
