"""The parts of an upload: cut, sent, and found again on the server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import md5
from typing import NamedTuple
from xml.etree import ElementTree

from ...errors import SourceChanged, StoreError
from ..answers import Refusal, read_xml
from ..checksums import HEADER, SENT, Cyclic, in_base64, sent_with
from ..digests import PART_BYTES
from ..native import Lane
from ..wire import unquoted

MOST_PARTS = 10_000
AT_ONCE = 4


class Part(NamedTuple):
    """A part that a server has: its ETag, its bytes, its checksum in base64 where one was sent with it."""

    etag: str
    size: int = 0
    checksum: str | None = None


class Standing(NamedTuple):
    """An upload, and the parts that the server has of it. ``summed``: it was begun with checksums."""

    upload_id: str
    parts: Mapping[int, Part]
    summed: bool = False


class Sent(NamedTuple):
    """All parts of an object; its checksum where theirs were sent."""

    parts: Sequence[Part]
    checksum: str | None = None


def part_bytes(size: int) -> int:
    """The size of all parts but the last: PART_BYTES, doubled until ten thousand parts suffice."""
    part = PART_BYTES
    while part * MOST_PARTS < size:
        part *= 2
    return part


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


def send_parts(lane: Lane, key: str, standing: Standing, parts: Iterable[bytes], size: int) -> Sent:
    """Send all parts of an object, some at once."""
    made: list[Part] = []
    flying: deque[Future[Part]] = deque()
    sent, whole = 0, Cyclic(SENT) if standing.summed else None
    # Leaving the block waits for what is in flight, so an abort afterwards finds no straggler.
    with ThreadPoolExecutor(AT_ONCE, "migrator-part") as threads:
        for number, part in enumerate(parts, 1):
            sent += len(part)
            flying.append(threads.submit(_send_part, lane, key, standing, number, part))
            if whole:
                whole.update(part)
            del part
            if len(flying) >= AT_ONCE:
                made.append(flying.popleft().result())
        made.extend(future.result() for future in flying)
    if sent != size:
        raise SourceChanged(f"{lane.place.url} {key!r} was to get {size} bytes and was given {sent}; not written.")
    return Sent(made, in_base64(whole.digest()) if whole else None)


def _send_part(lane: Lane, key: str, standing: Standing, number: int, body: bytes) -> Part:
    checksum = sent_with(body) if standing.summed else None
    there = standing.parts.get(number)
    if there and there.size == len(body) and _is_of(there, body, checksum):
        return there._replace(checksum=checksum)
    query = [("partNumber", str(number)), ("uploadId", standing.upload_id)]
    etag = lane.ask("PUT", key, query, {HEADER + SENT: checksum} if checksum else None, body).etag
    if not etag:
        raise StoreError(f"{lane.place.endpoint} gave no etag for part {number} of {key!r}.")
    return Part(etag, len(body), checksum)


def _is_of(part: Part, body: bytes, checksum: str | None) -> bool:
    """Whether a part that the server has is of these bytes, as many as they are."""
    if checksum and part.checksum:
        return part.checksum == checksum
    return part.etag == md5(body, usedforsecurity=False).hexdigest()


def parts_of(lane: Lane, key: str, upload_id: str) -> Standing:
    """An upload with the parts that the server has of it; none where it is gone."""
    parts: dict[int, Part] = {}
    marker, summed = "0", False
    while True:
        try:
            answer = lane.send("GET", key, [("uploadId", upload_id), ("part-number-marker", marker)])
        except Refusal as refusal:
            if refusal.status == 404:
                return Standing(upload_id, {})
            raise lane.explain(refusal, key) from None
        root = read_xml(answer.data)
        if root is None:
            return Standing(upload_id, parts, summed)
        ns = root.tag[: root.tag.find("}") + 1]
        summed = (root.findtext(f"{ns}ChecksumAlgorithm") or "").lower() == SENT
        page = {int(part.findtext(f"{ns}PartNumber") or 0): _part(part, ns) for part in root.iterfind(f"{ns}Part")}
        parts |= page
        if root.findtext(f"{ns}IsTruncated") != "true" or not page:
            return Standing(upload_id, parts, summed)
        marker = str(max(page))


def _part(part: ElementTree.Element, ns: str) -> Part:
    size = int(part.findtext(f"{ns}Size") or 0)
    return Part(unquoted(part.findtext(f"{ns}ETag")) or "", size, part.findtext(f"{ns}ChecksumCRC64NVME"))
