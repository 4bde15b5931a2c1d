"""A large object in parts: nothing shows before it is whole, and an error takes the parts back.

The byte lane could upload in parts too, but it can't say "only if nothing stands there", which a
server can check at the moment of completion.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ..errors import SourceChanged, StoreError
from .answers import read_xml
from .digests import PART_BYTES
from .native import SLOW_S, Lane, unquoted

MOST_PARTS = 10_000
AT_ONCE = 4


def part_bytes(size: int) -> int:
    """The size of all parts but the last: PART_BYTES, doubled until ten thousand parts suffice."""
    part = PART_BYTES
    while part * MOST_PARTS < size:
        part *= 2
    return part


def upload(
    lane: Lane, key: str, chunks: Iterable[bytes], size: int, headers: Mapping[str, str], condition: Mapping[str, str]
) -> str | None:
    """Upload an object of at least one byte; ``condition`` is checked as it is completed.

    Returns
    -------
    str or None
        The etag that the server gave.
    """
    upload_id = _start(lane, key, headers)
    try:
        etags = _send_parts(lane, key, upload_id, recut(chunks, part_bytes(size)), size)
        return _complete(lane, key, upload_id, etags, condition)
    except BaseException:
        with contextlib.suppress(Exception):
            lane.send("DELETE", key, [("uploadId", upload_id)], tries=3)
        raise


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


def _send_parts(lane: Lane, key: str, upload_id: str, parts: Iterable[bytes], size: int) -> list[str]:
    etags: list[str] = []
    flying: deque[Future[str]] = deque()
    sent = 0
    # Leaving the block waits for what is in flight, so an abort afterwards finds no straggler.
    with ThreadPoolExecutor(AT_ONCE, "migrator-part") as threads:
        for number, part in enumerate(parts, 1):
            sent += len(part)
            flying.append(threads.submit(_send_part, lane, key, upload_id, number, part))
            del part
            if len(flying) >= AT_ONCE:
                etags.append(flying.popleft().result())
        etags.extend(future.result() for future in flying)
    if sent != size:
        raise SourceChanged(f"{lane.place.url} {key!r} was to get {size} bytes and was given {sent}; not written.")
    return etags


def _send_part(lane: Lane, key: str, upload_id: str, number: int, part: bytes) -> str:
    query = [("partNumber", str(number)), ("uploadId", upload_id)]
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
    return etag_in(read_xml(answer.data))


def etag_in(root: ElementTree.Element | None) -> str | None:
    """The etag in an XML answer."""
    for element in root if root is not None else ():
        if element.tag.endswith("ETag"):
            return unquoted(element.text)
    return None
