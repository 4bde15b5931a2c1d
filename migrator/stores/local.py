"""A folder as a store: nothing half written is ever seen, and nothing is ever overwritten by chance."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator

from ..errors import Denied, NotFound, SourceChanged, StoreError
from .base import Attributes, Capabilities, ObjectInfo, Written
from .files import (
    Watch,
    changed,
    check_unchanged,
    copy_bytes,
    create,
    digest_of_file,
    failed,
    open_pinned,
    publish,
    remove_quietly,
    version,
    write_all,
)
from .locations import Location
from .walking import describe, walk

_NOTHING = Attributes()
_NAME_BYTES, _PATH_BYTES = 255, 4095
_SCRATCH_BYTES = 64  # room that the temporary name may need beside its folder's path
_KNOWN_FOLDERS = 65_536


class LocalBody:
    """One open file, pinned to its version."""

    __slots__ = ("_fd", "_path", "_pinned", "attributes", "size")

    def __init__(self, path: str, pinned: str | None) -> None:
        self._path = path
        self._pinned = pinned or ""
        self._fd = -1
        self.size = 0
        self.attributes = _NOTHING

    def __enter__(self) -> LocalBody:
        try:
            self._fd, status = open_pinned(self._path, self._pinned or None)
        except OSError as error:
            raise failed(error, self._path) from None
        self._pinned, self.size = version(status), status.st_size
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read(self) -> bytes:
        return b"".join(self.chunks(max(self.size, 1)))

    def chunks(self, size: int) -> Iterator[bytes]:
        done = 0
        try:
            while done < self.size:
                data = _read_full(self._fd, min(size, self.size - done))
                if not data:
                    raise changed(self._path, self._pinned, os.fstat(self._fd))
                done += len(data)
                if done == self.size:  # before the last piece is handed out: its taker may publish at once
                    check_unchanged(self._fd, self._path, self._pinned)
                yield data
            check_unchanged(self._fd, self._path, self._pinned)
        except OSError as error:
            raise failed(error, self._path) from None


class LocalStore:
    """A folder of this machine. See the ``Store`` protocol for what each method promises."""

    capabilities = Capabilities(holds_attributes=False, remote=False, threads=2)

    def __init__(self, location: Location) -> None:
        self._location = location
        self._root = os.path.realpath(location.path or "/")
        self._base = self._root.rstrip("/") + "/"
        # Folders below the root that were seen to be no links; one lstat each instead of one an object.
        self._folders: set[str] = set()

    @property
    def location(self) -> Location:
        return self._location

    def probe(self) -> None:
        try:
            with os.scandir(self._root) as entries:
                next(entries, None)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"There is no folder {self._root!r}. Make it, or check the path.") from None
        except OSError as error:
            raise failed(error, self._root) from None

    def list(self) -> Iterator[list[ObjectInfo]]:
        return walk(self._root)

    def refusal(self, key: str) -> str | None:
        if not key or key[0] == "/" or key[-1] == "/" or "//" in key:
            return "a folder can't hold a key with an empty segment"
        if "\0" in key:
            return "a file name can't hold a NUL character"
        if "." in key and not {".", ".."}.isdisjoint(key.split("/")):
            return "a folder can't hold a key with a '.' or '..' segment"
        return None if len(key) < 60 and key.isascii() else self._too_long(key)

    def _too_long(self, key: str) -> str | None:
        try:
            names = key.encode("utf-8").split(b"/")
        except UnicodeEncodeError:
            return "the key is not Unicode text"
        if max(map(len, names)) > _NAME_BYTES:
            return f"a file name can't be longer than {_NAME_BYTES} bytes"
        folder = len(os.fsencode(self._base)) + sum(len(name) + 1 for name in names[:-1])
        if folder + max(len(names[-1]), _SCRATCH_BYTES) > _PATH_BYTES:
            return f"a path can't be longer than {_PATH_BYTES} bytes"
        return None

    def head(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        try:
            self._check_parent(key)
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise failed(error, path) from None
        return None if stat.S_ISDIR(status.st_mode) else describe(key, status)

    def open(self, key: str, pinned: str | None) -> LocalBody:
        path = self._path(key)
        try:
            self._check_parent(key)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"{path!r} is not there (any more).") from None
        except OSError as error:
            raise failed(error, path) from None
        return LocalBody(path, pinned)

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
        watch: Watch | None = None,
    ) -> Written:  # fmt: skip
        """Copy a file of another folder inside the kernel, with its permission bits and time.

        Both are read again and compared before the copy is shown; their XXH3-128 is the digest.
        ``watch`` is called now and then with the bytes that moved since, and may end it by raising.

        Raises
        ------
        SourceChanged
            If the source is, or becomes, another version than ``pinned``.
        AlreadyExists
            If something but ``before`` stands at the target.
        """
        with source.open(key, pinned) as body:
            return self._clone(body, target_key, before, scratch, watch)

    def discard(self, key: str, scratch: str) -> None:
        """Remove what a killed attempt left of its copy of ``key`` under the name ``scratch``."""
        folder, slash, _ = self._path(key).rpartition("/")
        remove_quietly(f"{folder}{slash}.{scratch}.part")

    def discard_torn(self, key: str, size: int, mtime: int | None) -> bool:
        """Remove a file that a power cut left shorter than it was, after its name and time were on the disk.

        Such a file has the time that it was given last of all, and fewer than its ``size`` bytes: a file
        system writes names down before the bytes behind them.
        """
        path = self._path(key)
        try:
            self._check_parent(key)
            status = os.lstat(path)
            torn = stat.S_ISREG(status.st_mode) and status.st_size < size and describe(key, status).mtime == mtime
            if torn:
                os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise failed(error, path) from None
        return torn

    def sync(self) -> None:
        try:
            _sync_filesystem(self._root)
        except FileNotFoundError:
            return  # nothing was put
        except OSError as error:
            raise failed(error, self._root) from None

    def _clone(self, body: LocalBody, key: str, before: str | None, scratch: str, watch: Watch | None) -> Written:
        final = self._path(key)
        try:
            temporary = self._make_parent(key) + f".{scratch}.part"
            target = create(temporary, 0o600)
            try:
                written = _fill_clone(body, target, watch)
                publish(temporary, final, before)
            except BaseException:
                remove_quietly(temporary)
                raise
        except OSError as error:
            raise failed(error, final, body.size) from None
        return written

    def _write(
        self, key: str, chunks: Iterable[bytes], size: int, before: str | None, mtime: int | None, scratch: str
    ) -> Written:
        final = self._path(key)
        try:
            temporary = self._make_parent(key) + f".{scratch}.part"
            target = create(temporary)
            try:
                written = _fill(target, chunks, size, mtime, final)
                publish(temporary, final, before)
            except BaseException:
                remove_quietly(temporary)
                raise
        except OSError as error:
            raise failed(error, final, size) from None
        return Written(written)

    def _path(self, key: str) -> str:
        reason = self.refusal(key)
        if reason:
            raise StoreError(f"{key!r} can't be kept in {self._root!r}: {reason}.")
        return self._base + key

    def _check_parent(self, key: str) -> None:
        folder, slash, _ = key.rpartition("/")
        if slash and folder not in self._folders:
            self._verify(folder, make=False)

    def _make_parent(self, key: str) -> str:
        folder, slash, _ = key.rpartition("/")
        if folder not in self._folders or not slash:
            self._verify(folder, make=True)
        return f"{self._base}{folder}/" if slash else self._base

    def _verify(self, folder: str, make: bool) -> None:
        # A link in the middle of a key could lead out of the root, to be read or written there.
        if make and "" not in self._folders:
            os.makedirs(self._root, exist_ok=True)
            self._folders.add("")
        at = self._base
        for name in folder.split("/") if folder else ():
            at += name
            _check_folder(at, make)
            at += "/"
        if len(self._folders) >= _KNOWN_FOLDERS:
            self._folders = {""}
        if folder:
            self._folders.add(folder)


def _check_folder(path: str, make: bool) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        if not make:
            raise
        try:
            os.mkdir(path)
            return
        except FileExistsError:  # another thread made it first, or something else stands there
            mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        raise Denied(f"{path!r} is a symbolic link and may lead elsewhere; it is not followed. Replace it by a folder.")
    if not stat.S_ISDIR(mode):
        if make:
            raise StoreError(f"{path!r} is a file, and a folder of that name is needed. Move it away.")
        raise NotADirectoryError(path)


def _read_full(fd: int, size: int) -> bytes:
    data = os.read(fd, size)
    if len(data) == size or not data:
        return data
    pieces, got = [data], len(data)
    while got < size and (more := os.read(fd, size - got)):
        pieces.append(more)
        got += len(more)
    return b"".join(pieces)


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


def _fill_clone(body: LocalBody, target: int, watch: Watch | None) -> Written:
    source, path, pinned = body._fd, body._path, body._pinned
    try:
        status = os.fstat(source)
        moved = copy_bytes(source, target, body.size, watch)
        digest = digest_of_file(source, body.size, watch)
        check_unchanged(source, path, pinned)
        if moved != body.size:
            raise SourceChanged(f"{path!r} gave {moved} of {body.size} bytes; it was not copied.")
        if digest_of_file(target, body.size, watch) != digest:
            raise StoreError(f"{path!r} was copied, and the copy does not hold the same bytes. Look at the disk.")
        os.fchmod(target, status.st_mode & 0o777)
        os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
        return Written(version(os.fstat(target)), digest)
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
