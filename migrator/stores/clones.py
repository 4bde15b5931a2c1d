"""A file made of another one: inside the kernel where it can, and both read again before it is shown."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import TypeAlias

import xxhash

from ..errors import SourceChanged, StoreError
from .base import Written
from .digests import Hasher
from .files import version, write_all
from .local_body import LocalBody

# Told of bytes that moved, in the middle of long work; raises to end it.
Watch: TypeAlias = Callable[[int], None]

SMALL_BYTES = 128 << 10  # a file up to this is read once: the kernel's own copy of it costs more than to write it
# What a kernel or a filesystem answers when it can't copy inside itself; reading and writing still can.
_CANT_CLONE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM})
_STRETCH = 64 << 20  # between two looks at whether to go on
_BUFFER = 1 << 20
_BLOCK = 512  # what `st_blocks` counts, wherever


def fill_clone(body: LocalBody, target: int, watch: Watch | None, algorithm: str) -> Written:
    """Give a new file the bytes, the permission bits and the time of an open one, and close it.

    ``watch`` is told of each stretch of a large file, and may end the copy by raising.

    Raises
    ------
    SourceChanged
        If the source is written to meanwhile.
    StoreError
        If the copy, read again, holds other bytes.
    """
    try:
        small = body.size <= SMALL_BYTES and not has_holes(body.status)
        digest = _fill_small(body, target, algorithm) if small else _fill_large(body, target, watch, algorithm)
        source = body.status
        os.utime(target, ns=(source.st_mtime_ns, source.st_mtime_ns))
        made = os.fstat(target)
        if (made.st_mode ^ source.st_mode) & 0o777:  # it was made with them, as far as this process's mask lets it
            os.fchmod(target, source.st_mode & 0o777)
        return Written(version(made), digest)
    finally:
        os.close(target)


def _fill_small(body: LocalBody, target: int, algorithm: str) -> str:
    """The bytes that are hashed are those that are written, and that the target has to hold."""
    data = body.read()
    write_all(target, data)
    if os.pread(target, len(data), 0) != data:
        raise _differs(body)
    return _digest(data, algorithm)


def _fill_large(body: LocalBody, target: int, watch: Watch | None, algorithm: str) -> str:
    moved = copy_bytes(body.fd, target, body.size, watch)
    digest = digest_of_file(body.fd, body.size, watch, algorithm)
    body.check_unchanged()
    if moved != body.size:
        raise SourceChanged(f"{body.path!r} gave {moved} of {body.size} bytes; it was not copied.")
    if digest_of_file(target, body.size, watch, algorithm) != digest:
        raise _differs(body)
    return digest


def _differs(body: LocalBody) -> StoreError:
    return StoreError(f"{body.path!r} was copied, and the copy does not hold the same bytes. Look at the disk.")


def has_holes(status: os.stat_result) -> bool:
    return status.st_blocks * _BLOCK < status.st_size


def copy_bytes(source: int, target: int, size: int, watch: Watch | None = None) -> int:
    """Copy ``size`` bytes inside the kernel where it can, by reading and writing where it can't; holes stay holes.

    ``watch`` is told of each stretch but the last, and may end the copy by raising. Returns how many there were.
    """
    if not has_holes(os.fstat(source)):
        return _copy_stretch(source, target, 0, size, watch)
    done = 0
    for start, end in _stretches_of_data(source, size):
        for fd in (source, target):
            os.lseek(fd, start, os.SEEK_SET)
        if (done := _copy_stretch(source, target, start, end, watch)) != end:
            return done
        if watch and end < size:  # there may be very many of them, each short
            watch((end - start) % _STRETCH or _STRETCH)
    os.ftruncate(target, size)
    return size


def _stretches_of_data(source: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file is no hole, as beginnings and ends below ``size``; all of it where its filesystem can't tell."""
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # that there is no more data
                yield end, size
            return
        end = min(os.lseek(source, start, os.SEEK_HOLE), size)
        if start < end:
            yield start, end


def _copy_stretch(source: int, target: int, done: int, size: int, watch: Watch | None) -> int:
    """Copy from ``done``, where both files stand, to ``size``; how far it came."""
    ways = [_inside, _by_sendfile, _by_hand]
    while done < size:
        moved = ways[0](source, target, min(_STRETCH, size - done), done)
        if moved is None:  # not between these two files
            ways.pop(0)
            continue
        if not moved:
            break
        done += moved
        if watch and done < size:
            watch(moved)
    return done


def _inside(source: int, target: int, size: int, done: int) -> int | None:
    if not hasattr(os, "copy_file_range"):
        return None
    try:
        return os.copy_file_range(source, target, size)
    except OSError as error:
        if error.errno not in _CANT_CLONE:
            raise
        return None


def _by_sendfile(source: int, target: int, size: int, done: int) -> int | None:
    try:
        return os.sendfile(target, source, done, size)
    except OSError as error:  # macOS sends to sockets only
        if error.errno not in _CANT_CLONE | {errno.ENOTSOCK}:
            raise
        return None


def _by_hand(source: int, target: int, size: int, done: int) -> int:
    data = os.pread(source, min(_BUFFER, size), done)
    write_all(target, data)
    return len(data)


def digest_of_file(fd: int, size: int, watch: Watch | None = None, algorithm: str = "xxh3") -> str:
    """The hash of an open file's first ``size`` bytes; ``watch`` as above, told of no bytes."""
    if size <= _BUFFER:
        return _digest(os.pread(fd, size, 0), algorithm)
    hasher, done = Hasher(algorithm), 0
    while data := os.pread(fd, min(_BUFFER, size - done), done):
        hasher.update(data)
        done += len(data)
        if watch:
            watch(0)
    return hasher.hexdigest()


def _digest(data: bytes, algorithm: str) -> str:
    if algorithm == "xxh3":
        return xxhash.xxh3_128_hexdigest(data)
    hasher = Hasher(algorithm)
    hasher.update(data)
    return hasher.hexdigest()
