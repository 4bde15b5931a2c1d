"""Which process is that, and does it still live?

A pid is reused, so a process is known by host, boot, pid and its start time in clock ticks since
boot (``/proc/<pid>/stat`` field 22: no change of the wall clock moves it). A zombie is dead.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ..model import Identity

PROC = Path("/proc")


@cache
def host() -> str:
    return socket.gethostname()


@cache
def boot_id() -> str:
    """Which start of this machine, and which namespace of pids: in another one the same pid is another process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        import psutil

        return str(int(psutil.boot_time()))


def myself() -> Identity:
    """The identity of this process."""
    identity = identify(os.getpid())
    assert identity is not None
    return identity


def identify(pid: int) -> Identity | None:
    """The identity of a living process on this host; None if there is none, or only a zombie."""
    ticks = _start_ticks(pid)
    return Identity(host(), boot_id(), pid, ticks) if ticks is not None else None


def alive(process: Identity) -> bool | None:
    """Whether it lives; None when it is on another host, or in another container of this one, and
    can't be known from here."""
    if process.host != host():
        return None
    if process.boot_id != boot_id():
        same_boot = process.boot_id.partition("/")[0] == boot_id().partition("/")[0]
        return None if same_boot else False
    return identify(process.pid) == process


def stopped(process: Identity) -> bool:
    """Whether a living process of this host was stopped by a signal, and does nothing."""
    return alive(process) is True and _state(process.pid) in (b"T", b"t")


def send(process: Identity, number: signal.Signals) -> bool:
    """Signal a process, only if it is proven to be the one that is meant."""
    return _send(os.kill, process, number)


def send_group(process: Identity, number: signal.Signals) -> bool:
    """The same to its group: it leads a session of its own, so that is its children and nobody else."""
    return _send(os.killpg, process, number)


def _send(how: Callable[[int, int], None], process: Identity, number: signal.Signals) -> bool:
    if not alive(process):
        return False
    try:
        how(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def _start_ticks(pid: int) -> int | None:
    fields = _stat(pid)
    if fields is None:
        return None if PROC.joinpath("self").exists() else _start_time(pid)
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _state(pid: int) -> bytes:
    fields = _stat(pid)
    return fields[0] if fields else b""


def _stat(pid: int) -> list[bytes] | None:
    """``/proc/<pid>/stat`` from its third field on; None where there is no such process or file."""
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name is in brackets and may hold anything, brackets and spaces included.
    return stat[stat.rindex(b")") + 2 :].split()


def _start_time(pid: int) -> int | None:
    """Where there is no /proc (macOS): the start time in milliseconds."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time() * 1000)
    except psutil.Error:
        return None
