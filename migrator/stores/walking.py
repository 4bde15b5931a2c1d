"""A folder's listing: every file below it, and a reason for each entry that can't be carried.

A name that is not UTF-8 is listed as Python reads it: its odd bytes are lone surrogates, and come back as they were.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import NotFound
from .base import ObjectInfo
from .files import failed, version
from .folders import Folder, Folders

PAGE = 1000
LINK = "it is a symbolic link, which is not followed; copy what it points to, or replace it by the file"
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


def walk(root: str, empty: Callable[[], None] = lambda: None) -> Iterator[list[ObjectInfo]]:
    """Pages of the files below ``root``. A folder that can't be read raises: no listing has holes.

    ``empty`` is called for each folder below it in which nothing is, and which therefore no key names.
    """
    page: list[ObjectInfo] = []
    tree, folders = Folders(root), [""]
    while folders:
        folder = folders.pop()
        for info in _entries(tree, root, folder, folders, empty):
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


def _entries(
    tree: Folders, root: str, path: str, folders: list[str], empty: Callable[[], None]
) -> Iterator[ObjectInfo]:
    try:
        folder = tree.open(path, make=False)
        with _scan(folder) as entries:
            entry = None
            for entry in entries:
                name = f"{path}/{entry.name}" if path else entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                elif (info := _describe(entry, name)) is not None:
                    yield info
            if entry is None and path:
                empty()
    except (FileNotFoundError, NotADirectoryError):
        if not path:
            raise NotFound(f"There is no folder {root!r}. Make it, or check the path.") from None
    except OSError as error:
        raise failed(error, f"{root}/{path}") from None


@contextmanager
def _scan(folder: Folder) -> Iterator[Iterator[os.DirEntry[str]]]:
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder.fd)
    try:
        with os.scandir(fd) as entries:
            yield entries
    finally:
        os.close(fd)


def _describe(entry: os.DirEntry[str], name: str) -> ObjectInfo | None:
    try:
        return describe(name, entry.stat(follow_symlinks=False))
    except FileNotFoundError:  # deleted between the reading of the folder and now
        return None
