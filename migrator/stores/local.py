"""A folder as a store: nothing half written is ever seen, and nothing is ever overwritten by chance."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from ..errors import NotFound, PlaceGone, SourceChanged, StoreError
from ..options import option
from . import names
from .base import Attributes, Capabilities, ObjectInfo, Written
from .clones import Watch, fill_clone
from .files import create, failed, publish, remove_quietly, version, write_all
from .folders import Folder, Folders
from .local_body import LocalBody, MarkerBody
from .locations import Location
from .walking import describe, walk

T = TypeVar("T")


class LocalStore:
    """A folder of this machine. See the ``Store`` protocol for what each method promises."""

    capabilities = Capabilities(holds_attributes=False, remote=False, threads=2)

    def __init__(self, location: Location) -> None:
        self._location = location
        self._root = os.path.realpath(location.path or "/")
        self._base = self._root.rstrip("/") + "/"
        self._room = len(os.fsencode(self._base))
        self._folders = Folders(self._root)
        self.empty_folders = 0  # that were met by the last listing

    @property
    def location(self) -> Location:
        return self._location

    def probe(self) -> None:
        try:
            with os.scandir(self._root) as entries:
                next(entries, None)
        except FileNotFoundError:
            raise NotFound(f"There is no folder {self._root!r}. Make it, or check the path.") from None
        except NotADirectoryError:
            folder, _, name = self._root.rpartition("/")
            raise NotFound(
                f"{self._root!r} is no folder: name {folder!r}, and this one by {option('include', name)}."
            ) from None
        except OSError as error:
            raise failed(error, self._root) from None

    def remarks(self, *, to_write: bool) -> list[str]:
        return []

    def keeps_versions(self) -> bool | None:
        return False

    def try_out(self, scratch: str, debris: Iterable[str] = ()) -> list[str]:
        return []

    def list(self) -> Iterator[list[ObjectInfo]]:
        self.empty_folders = 0
        return walk(self._root, self._count_empty)

    def refusal(self, key: str, size: int = 0) -> str | None:
        return names.refusal(key, size, self._room)

    def folding(self) -> names.Folding:
        """How names are told apart here."""
        return names.folding(self._root)

    def head(self, key: str) -> ObjectInfo | None:
        path, marks = self._path(key), names.marks(key)
        folder, _, name = key.removesuffix("/").rpartition("/")
        try:
            status = self._within(folder, False, lambda at: os.stat(name or ".", dir_fd=at.fd, follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise failed(error, path) from None
        if stat.S_ISDIR(status.st_mode) != marks:
            return None
        return ObjectInfo(key, 0, status.st_mtime_ns // 1_000_000, None) if marks else describe(key, status)

    def hash_of(self, size: int) -> None:
        """By none: a file system tells no hash."""

    def open(self, key: str, pinned: str | None, *, checksum: bool = False) -> LocalBody | MarkerBody:
        path = self._path(key)
        folder, _, name = key.rpartition("/")
        try:
            at = self._folder(folder, make=False)
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(path) from None
        except OSError as error:
            raise failed(error, path) from None
        return LocalBody(at, name, path, pinned, self._missing) if name else MarkerBody()

    def put(
        self, key: str, data: bytes, attributes: Attributes, *, before: str | None, mtime: int | None, scratch: str
    ) -> Written:
        return self._write(key, (data,), len(data), before, mtime, scratch)

    def put_stream(
        self, key: str, chunks: Iterable[bytes], size: int, attributes: Attributes, *,
        before: str | None, mtime: int | None, scratch: str,
    ) -> Written:  # fmt: skip
        return self._write(key, chunks, size, before, mtime, scratch)

    def clone(
        self, source: LocalStore, key: str, target_key: str, *, pinned: str | None, before: str | None, scratch: str,
        watch: Watch | None = None, algorithm: str = "xxh3",
    ) -> Written:  # fmt: skip
        """Copy a file of another folder inside the kernel, with its permission bits and time.

        Both are read again and compared before the copy is shown, by their hashes by ``algorithm``: the digest.
        ``watch`` is called now and then with the bytes that moved since, and may end it by raising.

        Raises
        ------
        SourceChanged
            If the source is, or becomes, another version than ``pinned``.
        AlreadyExists
            If something but ``before`` stands at the target.
        """
        with source.open(key, pinned) as body:
            assert isinstance(body, LocalBody), "no folder is listed as an object"
            return self._publish(
                target_key,
                body.status.st_mode & 0o777,
                body.size,
                before,
                scratch,
                lambda target: fill_clone(body, target, watch, algorithm),
            )

    def discard(self, key: str, scratch: str) -> None:
        """Remove what a killed attempt left of its copy of ``key`` under the name ``scratch``."""
        self._path(key)
        with suppress(OSError, StoreError):
            remove_quietly(self._folder(key.rpartition("/")[0], make=False), _temporary(scratch))

    def remove(self, key: str, pinned: str | None) -> bool:
        """Remove a file that is still the version ``pinned``; whether it was."""
        path = self._path(key)
        folder, _, name = key.rpartition("/")
        try:
            at = self._folder(folder, make=False)
            same = version(os.stat(name, dir_fd=at.fd, follow_symlinks=False)) == pinned
            if same:
                os.unlink(name, dir_fd=at.fd)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise failed(error, path) from None
        return same

    def sync(self) -> None:
        try:
            _sync_filesystem(self._root)
        except FileNotFoundError:
            return  # nothing was put
        except OSError as error:
            raise failed(error, self._root) from None

    def _write(
        self, key: str, chunks: Iterable[bytes], size: int, before: str | None, mtime: int | None, scratch: str
    ) -> Written:
        if names.marks(key):
            return self._mark(key, chunks)
        path = self._path(key)
        return self._publish(
            key, 0o666, size, before, scratch, lambda target: Written(_fill(target, chunks, size, mtime, path))
        )

    def _mark(self, key: str, chunks: Iterable[bytes]) -> Written:
        """A marker becomes the folder that it marks; one that is there is as good."""
        size = sum(map(len, chunks))
        path = self._path(key, size)
        if size:
            raise SourceChanged(f"{path!r} was to be a folder, and has {size} bytes now.")
        try:
            self._folder(key[:-1], make=True)
        except OSError as error:
            raise failed(error, path) from None
        return Written(None)

    def _publish(
        self, key: str, mode: int, size: int, before: str | None, scratch: str, fill: Callable[[int], Written]
    ) -> Written:
        """Fill a new file under a temporary name, and show it when it is whole."""
        path, temporary = self._path(key), _temporary(scratch)
        folder, _, name = key.rpartition("/")
        try:
            at, target = self._within(folder, True, lambda at: (at, create(at, temporary, mode)))
            try:
                written = fill(target)
                publish(at, temporary, name, path, before)
            except BaseException:
                remove_quietly(at, temporary)
                raise
        except OSError as error:
            raise failed(error, path, size) from None
        return written

    def _path(self, key: str, size: int = 0) -> str:
        if reason := self.refusal(key, size):
            raise StoreError(f"{key!r} can't be kept in {self._root!r}: {reason}.")
        return self._base + key

    def _count_empty(self) -> None:
        self.empty_folders += 1

    def _missing(self, path: str) -> NotFound:
        """What to say of a file that is not there: it may be all of them."""
        if self._folders.stand():
            return NotFound(f"{path!r} is not there (any more).")
        return PlaceGone(f"The folder {self._root!r} is gone, or another one stands in its place; bring it back.")

    def _folder(self, folder: str, *, make: bool) -> Folder:
        return self._folders.held(folder) or self._folders.open(folder, make=make)

    def _within(self, folder: str, make: bool, do: Callable[[Folder], T]) -> T:
        """Do something in a folder. One that was open already may have been removed, and made again, meanwhile."""
        if at := self._folders.held(folder):
            try:
                return do(at)
            except FileNotFoundError:
                if not at.gone:
                    raise
                self._folders.forget()
        return do(self._folders.open(folder, make=make))


def _temporary(scratch: str) -> str:
    return f".{scratch}.part"


def _fill(target: int, chunks: Iterable[bytes], size: int, mtime: int | None, path: str) -> str:
    try:
        written = 0
        for chunk in chunks:
            write_all(target, chunk)
            written += len(chunk)
        if written != size:
            raise SourceChanged(f"{path!r} was to get {size} bytes and was given {written}; it was not written.")
        if mtime is not None:
            os.utime(target, ns=(mtime * 1_000_000, mtime * 1_000_000))
        return version(os.fstat(target))
    finally:
        os.close(target)


def _sync_filesystem(path: str) -> None:
    if not sys.platform.startswith("linux"):
        os.sync()
        return
    import ctypes

    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)
