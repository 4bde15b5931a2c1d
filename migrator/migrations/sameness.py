"""Whether two objects are the same, told from listings where those prove it, else by a hash.

Size alone never proves it. An S3 ETag without a dash is the MD5 of the bytes, except under
SSE-KMS and SSE-C; one with a dash is the MD5 of the parts' MD5s (AWS S3 User Guide, "Checking
object integrity"). Where those rules don't hold two hashes differ, which costs a copy, never data.
A hash that the store keeps and never checked is no more than ``listed``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..stores import ObjectInfo, Store
from ..stores.digests import PART_BYTES, PLAIN_MD5, digest_of, parts_of, told

if TYPE_CHECKING:
    import pyarrow as pa

    from .choices import Compare


def same(
    source: Store, target: Store, here: ObjectInfo, there: ObjectInfo | None, compare: Compare = "listed"
) -> str | None:
    """The evidence that both are the same bytes: ``listed``, ``server-hash`` or ``re-read``.

    None when they differ, or when nothing that may be looked at by ``compare`` can show it.
    """
    if there is None or here.size != there.size:
        return None
    if compare != "listed":
        return _same_bytes(source, target, here, there, read=compare == "checksum")
    local = source.location.kind == "local", target.location.kind == "local"
    if local == (True, True):
        return _same_files(source, target, here, there)
    if local == (False, False):
        return "listed" if same_tag(here.etag, there.etag) else None
    if local == (False, True):
        # The copy gave the file the object's own time, to the millisecond.
        return "listed" if here.mtime == there.mtime else _same_hash(target, there, here.etag)
    return _same_hash(source, here, there.etag)


def same_tag(here: str | None, there: str | None) -> bool:
    """Whether two version tags tell one hash."""
    return told(here) is not None and told(here) == told(there)


def alike(table: pa.Table, source: Store, target: Store) -> pa.Array | pa.ChunkedArray:
    """Of which pairs of a joined listing `same` says ``listed``, as a column; null where there is no pair."""
    import pyarrow.compute

    from ..columns import scalar

    pc: Any = pyarrow.compute  # its functions are made as it is imported
    local = source.location.kind == "local", target.location.kind == "local"
    sizes = pc.equal(table["size"], table["t_size"])
    if local == (False, False):
        # As `told` reads a version tag.
        here, there = (
            pc.utf8_ltrim(pc.replace_substring_regex(table[tag], "(?s)@.*", ""), "~") for tag in ("etag", "t_etag")
        )
        return pc.and_(sizes, pc.and_(pc.equal(here, there), pc.not_equal(here, scalar(""))))
    if local[1]:
        return pc.and_(sizes, pc.equal(table["mtime"], table["t_mtime"]))
    return pc.and_(sizes, scalar(False))  # a file is hashed


def identical(store: Store, one: ObjectInfo, other_store: Store, other: ObjectInfo) -> bool:
    """Whether two objects of sources are the same bytes; files are read for that."""
    return one.size == other.size and _same_bytes(store, other_store, one, other, read=False) is not None


def _same_bytes(source: Store, target: Store, here: ObjectInfo, there: ObjectInfo, *, read: bool) -> str | None:
    """By the servers' hashes, whatever the times say; ``read`` both where those show nothing."""
    local = source.location.kind == "local", target.location.kind == "local"
    if local == (False, False) and same_tag(here.etag, there.etag):
        return "listed"
    if local == (False, True) and (found := _same_hash(target, there, here.etag)):
        return found
    if local == (True, False) and (found := _same_hash(source, here, there.etag)):
        return found
    if read or local == (True, True):
        return "re-read" if _hash(source, here, "xxh3") == _hash(target, there, "xxh3") else None
    return None


def _same_files(source: Store, target: Store, here: ObjectInfo, there: ObjectInfo) -> str | None:
    if here.mtime == there.mtime:
        return "listed"
    hashes = (_hash(store, info, "xxh3") for store, info in ((source, here), (target, there)))
    return "re-read" if len(set(hashes)) == 1 else None


def _same_hash(files: Store, file: ObjectInfo, tag: str | None) -> str | None:
    """A local file against the hash that an object's version tag tells."""
    digest = told(tag)
    if not digest:
        return None
    evidence = "server-hash" if told(tag, checked=True) else "listed"
    if PLAIN_MD5.match(digest):
        return evidence if _hash(files, file, "md5") == digest else None
    if digest.endswith(f"-{parts_of(file.size)}"):
        return evidence if _hash(files, file, "md5-parts") == digest else None
    return None


def _hash(store: Store, info: ObjectInfo, algorithm: str) -> str:
    with store.open(info.key, info.etag) as body:
        return digest_of(body.chunks(PART_BYTES), algorithm)
