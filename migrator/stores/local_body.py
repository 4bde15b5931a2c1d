"""A file of a folder as it is read: one version of it from its first byte to its last."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from ..errors import NotFound
from .base import Attributes
from .files import changed, check_unchanged, failed, open_pinned, version
from .folders import Folder

_NOTHING = Attributes()


class LocalBody:
    """One open file, pinned to its version."""

    checksum, sealed = None, False
    __slots__ = ("_folder", "_missing", "_name", "attributes", "fd", "path", "pinned", "size", "status")

    def __init__(
        self, folder: Folder, name: str, path: str, pinned: str | None, missing: Callable[[str], NotFound]
    ) -> None:
        self._folder, self._name, self.path, self._missing = folder, name, path, missing
        self.pinned = pinned or ""
        self.status: os.stat_result
        self.fd = -1
        self.size = 0
        self.attributes = _NOTHING

    def __enter__(self) -> LocalBody:
        try:
            self.fd, self.status = open_pinned(self._folder, self._name, self.path, self.pinned or None)
        except FileNotFoundError:
            raise self._missing(self.path) from None
        except OSError as error:
            raise failed(error, self.path) from None
        self.pinned, self.size = self.pinned or version(self.status), self.status.st_size
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def read(self) -> bytes:
        try:
            data = _read_full(self.fd, self.size)
            if len(data) != self.size:
                raise changed(self.path, self.pinned, os.fstat(self.fd))
            self.check_unchanged()
        except OSError as error:
            raise failed(error, self.path) from None
        return data

    def chunks(self, size: int) -> Iterator[bytes]:
        done = 0
        try:
            while done < self.size:
                data = _read_full(self.fd, min(size, self.size - done))
                if not data:
                    raise changed(self.path, self.pinned, os.fstat(self.fd))
                done += len(data)
                if done == self.size:  # before the last piece is handed out: its taker may publish at once
                    self.check_unchanged()
                yield data
            self.check_unchanged()
        except OSError as error:
            raise failed(error, self.path) from None

    def check_unchanged(self) -> None:
        check_unchanged(self.fd, self.path, self.status)


class MarkerBody:
    """A folder that is there, as the object of no bytes that marks it."""

    size = 0
    attributes = _NOTHING
    checksum, sealed = None, False

    def __enter__(self) -> MarkerBody:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def read(self) -> bytes:
        return b""

    def chunks(self, size: int) -> Iterator[bytes]:
        return iter(())


def _read_full(fd: int, size: int) -> bytes:
    data = os.read(fd, size)
    if len(data) == size or not data:
        return data
    pieces, got = [data], len(data)
    while got < size and (more := os.read(fd, size - got)):
        pieces.append(more)
        got += len(more)
    return b"".join(pieces)
