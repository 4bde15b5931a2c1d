"""Files by their descriptors: versions, bytes, publishing, and the one door for ``OSError``."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeAlias

import xxhash

from ..errors import AlreadyExists, Denied, DiskFull, NotFound, SourceChanged, StoreError, Unreachable
from .digests import Hasher
from .folders import Folder

# Told of bytes that moved, in the middle of long work; raises to end it.
Watch: TypeAlias = Callable[[int], None]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LATER = frozenset({errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR})
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
# What a kernel or a filesystem answers when it can't copy inside itself; reading and writing still can.
_CANT_CLONE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM})
_STRETCH = 64 << 20  # between two looks at whether to go on
_BUFFER = 1 << 20
_BLOCK = 512  # what `st_blocks` counts, wherever
_TICK = 10_000_000  # nanoseconds: the coarsest clock of a kernel's files, at 100 Hz


def failed(error: OSError, path: str, size: int = 0) -> StoreError:
    """Our error for one of the operating system's, naming the path and what to do.

    ``size`` is what was to be written there, in bytes.
    """
    number, why = error.errno, (error.strerror or str(error)).lower()
    if number in _FULL:
        return DiskFull(path, size)
    if number in (errno.EACCES, errno.EPERM):
        return Denied(f"{path!r}: {why}. Give this user the right to it, or choose another folder.")
    if number == errno.EROFS:
        return Denied(f"{path!r} is on a read-only filesystem. Choose another folder, or mount it writable.")
    if number == errno.ENOENT:
        return NotFound(f"{path!r} is not there (any more).")
    if number == errno.ELOOP:
        return Denied(f"{path!r} is reached through a symbolic link, which is not followed.")
    if number in _LATER:
        return Unreachable(f"{path!r}: {why}. The filesystem may answer later.")
    return StoreError(f"{path!r}: {why}.")


def version(status: os.stat_result) -> str:
    """The version tag of a file: a write, a truncation and a replacement each change it."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


def open_pinned(folder: Folder, name: str, path: str, pinned: str | None) -> tuple[int, os.stat_result]:
    """Open a regular file for reading, if it is the version asked for; ``path`` is what it is called to people."""
    # Without O_NONBLOCK a file that became a fifo would hold this thread for ever.
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder.fd)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise SourceChanged(f"{path!r} is not a regular file any more.")
        if pinned is not None and version(status) != pinned:
            raise changed(path, pinned, status)
        _settle(fd, status)
    except BaseException:
        os.close(fd)
        raise
    return fd, status


def _settle(fd: int, status: os.stat_result) -> None:
    """Let a write that is under way end, so that whatever is written from now on changes the file's time.

    A write sets the time as it begins and its bytes after: of a file looked at in between, half the bytes may be
    old, the time new, and stay so. To look for data waits for the lock that the write holds (ext4); and before
    Linux 6.13 two writes within one tick of the kernel's clock had the same time.
    """
    if status.st_size:
        try:
            if os.lseek(fd, 0, os.SEEK_DATA):
                os.lseek(fd, 0, os.SEEK_SET)
        except OSError:
            pass  # not every filesystem can look for data
    if 0 <= time.time_ns() - status.st_mtime_ns < _TICK:
        time.sleep(_TICK / 1e9)


def check_unchanged(fd: int, path: str, pinned: str) -> None:
    """Refuse what was read if the file was written to meanwhile."""
    status = os.fstat(fd)
    if version(status) != pinned:
        raise changed(path, pinned, status)


def changed(path: str, pinned: str, status: os.stat_result) -> SourceChanged:
    """The error for a file of another version, naming what differs."""
    try:
        mtime, size, ino = (int(part, 16) for part in pinned.split("-"))
    except ValueError:
        return SourceChanged(f"{path!r} is not the planned version. Plan again.")
    differs = []
    if size != status.st_size:
        differs.append(f"size {size} -> {status.st_size}")
    if mtime != status.st_mtime_ns:
        differs.append(f"mtime {mtime / 1e9:.3f} -> {status.st_mtime_ns / 1e9:.3f}")
    if ino != status.st_ino:
        differs.append("it is another file of that name")
    return SourceChanged(f"{path!r} has changed since the plan: {', '.join(differs)}. Plan again.")


def create(folder: Folder, name: str, mode: int = 0o666) -> int:
    """A new file, after removing the debris that a killed run left under this name."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(name, flags, mode, dir_fd=folder.fd)
    except FileExistsError:
        os.unlink(name, dir_fd=folder.fd)
        return os.open(name, flags, mode, dir_fd=folder.fd)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; the kernel may take fewer than offered."""
    written = os.write(fd, data)
    if written == len(data):
        return
    view = memoryview(data)
    while written < len(data):
        written += os.write(fd, view[written:])


def publish(folder: Folder, temporary: str, final: str, path: str, before: str | None) -> None:
    """Show a finished file under its name, replacing ``before`` and nothing else."""
    if before is None:
        _publish_new(folder.fd, temporary, final, path)
        return
    try:
        now = version(os.stat(final, dir_fd=folder.fd, follow_symlinks=False))
    except FileNotFoundError:
        raise AlreadyExists(f"{path!r} was to be replaced, and is gone since the plan. Plan again.") from None
    if now != before:
        raise AlreadyExists(f"{path!r} has changed since the plan; it was left as it is. Plan again.")
    os.replace(temporary, final, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)


def _publish_new(fd: int, temporary: str, final: str, path: str) -> None:
    # A hard link fails where a rename would overwrite, so no other writer's file can be lost.
    try:
        os.link(temporary, final, src_dir_fd=fd, dst_dir_fd=fd)
    except FileExistsError:
        raise AlreadyExists(f"{path!r} exists already; it was left as it is.") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if _exists(fd, final):
            raise AlreadyExists(f"{path!r} exists already; it was left as it is.") from None
        os.rename(temporary, final, src_dir_fd=fd, dst_dir_fd=fd)
        return
    os.unlink(temporary, dir_fd=fd)


def _exists(fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def remove_quietly(folder: Folder, name: str) -> None:
    """Remove a temporary file on the way out of an error, which matters more than this one."""
    with suppress(OSError):
        os.unlink(name, dir_fd=folder.fd)


def copy_bytes(source: int, target: int, size: int, watch: Watch | None = None) -> int:
    """Copy ``size`` bytes inside the kernel where it can, by reading and writing where it can't; holes stay holes.

    ``watch`` is told of each stretch but the last, and may end the copy by raising. Returns how many there were.
    """
    if os.fstat(source).st_blocks * _BLOCK >= size:
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
    if size <= _BUFFER and algorithm == "xxh3":
        return xxhash.xxh3_128_hexdigest(os.pread(fd, size, 0))
    hasher, done = Hasher(algorithm), 0
    while data := os.pread(fd, min(_BUFFER, size - done), done):
        hasher.update(data)
        done += len(data)
        if watch:
            watch(0)
    return hasher.hexdigest()
