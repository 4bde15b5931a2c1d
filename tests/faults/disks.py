"""Disks to break and to fill: an ext4 image on a loop device, and a small tmpfs."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


class Disk:
    """A file system of its own, mounted at ``place``."""

    def __init__(self, image: Path, place: Path) -> None:
        self._image, self.place = image, place

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.place))

    def cut_power(self) -> None:
        """From here nothing reaches the disk, and what had not reached it is lost."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def umount(self) -> None:
        for _ in range(600):  # what was killed a moment ago may still hold files
            if subprocess.run(["umount", str(self.place)], capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError(f"{self.place} is held by {_holders(self.place)}")


@contextmanager
def ext4(folder: Path, size: int) -> Iterator[Disk]:
    """A fresh ext4 on a loop device; skips where there can be none."""
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir()
    try:
        with image.open("wb") as file:
            file.truncate(size)
        _run("mkfs.ext4", "-q", "-F", str(image))
        disk = Disk(image, place)
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no ext4 on a loop device can be had here: {_why(error)}")
    try:
        yield disk
    finally:
        _let_go(place)


@contextmanager
def tmpfs(place: Path, size: int) -> Iterator[Path]:
    """A small disk of memory; skips where nothing can be mounted."""
    place.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small tmpfs can be mounted here: {_why(error)}")
    try:
        yield place
    finally:
        _let_go(place)


def _let_go(place: Path) -> None:
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True)


def _holders(place: Path) -> list[str]:
    """Who has files open there: process, command and file."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if link.readlink().is_relative_to(place):
                words = (link.parents[1] / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(f"{link.parents[1].name} {words[:120]}: {link.readlink()}")
    return found


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


def _why(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return said.strip()
