from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.errors import AlreadyExists, Denied, DiskFull, NotFound, SourceChanged, StoreError, Unreachable
from migrator.stores import Attributes, names, open_store
from migrator.stores import files as files_module
from migrator.stores.files import failed

NONE = Attributes()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    return path


def put(store, key, data=b"data", before=None, mtime=None):
    return store.put(key, data, NONE, before=before, mtime=mtime, scratch="run-1").etag


def everything(store):
    return {info.key: info for page in store.list() for info in page}


def files_below(path):
    return sorted(os.path.join(base, name) for base, _, names in os.walk(path) for name in names)  # noqa: PTH118


def test_what_is_no_file_is_listed_with_its_reason(folder):
    (folder / "file").write_bytes(b"x")
    (folder / "link").symlink_to(folder / "file")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "folder-link").symlink_to(folder)
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "sock"))
        store = open_store(folder)
        found = everything(store)
    assert set(found) == {"file", "link", "dangling", "folder-link", "pipe", "sock"}
    assert store.empty_folders == 1
    assert found["file"].problem is None
    assert "symbolic link" in found["link"].problem
    assert "symbolic link" in found["folder-link"].problem
    assert "named pipe" in found["pipe"].problem
    assert "socket" in found["sock"].problem


def test_a_name_that_is_no_text_is_carried_byte_for_byte(folder, tmp_path):
    os.makedirs(os.fsencode(folder) + b"/d\xff")  # noqa: PTH103
    for name in (b"/\xe9.txt", b"/d\xff/inner"):
        with open(os.fsencode(folder) + name, "wb") as file:  # noqa: PTH123
            file.write(name)
    source, target = open_store(folder), open_store(tmp_path / "target")
    found = everything(source)
    assert set(found) == {"\udce9.txt", "d\udcff/inner"}
    for key, info in found.items():
        assert (info.problem, target.refusal(key)) == (None, None)
        target.clone(source, key, key, pinned=info.etag, before=None, scratch="run-1")
    base = os.fsencode(tmp_path / "target")
    for name in (b"/\xe9.txt", b"/d\xff/inner"):
        with open(base + name, "rb") as file:  # noqa: PTH123
            assert file.read() == name


def test_a_marker_becomes_the_folder_that_it_marks(folder):
    store = open_store(folder)
    for _ in range(2):  # one that is there is as good
        assert store.put("a/b/", b"", NONE, before=None, mtime=None, scratch="run-1").etag is None
    assert (folder / "a/b").is_dir()
    assert store.head("a/b/").size == 0
    assert (store.head("a/b"), store.head("a/c/")) == (None, None)
    with store.open("a/b/", None) as body:
        assert (body.size, body.read()) == (0, b"")
    assert "has bytes" in store.refusal("a/b/", 1)
    with pytest.raises(StoreError, match="has bytes"):
        put(store, "a/c/", b"x")
    assert everything(store) == {}
    (folder / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="is a file"):
        put(store, "file/", b"")


def test_a_link_that_takes_a_folders_place_meanwhile_leads_nowhere(folder, tmp_path):
    """Mutation: leave out O_NOFOLLOW in folders.py, or work by path, and this writes and reads outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "k").write_bytes(b"secret")
    store = open_store(folder)
    for name in ("held", "new"):
        put(store, f"{name}/sub/x")
        (folder / name).rename(tmp_path / f"moved-{name}")
        (folder / name).symlink_to(outside)
        (outside / "sub").mkdir(exist_ok=True)
    put(store, "held/sub/k")  # the folder that was opened once, wherever it is now
    assert os.listdir(outside / "sub") == []  # noqa: PTH208
    fresh = open_store(folder)
    for ask in (lambda: put(fresh, "new/sub/k"), lambda: fresh.head("new/k"), lambda: fresh.open("new/k", None)):
        with pytest.raises(Denied, match="symbolic link"):
            ask()
    assert sorted(os.listdir(outside)) == ["k", "sub"]  # noqa: PTH208
    assert {info.key for page in fresh.list() for info in page} == {"held", "new"}


def test_a_folder_that_was_made_again_is_the_one_that_is_written_to(folder, tmp_path):
    store = open_store(folder)
    put(store, "d/one")
    shutil.rmtree(folder)
    put(store, "d/two")
    assert files_below(folder) == [str(folder / "d/two")]


def test_more_folders_than_may_be_held_open(folder):
    store = open_store(folder)
    before = open_files()  # what the tests before this one still hold is not this store's
    for number in range(400):
        put(store, f"{number % 200}/deep/{number}")
    assert len(everything(store)) == 400
    assert open_files() - before < 250


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["..", ".", "", "a", "x\0", "etc", "..\\", "way", "\udcff", "/", "~", "\n"]), max_size=6)
)
def test_no_key_leaves_the_root(parts):
    with tempfile.TemporaryDirectory() as base:
        root = Path(base, "root")
        root.mkdir()
        (root / "way").symlink_to(base)
        store = open_store(root)
        with contextlib.suppress(StoreError):
            put(store, "/".join(parts), b"" if parts[-1:] == [""] else b"x")
        assert os.listdir(base) == ["root"]  # noqa: PTH208


def test_a_folder_tells_how_it_tells_names_apart(folder, monkeypatch):
    store = open_store(folder / "not" / "there")
    assert store.folding() == (False, False)
    monkeypatch.setattr(names, "_file_system", lambda _: "vfat")
    assert store.folding() == (True, False)
    monkeypatch.setattr(names, "_file_system", lambda _: "ext4")
    monkeypatch.setattr(names, "_folds_by_flag", lambda _: True)
    assert store.folding() == (True, True)


def test_a_missing_folder_is_said_and_made_by_a_put(tmp_path):
    store = open_store(tmp_path / "no" / "such")
    for ask in (store.probe, lambda: list(store.list())):
        with pytest.raises(NotFound, match="no folder"):
            ask()
    assert store.head("k") is None
    store.sync()
    put(store, "a/b", b"x")
    assert (tmp_path / "no/such/a/b").read_bytes() == b"x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder_is_an_error(folder):
    (folder / "closed").mkdir(mode=0)
    with pytest.raises(Denied, match="closed"):
        everything(open_store(folder))


def test_an_unreadable_folder_is_an_error_for_root_too(folder, monkeypatch):
    (folder / "closed").mkdir()
    real = os.open

    def opened(path, *args, **options):
        if path == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", opened)
    with pytest.raises(Denied, match="closed"):
        everything(open_store(folder))


def test_times_are_kept_to_the_millisecond(folder):
    store = open_store(folder)
    put(store, "k", mtime=1_700_000_000_123)
    assert everything(store)["k"].mtime == 1_700_000_000_123


def test_a_file_written_while_it_is_read_is_refused(folder):
    store = open_store(folder)
    etag = put(store, "k", b"x" * 100)
    with store.open("k", etag) as body:
        (folder / "k").write_bytes(b"y" * 120)
        with pytest.raises(SourceChanged, match="size 100 -> 120"):
            body.read()
    etag = store.head("k").etag
    with store.open("k", etag) as body:
        (folder / "k").write_bytes(b"y" * 90)
        with pytest.raises(SourceChanged, match="size 120 -> 90"):
            list(body.chunks(50))


def test_a_same_size_rewrite_is_noticed_by_its_time(folder):
    store = open_store(folder)
    etag = put(store, "k", b"old!", mtime=1_700_000_000_000)
    (folder / "k").write_bytes(b"new!")
    with pytest.raises(SourceChanged, match="mtime"), store.open("k", etag) as body:
        body.read()


def test_neither_reading_nor_writing_leaves_through_a_link(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"s")
    (folder / "way").symlink_to(outside)
    (folder / "file").symlink_to(outside / "secret")
    store = open_store(folder)
    with pytest.raises(Denied, match="symbolic link"):
        put(store, "way/new")
    for key in ("way/secret", "file"):
        with pytest.raises(Denied, match="symbolic link"), store.open(key, None):
            pass
    with pytest.raises(AlreadyExists):
        put(store, "file")
    assert os.listdir(outside) == ["secret"]  # noqa: PTH208


def test_a_file_in_the_place_of_a_folder(folder):
    store = open_store(folder)
    put(store, "a")
    with pytest.raises(StoreError, match="a folder of that name is needed"):
        put(store, "a/b")
    put(store, "d/x")
    with pytest.raises(AlreadyExists):
        put(store, "d")


def test_debris_of_a_killed_run_is_taken_over(folder):
    (folder / ".run-1.part").write_bytes(b"half of som")
    store = open_store(folder)
    put(store, "k", b"whole")
    assert files_below(folder) == [str(folder / "k")]


def test_without_hard_links_nothing_is_overwritten_either(folder, monkeypatch):
    def link(*_, **__):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(files_module.os, "link", link)
    store = open_store(folder)
    put(store, "k", b"first")
    with pytest.raises(AlreadyExists):
        put(store, "k", b"second")
    assert (folder / "k").read_bytes() == b"first"
    assert files_below(folder) == [str(folder / "k")]


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, DiskFull, "Disk full"),
        (errno.EDQUOT, DiskFull, "Disk full"),
        (errno.EACCES, Denied, "'/k'"),
        (errno.EROFS, Denied, "read-only"),
        (errno.ESTALE, Unreachable, "later"),
        (errno.EIO, StoreError, "'/k'"),
    ],
)
def test_the_system_speaks_our_errors(number, kind, words):
    error = failed(OSError(number, os.strerror(number)), "/k")
    assert type(error) is kind
    assert words in str(error)


def test_a_full_disk_leaves_nothing(folder, monkeypatch):
    def write(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    store = open_store(folder)
    monkeypatch.setattr(files_module.os, "write", write)
    with pytest.raises(StoreError, match="Disk full"):
        put(store, "k")
    monkeypatch.undo()
    assert files_below(folder) == []


def test_racing_creates_have_one_winner(folder):
    store = open_store(folder)
    won, lost = [], []

    def race(number):
        try:
            store.put("sub/k", b"%d" % number, NONE, before=None, mtime=None, scratch=f"run-{number}")
            won.append(number)
        except AlreadyExists:
            lost.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 15)
    assert (folder / "sub/k").read_bytes() == b"%d" % won[0]
    assert files_below(folder) == [str(folder / "sub/k")]


@pytest.fixture(params=["in the kernel", "by sendfile", "by hand"])
def way(request, monkeypatch):
    def cannot(*_):
        raise OSError(errno.EXDEV, "across devices")

    if request.param != "in the kernel":
        monkeypatch.setattr(files_module.os, "copy_file_range", cannot, raising=False)
    if request.param == "by hand":
        monkeypatch.setattr(files_module.os, "sendfile", cannot)


@pytest.mark.parametrize("size", [0, 1, 3 << 20])
def test_a_clone_keeps_bytes_mode_and_time(folder, tmp_path, way, size):
    data = os.urandom(size)
    (folder / "k").write_bytes(data)
    os.chmod(folder / "k", 0o640)  # noqa: PTH101
    os.utime(folder / "k", ns=(1, 1_700_000_000_123_456_789))
    source, target = open_store(folder), open_store(tmp_path / "target")
    etag = source.head("k").etag
    written = target.clone(source, "k", "sub/k2", pinned=etag, before=None, scratch="run-1")
    copied = tmp_path / "target/sub/k2"
    assert copied.read_bytes() == data
    assert (copied.stat().st_mode & 0o7777, copied.stat().st_mtime_ns) == (0o640, 1_700_000_000_123_456_789)
    assert written.etag == target.head("sub/k2").etag
    with pytest.raises(AlreadyExists):
        target.clone(source, "k", "sub/k2", pinned=etag, before=None, scratch="run-1")
    assert files_below(tmp_path / "target") == [str(copied)]


# Mutation: copy it as one stretch, and it has as many blocks as bytes; leave out the truncation, and it is refused;
# tell nothing between two stretches, and a file of many short ones can't be cancelled.
def test_holes_of_a_file_stay_holes(folder, tmp_path, way):
    with (folder / "k").open("wb") as file:
        for start in (1 << 20, 9 << 20):
            file.seek(start)
            file.write(os.urandom(5000))
        file.truncate(16 << 20)
    if (folder / "k").stat().st_blocks > 1000:
        pytest.skip("this filesystem keeps no holes")
    source, target = open_store(folder), open_store(tmp_path / "target")
    moved = []
    target.clone(source, "k", "k", pinned=None, before=None, scratch="run-1", watch=moved.append)
    copied = tmp_path / "target/k"
    assert copied.read_bytes() == (folder / "k").read_bytes()
    assert 5000 <= sum(moved) <= 20_000
    assert copied.stat().st_blocks <= (folder / "k").stat().st_blocks + 64


BOTH_WAYS = pytest.mark.parametrize(("size", "call"), [(100, "read"), (1 << 20, "copy_file_range")])


# Mutations: leave `check_unchanged` out of LocalBody.read, or of clones._fill_large.
@BOTH_WAYS
def test_a_clone_of_another_version_is_refused(folder, tmp_path, monkeypatch, size, call):
    source, target = open_store(folder), open_store(tmp_path / "target")
    etag = put(source, "k", b"x" * size)
    real = getattr(os, call)

    def grow(*args):
        moved = real(*args)
        with open(folder / "k", "ab") as file:  # noqa: PTH123
            file.write(b"more")
        return moved

    monkeypatch.setattr(os, call, grow)
    with pytest.raises(SourceChanged, match=f"size {size} -> {size + 4}"):
        target.clone(source, "k", "k", pinned=etag, before=None, scratch="run-1")
    with pytest.raises(SourceChanged):
        target.clone(source, "k", "k", pinned=etag, before=None, scratch="run-1")
    assert files_below(tmp_path / "target") == []


# Mutations: leave either comparison out of clones.py.
@BOTH_WAYS
def test_a_clone_that_holds_other_bytes_is_not_shown(folder, tmp_path, monkeypatch, size, call):
    source, target = open_store(folder), open_store(tmp_path / "target")
    put(source, "k", b"x" * size)
    call = {"read": "write"}.get(call, call)
    real = getattr(os, call)

    def damage(*args):
        done = real(*args)
        os.pwrite(args[0] if call == "write" else args[1], b"y", size // 2)
        return done

    monkeypatch.setattr(os, call, damage)
    with pytest.raises(StoreError, match="does not hold the same bytes"):
        target.clone(source, "k", "k", pinned=None, before=None, scratch="run-1")
    assert files_below(tmp_path / "target") == []


# Mutation: leave out fchmod in clones.py.
def test_a_clone_has_permissions_that_new_files_are_not_given(folder, tmp_path):
    source, target = open_store(folder), open_store(tmp_path / "target")
    put(source, "k")
    before = os.umask(0o077)
    try:
        for mode in (0o777, 0o400, 0o000):
            os.chmod(folder / "k", mode)  # noqa: PTH101
            target.clone(source, "k", f"{mode:o}", pinned=None, before=None, scratch="run-1")
            assert (tmp_path / "target" / f"{mode:o}").stat().st_mode & 0o7777 == mode
    finally:
        os.umask(before)


# Mutation: leave has_holes out of fill_clone.
def test_holes_of_a_small_file_stay_holes(folder, tmp_path):
    with (folder / "k").open("wb") as file:
        file.truncate(100_000)
        file.write(b"x")
    if (folder / "k").stat().st_blocks > 100:
        pytest.skip("this filesystem keeps no holes")
    open_store(tmp_path).clone(open_store(folder), "k", "copy", pinned=None, before=None, scratch="run-1")
    assert (tmp_path / "copy").read_bytes() == (folder / "k").read_bytes()
    assert (tmp_path / "copy").stat().st_blocks <= 16


def test_a_long_path_is_refused_before_it_is_tried(folder):
    store = open_store(folder)
    assert store.refusal("é" * 127) is None
    assert "255 bytes" in store.refusal("é" * 128)
    assert "4095 bytes" in store.refusal("/".join(["x" * 200] * 21))
    deep = "/".join(["x" * 200] * 19)
    assert store.refusal(deep) is None
    put(store, deep)
