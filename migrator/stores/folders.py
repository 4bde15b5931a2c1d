"""Folders below a root, held open: no link on the way to a file is ever followed.

Each is opened from its parent by name, as `openat` does, and refused where it is a link. What is then done in it is
done by its descriptor. So a link that takes a folder's place meanwhile leads nobody out of the root.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import suppress

from ..errors import Denied, StoreError

HELD = 128  # of a process's 1,024 descriptors, for each of two stores
_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """An open folder. It is closed when nobody holds it any more."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)

    @property
    def gone(self) -> bool:
        """Whether it was removed since it was opened; another one may be in its place."""
        return not os.fstat(self.fd).st_nlink


class Folders:
    """The folders below ``root`` by their relative paths. Shared by threads."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._held: dict[str, Folder] = {}
        self._turn = threading.Lock()

    def held(self, path: str) -> Folder | None:
        """The folder if it is open already: it may be gone from its place meanwhile."""
        return self._held.get(path)

    def open(self, path: str, *, make: bool) -> Folder:
        """The folder at ``path`` ("" is the root), made where it is missing and may be.

        Raises
        ------
        Denied
            If a link stands in the way.
        StoreError
            If a file does, and a folder is to be made.
        OSError
            FileNotFoundError or NotADirectoryError where it is not there and not to be made.
        """
        with self._turn:
            at, rest = self._nearest(path)
            folder = self._held.get(at) or self._keep("", self._open_root(make))
            for name in rest:
                at = f"{at}/{name}" if at else name
                folder = self._keep(at, self._step(folder, name, at, make))
            return folder

    def stand(self) -> bool:
        """Whether the root is still where it was when it was opened: it may be deleted, or its disk unmounted."""
        root = self._held.get("")
        try:
            return root is None or os.path.samestat(os.fstat(root.fd), os.stat(self._root))
        except OSError:
            return False

    def forget(self) -> None:
        """Open every folder anew from here on."""
        with self._turn:
            self._held.clear()

    def _nearest(self, path: str) -> tuple[str, list[str]]:
        """The deepest folder on the way that is open, and the names from there on."""
        names: list[str] = []
        while path and path not in self._held:
            path, _, name = path.rpartition("/")
            names.append(name)
        return path, names[::-1]

    def _keep(self, path: str, folder: Folder) -> Folder:
        if len(self._held) >= HELD:
            self._held.pop(next(one for one in self._held if one))
        self._held[path] = folder
        return folder

    def _open_root(self, make: bool) -> Folder:
        if make:
            os.makedirs(self._root, exist_ok=True)
        return Folder(os.open(self._root, _FLAGS))

    def _step(self, parent: Folder, name: str, path: str, make: bool) -> Folder:
        for chance in (make, False):
            try:
                return Folder(os.open(name, _FLAGS, dir_fd=parent.fd))
            except FileNotFoundError:
                if not chance:
                    raise
                _make(parent, name)
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                raise self._in_the_way(parent, name, path, make) from None
        raise AssertionError("the second chance returns or raises")

    def _in_the_way(self, parent: Folder, name: str, path: str, make: bool) -> Exception:
        shown = f"{self._root.rstrip('/')}/{path}"
        if stat.S_ISLNK(os.stat(name, dir_fd=parent.fd, follow_symlinks=False).st_mode):
            return Denied(
                f"{shown!r} is a symbolic link and may lead elsewhere; it is not followed. Replace it by a folder."
            )
        if make:
            return StoreError(f"{shown!r} is a file, and a folder of that name is needed. Move it away.")
        return NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), shown)


def _make(parent: Folder, name: str) -> None:
    with suppress(
        FileExistsError
    ):  # another process made it first, or something else stands there: the next look tells
        os.mkdir(name, dir_fd=parent.fd)
