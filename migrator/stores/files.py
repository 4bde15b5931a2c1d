"""Files by their descriptors: versions, bytes, publishing, and the one door for ``OSError``."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress

from ..errors import AlreadyExists, Denied, DiskFull, NotFound, SourceChanged, StoreError, Unreachable
from .folders import Folder

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LATER = frozenset({errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR})
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
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


def check_unchanged(fd: int, path: str, seen: os.stat_result) -> None:
    """Refuse what was read if the file was written to meanwhile."""
    now = os.fstat(fd)
    if now.st_mtime_ns != seen.st_mtime_ns or now.st_size != seen.st_size:
        raise changed(path, version(seen), now)


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
