"""A large object copied by the server in the very parts it was written in: CopyObject takes 5 GiB at most, and gives an
ETag that nothing compares with, while equal parts give an equal one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from hashlib import md5

from ...errors import StoreError
from ..answers import Refusal
from ..digests import PLAIN_MD5, sizes_of_parts
from ..native import SLOW_S, Lane, quoted
from .multipart import etag_of
from .parts import Standing

LARGEST_PART = 5 << 30
AT_ONCE = 8  # the server's work, not ours


def part_size(lane: Lane, key: str, etag: str, size: int) -> int | None:
    """In what parts an object was written, by the server's word or where only one usual size fits; None if unknown."""
    with contextlib.suppress(Refusal):
        answer = lane.send("HEAD", key, [("partNumber", "1")], {"if-match": quoted(etag)})
        if answer.status == 206 and (told := int(answer.headers.get("content-length", 0))):
            return told if _fits(told, size, etag) else None
    found = sizes_of_parts(size, etag)
    return found[0] if len(found) == 1 and _fits(found[0], size, etag) else None


def _fits(part: int, size: int, etag: str) -> bool:
    return part <= LARGEST_PART and etag.rpartition("-")[2] == str(-(-size // part))


def copy_parts(
    lane: Lane, key: str, standing: Standing, source: Mapping[str, str], ranges: Sequence[tuple[int, int]],
    watch: Callable[[int], None],
) -> list[str]:  # fmt: skip
    """Have the server copy the ranges (first and last byte) as the parts of an upload; their ETags.

    Parameters
    ----------
    source : mapping
        The headers that name the source, and its version.
    watch : callable
        Told the bytes of each part that is there; it may raise to give up.
    """

    def copy(number: int) -> str:
        first, last = ranges[number - 1]
        there = standing.parts.get(number)
        # An earlier attempt's is of the same version; the whole's ETag will show it.
        if there and there.size == last - first + 1:
            return there.etag
        query = [("partNumber", str(number)), ("uploadId", standing.upload_id)]
        headers = {**source, "x-amz-copy-source-range": f"bytes={first}-{last}"}
        if not (made := etag_of(lane.send("PUT", key, query, headers, read_s=SLOW_S).data)):
            raise StoreError(f"{lane.place.endpoint} gave no etag for part {number} of {key!r}.")
        return made

    etags: dict[int, str] = {}
    threads = ThreadPoolExecutor(AT_ONCE, "migrator-part")
    try:
        flying = {threads.submit(copy, number): number for number in range(1, len(ranges) + 1)}
        for future in as_completed(flying):
            number = flying[future]
            etags[number] = future.result()
            watch(ranges[number - 1][1] - ranges[number - 1][0] + 1)
    finally:
        threads.shutdown(cancel_futures=True)  # and what is in flight is waited for: an abort finds no straggler
    return [etags[number] for number in sorted(etags)]


def etag_of_parts(etags: Sequence[str]) -> str | None:
    """The ETag that a whole gets of such parts; None where theirs are no MD5s."""
    if not all(PLAIN_MD5.match(etag) for etag in etags):
        return None
    return f"{md5(bytes.fromhex(''.join(etags)), usedforsecurity=False).hexdigest()}-{len(etags)}"


def ranges_of(size: int, part: int) -> list[tuple[int, int]]:
    """First and last byte of each part."""
    return [(start, min(start + part, size) - 1) for start in range(0, size, part)]
