"""What a folder can hold: which keys are file names, and which of them are one file to it."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

NAME_BYTES, PATH_BYTES = 255, 4095
SCRATCH_BYTES = 64  # room that the temporary name may need beside its folder's path
# File systems that keep the case of a name and find it under any other. Of the others some folders may (ext4, APFS).
_FOLDING = frozenset({"vfat", "msdos", "exfat", "hfsplus", "cifs", "smb3"})
_CASE_SENSITIVE = 11  # pathconf, macOS
_EXT4_FLAGS, _EXT4_FOLDS = 0x80086601, 0x40000000


class Folding(NamedTuple):
    """Whether names that differ only in case, or in Unicode form, are one name."""

    case: bool = False
    form: bool = False


def marks(key: str) -> bool:
    """Whether a key is a folder's marker; the one without a name is of the place itself."""
    return not key or key[-1] == "/"


def refusal(key: str, size: int, room: int) -> str | None:
    """Why a folder, whose path has ``room`` bytes with its slash, can't hold a key; None when it can.

    A key that ends with a slash is a folder's marker: it becomes that folder, if it holds nothing itself.
    """
    if marks(key):
        if size:
            return "a folder can't hold a key with a closing slash that has bytes"
        if not key:
            return None
        key = key[:-1]
    if not key or key[0] == "/" or key[-1] == "/" or "//" in key:
        return "a folder can't hold a key with an empty segment"
    if "\0" in key:
        return "a file name can't hold a NUL character"
    if "." in key and not {".", ".."}.isdisjoint(key.split("/")):
        return "a folder can't hold a key with a '.' or '..' segment"
    return None if len(key) < 60 and key.isascii() else _too_long(key, room)


def _too_long(key: str, room: int) -> str | None:
    try:
        # Lone bytes come back as what they were; macOS takes no name that is not UTF-8.
        names = key.encode("utf-8", "strict" if sys.platform == "darwin" else "surrogateescape").split(b"/")
    except UnicodeEncodeError:
        return "the key is not Unicode text"
    if max(map(len, names)) > NAME_BYTES:
        return f"a file name can't be longer than {NAME_BYTES} bytes"
    folder = room + sum(len(name) + 1 for name in names[:-1])
    if folder + max(len(names[-1]), SCRATCH_BYTES) > PATH_BYTES:
        return f"a path can't be longer than {PATH_BYTES} bytes"
    return None


def folding(path: str) -> Folding:
    """How names are told apart in a folder, or where it is to be made. Nothing is written to find out."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    if sys.platform == "darwin":
        return Folding(case=os.pathconf(path, _CASE_SENSITIVE) == 0, form=True)
    if _file_system(path) in _FOLDING:
        return Folding(case=True)
    folds = _folds_by_flag(path)
    return Folding(case=folds, form=folds)


def _file_system(path: str) -> str:
    """The kind of file system that a path is on, as Linux names it; nothing where it does not say."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                left, _, right = line.partition(" - ")
                if left.split()[2] == wanted:
                    return right.split()[0]
    except OSError:
        pass
    return ""


def _folds_by_flag(path: str) -> bool:
    """Whether a folder of ext4, f2fs or tmpfs was made to find names in any case and form."""
    import array
    import fcntl

    flags = array.array("l", [0])
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _EXT4_FLAGS, flags)
        return bool(flags[0] & _EXT4_FOLDS)
    except OSError:
        return False
    finally:
        os.close(fd)
