"""On what kind of file system a file lies. SQLite's write-ahead log needs memory that all its processes share."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import StateError

MOUNTS = Path("/proc/self/mountinfo")  # Linux; elsewhere nothing is known, and nothing refused
NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fhgfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb", "smb2", "smb3", "smbfs", "wekafs",
}  # fmt: skip
# Of FUSE only those that reach over a network; encrypted and overlaid folders are local.
FUSE = {
    "alluxio", "blobfuse", "blobfuse2", "ceph", "davfs2", "gcsfuse", "glusterfs", "goofys", "juicefs", "mount-s3",
    "rclone", "s3fs", "seaweedfs", "smbnetfs", "sshfs",
}  # fmt: skip


def refuse_network(path: Path) -> None:
    """Raise StateError if a state DB at this path would lie on a network file system."""
    kind, mount = file_system(path)
    if kind in NETWORK or (kind.startswith("fuse.") and kind.removeprefix("fuse.") in FUSE):
        raise StateError(
            f"The state DB {path} lies on a network file system ({kind} at {mount}), where SQLite can't keep it safe. "
            "Set MIGRATOR_STATE to a database server (postgresql://…), or to a file on a local disk such as "
            f"{_local()} (lost with the machine)."
        )


def file_system(path: Path) -> tuple[str, str]:
    """The kind of file system that a path lies on or would, and where it is mounted; two empty words if unknown."""
    place = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists()).resolve()
    best = ("", "")
    for kind, mount in _mounts():
        # Of two mounts at one place the later one covers the other.
        if place.is_relative_to(mount) and len(mount) >= len(best[1]):
            best = (kind, mount)
    return best


def _mounts() -> list[tuple[str, str]]:
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    halves = [line.partition(" - ") for line in lines]
    return [(after.split()[0], _plain(before.split()[4])) for before, _, after in halves if after]


def _plain(text: str) -> str:
    """Spaces and the like are octal there."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _local() -> str:
    return f"/var/tmp/migrator-{os.getuid()}/state.db"  # noqa: S108 - proposed, not used; the folder is made private
