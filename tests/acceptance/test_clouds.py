"""Google Cloud Storage and Azure Blob Storage: what is there afterwards is told by their own clients, not by ours."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from clouds import Azurite, FakeGCS
from driving import command_json
from exact_s3 import ExactS3
from test_odd_keys import arrives_in_folder, fill, options, refused
from trees import MIB, in_folder, unless_told

import migrator as mg
from migrator.words import escape

_numbers = itertools.count()


@pytest.fixture(scope="session")
def google_bucket(gcs: FakeGCS) -> str:
    return gcs.make_bucket("acceptance")


@pytest.fixture
def google(gcs: FakeGCS, google_bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix of its own for each test, and the variable that names the server."""
    for name, value in gcs.env().items():
        monkeypatch.setenv(name, value)
    return f"gs://{google_bucket}/a{next(_numbers)}"


@pytest.fixture
def exact() -> Iterator[ExactS3]:
    with ExactS3() as server:
        yield server


def lay(folder: Path) -> Path:
    for name, body in {
        "a.txt": b"a",
        "d/b.json": b"{}",
        "d/empty": b"",
        "large.bin": b"0123456789abcdef" * MIB,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def copied(source: object, target: object, **how: Any) -> mg.Run:
    run = mg.start(mg.CopyObjects(source, target, **how))
    run.wait(60, check=False)
    return run


def test_a_tree_goes_there_on_and_back_and_is_moved(
    gcs: FakeGCS, google: str, google_bucket: str, tmp_path: Path
) -> None:
    """Up, by the server's own copy to another prefix, down; skipped the second time; moved."""
    tree = lay(tmp_path / "in")
    bodies = {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    one, two = (f"{google.rpartition('/')[2]}/{name}/" for name in ("one", "two"))
    for source, target in (
        (tree, f"{google}/one"),
        (f"{google}/one", f"{google}/two"),
        (f"{google}/two", tmp_path / "out"),
    ):
        run = copied(source, target)
        assert run.snapshot().status == "completed"
        assert Counter(row["evidence"] for row in run.page(["copied"])) == Counter({"server-hash": len(bodies)})
    assert gcs.objects(google_bucket, one) == gcs.objects(google_bucket, two) == bodies
    assert gcs.client().bucket(google_bucket).get_blob(f"{two}d/b.json").content_type == "application/json"
    assert in_folder(tmp_path / "out") == in_folder(tree)
    again = copied(f"{google}/one", f"{google}/two")
    assert again.snapshot().skipped == len(bodies)
    verified = mg.start(mg.Verify(f"{google}/two", tmp_path / "out"))
    assert verified.wait(60).status == "completed"
    moved = mg.start(mg.DeleteSource.of(run))
    assert moved.wait(60).status == "completed"
    assert gcs.objects(google_bucket, two) == {}


def test_what_is_replaced_there_is_kept_and_can_be_restored(
    gcs: FakeGCS, google: str, google_bucket: str, tmp_path: Path
) -> None:
    prefix = f"{google.rpartition('/')[2]}/q/"
    gcs.client().bucket(google_bucket).blob(f"{prefix}a.txt").upload_from_string("theirs")
    (tmp_path / "a.txt").write_text("ours")
    run = copied(tmp_path, f"{google}/q", include=["a.txt"], overwrite="if-different")
    kept = f".migrator-quarantine/{run.id}/a.txt"
    assert unless_told(gcs.objects(google_bucket, prefix)) == {"a.txt": b"ours", kept: b"theirs"}
    assert run.kept().select("key", "digest").fetchall() == [("a.txt", f"md5:{hashlib.md5(b'theirs').hexdigest()}")]
    mg.restore(run).wait(60)
    assert gcs.objects(google_bucket, prefix)["a.txt"] == b"theirs"


def test_a_preflight_finds_all_well_and_leaves_nothing(
    gcs: FakeGCS, google: str, google_bucket: str, tmp_path: Path
) -> None:
    found = mg.preflight(lay(tmp_path / "in"), google)
    assert found.well, str(found)
    assert gcs.objects(google_bucket, google.rpartition("/")[2]) == {}
    missing = mg.preflight("gs://no-such-bucket/x", tmp_path / "out")
    assert not missing.well
    assert "no bucket 'no-such-bucket'" in str(missing)


def test_every_key_is_the_same_there_or_refused_before_a_byte_moves(
    exact: ExactS3, gcs: FakeGCS, google: str, google_bucket: str, tmp_path: Path
) -> None:
    bodies = fill(exact)
    seen = command_json("copy", "s3://b/from", f"{google}/keys", *options(exact, "source"), code=10)
    impossible = {key for key in bodies if "\n" in key or "\r" in key or len(key) > 1000}
    assert set(refused(seen["id"])) == impossible
    prefix = f"{google.rpartition('/')[2]}/keys/"
    arrived = {key: body for key, body in bodies.items() if key not in impossible}
    assert gcs.objects(google_bucket, prefix) == arrived
    arrives_in_folder(f"{google}/keys", tmp_path / "to", arrived)
    blob = next(iter(gcs.client().list_blobs(google_bucket, prefix=prefix + "a/b")))
    assert (blob.content_type, blob.metadata) == ("a/b", {"key": "v"})
    again = command_json("copy", "s3://b/from", f"{google}/keys", *options(exact, "source"), code=10)
    assert (again["copied"], again["skipped"]) == (0, len(bodies) - len(impossible))


def test_every_key_is_the_same_on_azure_or_refused_by_name(
    exact: ExactS3, azure: Azurite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """azurite lists no control characters and takes a backslash for a slash: what it would change is not written."""
    for name, value in azure.env().items():
        monkeypatch.setenv(name, value)
    bodies = fill(exact)
    there = f"az://{azure.make_bucket('keys')}/to"
    seen = command_json("copy", "s3://b/from", there, *options(exact, "source"), code=10)
    not_written = refused(seen["id"])
    assert all("does not keep a key with" in why or "longer than" in why for why in not_written.values())
    arrived = {key: body for key, body in bodies.items() if escape(key) not in not_written}
    assert azure.listed("keys", "to/") == {key: (len(body), md5(body).digest()) for key, body in arrived.items()}
    assert {"caf\u00e9", "cafe\u0301", "Case", "case", "trail.", "..x/y..", "%zz", "a%2Fb", "a/b", "a"} <= set(arrived)
    again = command_json("copy", "s3://b/from", there, *options(exact, "source"), code=10)
    assert (again["copied"], again["skipped"]) == (0, len(arrived))
    arrives_in_folder(there, tmp_path / "to", arrived)


def test_from_there_to_s3_with_what_each_object_carries(
    exact: ExactS3, gcs: FakeGCS, google: str, google_bucket: str
) -> None:
    blob = gcs.client().bucket(google_bucket).blob(f"{google.rpartition('/')[2]}/from/k")
    blob.metadata, blob.content_encoding, blob.cache_control = {"team": "a"}, "gzip", "no-store"
    blob.upload_from_string(b"no gzip at all", "text/x-own")
    seen = command_json("copy", f"{google}/from", "s3://c/to", *options(exact, "target"))
    assert (seen["status"], seen["losses"]) == ("completed", 0)
    stored = exact.objects["c/to/k"]
    assert stored.body == b"no gzip at all"
    sent = {
        name: stored.headers[name] for name in ("content-type", "content-encoding", "cache-control", "x-amz-meta-team")
    }
    assert list(sent.values()) == ["text/x-own", "gzip", "no-store", "a"]


def test_azure_takes_from_google_and_gives_to_a_folder(
    gcs: FakeGCS, azure: Azurite, google: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Folder to Google to Azure to folder, the large object in blocks; skipped the second time; replaced, and kept."""
    for name, value in azure.env().items():
        monkeypatch.setenv(name, value)
    there = f"az://{azure.make_bucket('acceptance')}/to"
    tree = lay(tmp_path / "in")
    bodies = {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert copied(tree, f"{google}/up").snapshot().status == "completed"
    run = copied(f"{google}/up", there)
    assert run.snapshot().status == "completed"
    assert Counter(row["evidence"] for row in run.page(["copied"])) == Counter({"server-hash": len(bodies)})
    assert azure.objects("acceptance", "to/") == bodies
    assert copied(f"{google}/up", there).snapshot().skipped == len(bodies)
    down = copied(there, tmp_path / "out")
    # What Azure says of an MD5 it may never have looked at, so the file is read again.
    assert Counter(row["evidence"] for row in down.page(["copied"])) == Counter({"re-read": len(bodies)})
    assert in_folder(tmp_path / "out") == in_folder(tree)
    (tree / "a.txt").write_text("newer")
    again = copied(tree, there, overwrite="if-different")
    kept = f".migrator-quarantine/{again.id}/a.txt"
    assert unless_told(azure.objects("acceptance", "to/")) == bodies | {"a.txt": b"newer", kept: b"a"}
    moved = mg.start(mg.DeleteSource.of(down))
    assert moved.wait(60, check=False).status == "partial"  # a.txt changed since
    assert set(unless_told(azure.objects("acceptance", "to/"))) == {"a.txt", kept}
