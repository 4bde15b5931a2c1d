"""A folder's listing: every file below it, and a reason for each entry that can't be carried."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from ..errors import NotFound
from .base import ObjectInfo
from .files import failed, version

PAGE = 1000
NOT_UTF8 = "its name is not UTF-8, so no key can hold it byte for byte; rename it first"
LINK = "it is a symbolic link, which is not followed; copy what it points to, or replace it by the file"
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


def walk(root: str) -> Iterator[list[ObjectInfo]]:
    """Pages of the files below ``root``. A folder that can't be read raises: no listing has holes."""
    page: list[ObjectInfo] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        for info in _entries(root, folder, folders):
            page.append(info)
            if len(page) >= PAGE:
                yield page
                page = []
    if page:
        yield page


def describe(key: str, status: os.stat_result) -> ObjectInfo:
    """A file as an object."""
    return ObjectInfo(key, status.st_size, status.st_mtime_ns // 1_000_000, version(status), problem_of(status))


def problem_of(status: os.stat_result) -> str | None:
    """Why an entry that is no folder is no object; None when it is one."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return LINK
    kind = next((name for test, name in _KINDS if test(mode)), "no regular file")
    return f"it is {kind}, which holds no bytes to copy"


def _entries(root: str, folder: str, folders: list[str]) -> Iterator[ObjectInfo]:
    path = f"{root}/{folder}" if folder else root
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                name = folder + entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(name + "/")
                elif (info := _describe(entry, name)) is not None:
                    yield info
    except FileNotFoundError:
        if not folder:
            raise NotFound(f"There is no folder {root!r}. Make it, or check the path.") from None
    except OSError as error:
        raise failed(error, path) from None


def _describe(entry: os.DirEntry[str], name: str) -> ObjectInfo | None:
    try:
        info = describe(name, entry.stat(follow_symlinks=False))
    except FileNotFoundError:  # deleted between the reading of the folder and now
        return None
    if name.isascii() or _is_utf8(name):
        return info
    return info._replace(key=os.fsencode(name).decode("utf-8", "backslashreplace"), problem=NOT_UTF8)


def _is_utf8(name: str) -> bool:
    # The operating system's undecodable bytes arrive as lone surrogates.
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
