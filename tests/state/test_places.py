"""SQLite is refused where it can't be safe, in one sentence with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.errors import StateError
from migrator.state import StateDB, places

# As Linux writes it: `a b` is a place with a space; two mounts at one place, of which the later counts.
LINES = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
31 22 0:45 / {0}/home rw,relatime shared:9 - {1} server:/home rw,vers=4.2
32 22 0:46 / {0}/a\\040b rw - nfs4 server:/ab rw
33 22 0:47 / {0}/home/local rw - xfs /dev/sdb1 rw
34 22 0:48 / {0}/over rw - ext4 /dev/sdc1 rw
35 22 0:49 / {0}/over rw - nfs server:/over rw
"""


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def make(kind: str) -> Path:
        for name in ("home/local", "a b", "over", "homely"):
            (tmp_path / name).mkdir(parents=True)
        (tmp_path / "mountinfo").write_text(LINES.format(tmp_path, kind))
        monkeypatch.setattr(places, "MOUNTS", tmp_path / "mountinfo")
        return tmp_path

    return make


# Mutation: leave refuse_network() out of StateDB._prepare_file.
@pytest.mark.parametrize("kind", ["nfs4", "nfs", "cifs", "smb3", "fuse.sshfs", "lustre", "gpfs", "9p", "fuse.s3fs"])
def test_a_network_file_system_is_refused_before_anything_is_made(mounts, kind: str) -> None:
    home = mounts(kind) / "home"
    with pytest.raises(StateError, match=r"network file system.*MIGRATOR_STATE.*/var/tmp/.*lost with the machine") as e:
        StateDB(f"sqlite:///{home}/.local/share/jupyter/migrator/state.db")
    assert f"({kind} at {home})" in str(e.value)
    assert sorted(one.name for one in home.iterdir()) == ["local"]


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "overlay", "fuse.gocryptfs", "zfs", "apfs"])
def test_a_local_one_is_taken(mounts, kind: str) -> None:
    StateDB(f"sqlite:///{mounts(kind)}/home/state.db").close()


# Mutation: compare mount points by their letters (`startswith`), or let the first of two win.
def test_the_innermost_mount_counts(mounts) -> None:
    root = mounts("nfs4")
    (root / "link").symlink_to(root / "home")
    found = {name: places.file_system(root / name / "state.db")[0] for name in
             ("home", "home/local", "homely", "a b", "over", "link", "not/yet/there")}  # fmt: skip
    assert found == {"home": "nfs4", "home/local": "xfs", "homely": "ext4", "a b": "nfs4", "over": "nfs",
                     "link": "nfs4", "not/yet/there": "ext4"}  # fmt: skip


def test_this_machine_is_read() -> None:
    assert places.file_system(Path("/proc/self"))[0] == "proc"
