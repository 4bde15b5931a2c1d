"""A large object in blocks, which show when their list is put. A block's name has its MD5: so a killed upload goes on.

Blocks that no list names are dropped by the service after a week; it has no way to take them back before.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from ...errors import SourceChanged
from ..answers import Refusal, read_xml
from ..checksums import in_base64
from ..digests import PART_BYTES
from ..native import SLOW_S, Answer
from ..s3.parts import AT_ONCE, recut
from .lane import AzureLane

MOST_BLOCKS = 50_000


def block_bytes(size: int) -> int:
    """The size of all blocks but the last: PART_BYTES, doubled until as many suffice as a list may name."""
    block = PART_BYTES
    while block * MOST_BLOCKS < size:
        block *= 2
    return block


def put_blocks(
    lane: AzureLane, key: str, chunks: Iterable[bytes], size: int, headers: Mapping[str, str]
) -> tuple[Answer, str, str]:
    """Write an object of at least one byte: the answer, its MD5, and the ``md5-parts`` of what the server compared."""
    standing = _standing(lane, key)
    whole, parts = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    names: list[str] = []
    flying: deque[Future[None]] = deque()
    given = 0
    with ThreadPoolExecutor(AT_ONCE, "migrator-part") as threads:
        for block in recut(chunks, block_bytes(size)):
            given += len(block)
            digest = hashlib.md5(block, usedforsecurity=False).digest()
            whole.update(block)
            parts.update(digest)
            names.append(base64.b64encode(f"{len(names):06}-{digest.hex()}".encode()).decode())
            if standing.get(names[-1]) != len(block):
                flying.append(threads.submit(_put_block, lane, key, names[-1], digest, block))
            if len(flying) >= AT_ONCE:
                flying.popleft().result()
        for each in flying:
            each.result()
    if given != size:
        raise SourceChanged(f"{lane.place.url} {key!r} was to get {size} bytes and was given {given}; not written.")
    listed = "".join(f"<Latest>{name}</Latest>" for name in names)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()
    told = {**headers, "x-ms-blob-content-md5": in_base64(whole.digest())}
    answer = lane.send("PUT", key, [("comp", "blocklist")], told, body, read_s=SLOW_S)
    return answer, whole.hexdigest(), f"{parts.hexdigest()}-{len(names)}"


def _put_block(lane: AzureLane, key: str, name: str, digest: bytes, block: bytes) -> None:
    # The service compares this one with what arrived, and refuses a block that differs.
    headers = {"content-md5": in_base64(digest)}
    lane.send("PUT", key, [("comp", "block"), ("blockid", name)], headers, block, read_s=SLOW_S)


def _standing(lane: AzureLane, key: str) -> dict[str, int]:
    """The blocks of a killed upload that the server has: name to size."""
    try:
        answer = lane.send("GET", key, [("comp", "blocklist"), ("blocklisttype", "uncommitted")])
    except Refusal:
        return {}
    root = read_xml(answer.data)
    blocks = root.iterfind("UncommittedBlocks/Block") if root is not None else ()
    return {block.findtext("Name") or "": int(block.findtext("Size") or 0) for block in blocks}
