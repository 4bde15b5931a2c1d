"""A copy that any tool made is checked: what differs is found, all of it and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import command_here

import migrator as mg
from migrator.errors import BadInput
from migrator.migrations.sampling import Sampling, bound
from migrator.stores.digests import MIB, digests_of_parts, sizes_of_parts

NFC, NFD = "caf\u00e9.txt", "cafe\u0301.txt"


def lay(folder: Path, number: int) -> Path:
    for n in range(number):
        (folder / f"{n % 50}").mkdir(parents=True, exist_ok=True)
        (folder / f"{n % 50}" / f"{n}.txt").write_text(f"object {n} " * 4)
    return folder


def differences(run: mg.Run) -> dict[str, str]:
    found = run.items("failed").select("key", "error").fetchall()
    return {key: error.partition(":")[0] for key, error in found}


def verified(source: object, target: object, **how: Any) -> mg.Run:
    run = mg.start(mg.Verify(source, target, **how))
    run.wait(120, check=False)
    return run


# Mutations: let `_by_word` answer for two folders by size; leave the extras out of the join.
# 5,000 are copied by several processes.
@pytest.mark.parametrize("number", [5_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_one_flipped_byte_one_deletion_and_one_addition_among_thousands(
    number: int, tmp_path: Path, state: str
) -> None:
    source = lay(tmp_path / "in", number)
    for name in (NFC, NFD):
        (source / name).write_text("x")
    assert mg.start(mg.CopyObjects(source, tmp_path / "out")).wait(120).copied == number + 2
    run = verified(source, tmp_path / "out")
    assert (run.status, run.snapshot().skipped) == ("completed", number + 2)
    flipped = tmp_path / "out" / "7" / "7.txt"
    times = flipped.stat()
    flipped.write_bytes(b"X" + flipped.read_bytes()[1:])
    os.utime(flipped, ns=(times.st_atime_ns, times.st_mtime_ns))  # size and time are as they were
    (tmp_path / "out" / "8" / "8.txt").unlink()
    (tmp_path / "out" / "more.txt").write_text("more")
    (tmp_path / "out" / NFD).unlink()
    answer = command_here("verify", source, tmp_path / "out", "--sample", "1%")
    assert "  note  A sample of " in answer.err
    assert "--status failed` lists them." in answer.err
    assert answer.code == 10
    assert f"partial: {number - 1:,} the same, 4 different" in answer.err
    assert differences(mg.runs(1)[0]) == {
        "7/7.txt": "changed", "8/8.txt": "missing", "more.txt": "extra", NFD: "missing",
    }  # fmt: skip


def test_a_folder_against_a_bucket_goes_by_the_servers_hashes(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any, tmp_path: Path
) -> None:
    source = lay(tmp_path / "in", 40)
    (source / "large.bin").write_bytes(os.urandom(12 * MIB + 5))
    for path in source.rglob("*.txt"):
        key = f"{prefix}/copy/{path.relative_to(source)}"
        client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    _upload_in_parts(client, bucket, f"{prefix}/copy/large.bin", (source / "large.bin").read_bytes(), 5 * MIB)
    run = verified(source, place("copy"))
    assert run.status == "completed", differences(run)
    assert {e for (e,) in run.items().select("evidence").fetchall()} == {"server-hash"}
    client.put_object(Bucket=bucket, Key=f"{prefix}/copy/3/3.txt", Body=b"OBJECT 3 " * 4)
    assert differences(verified(source, place("copy"))) == {"3/3.txt": "changed"}


def _upload_in_parts(client: Any, bucket: str, key: str, data: bytes, part: int) -> None:
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = [
        {"PartNumber": n, "ETag": client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=n,
                                                     Body=data[at : at + part])["ETag"]}
        for n, at in enumerate(range(0, len(data), part), 1)
    ]  # fmt: skip
    client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


# Mutation: leave _attributes_differ out.
def test_stripped_metadata_is_found_where_it_is_asked_for(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any
) -> None:
    for name, meta in (("a", {"owner": "ann"}), ("b", {"owner": "bob"})):
        client.put_object(Bucket=bucket, Key=f"{prefix}/in/{name}", Body=b"1", Metadata=meta, ContentType="text/x-one")
        client.put_object(Bucket=bucket, Key=f"{prefix}/out/{name}", Body=b"1", ContentType="text/x-one",
                          Metadata=meta if name == "a" else {})  # fmt: skip
    assert verified(place("in"), place("out")).status == "completed"
    run = verified(place("in"), place("out"), metadata=True)
    assert differences(run) == {"b": "metadata"}
    [(error,)] = run.items("failed").select("error").fetchall()
    assert "meta owner 'bob' here, None there" in error


def test_two_buckets_whose_hashes_do_not_compare_are_told_by_size_only_unless_read(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any
) -> None:
    data = os.urandom(11 * MIB)
    _upload_in_parts(client, bucket, f"{prefix}/in/large", data, 5 * MIB)
    _upload_in_parts(client, bucket, f"{prefix}/out/large", data[:-1] + bytes([data[-1] ^ 1]), 8 * MIB)
    run = verified(place("in"), place("out"))
    assert run.items().select("status", "evidence").fetchall() == [("skipped", "size-only")]
    assert differences(verified(place("in"), place("out"), download=True)) == {"large": "changed"}


def test_a_sample_says_how_far_it_can_be_trusted(place: Callable[[str], str], prefix: str, tmp_path: Path) -> None:
    source = lay(tmp_path / "in", 300)
    mg.start(mg.CopyObjects(source, place("copy"))).wait(60)
    run = verified(source, place("copy"), sample="20%")
    counts = dict(run.items().aggregate("evidence, count(*)").fetchall())
    assert 30 < counts["re-read"] < 100
    assert counts["re-read"] + counts["server-hash"] == 300
    [said] = [event.data["text"] for event in run.events() if event.kind == "warning"]
    assert re.search(rf"A sample of {counts['re-read']} of 300 .* 95 % confidence fewer than \d\.\d\d% of", said)


def test_verify_writes_nothing(wayside: Any, place: Callable[[str], str], tmp_path: Path) -> None:
    mg.start(mg.CopyObjects(lay(tmp_path / "in", 20), place("copy"))).wait(60)
    wayside.methods.clear()
    run = verified(tmp_path / "in", place("copy"), sample=1.0, metadata=True)
    assert run.snapshot().skipped == 20
    assert set(wayside.methods) <= {"GET", "HEAD"}


def test_only_what_is_chosen_is_compared_and_what_is_excluded_is_no_extra(tmp_path: Path, state: str) -> None:
    for side in ("in", "out"):
        lay(tmp_path / side, 5)
    (tmp_path / "out" / "other.bin").write_text("not meant")
    (tmp_path / "in" / "big.txt").write_text("b" * 500)
    (tmp_path / "out" / "big.txt").write_text("b" * 5)
    assert verified(tmp_path / "in", tmp_path / "out", include="*.txt", max_size=100).status == "completed"
    assert differences(verified(tmp_path / "in", tmp_path / "out")) == {"other.bin": "extra", "big.txt": "changed"}


def test_a_renamed_copy_is_verified_under_its_new_names(tmp_path: Path, state: str) -> None:
    lay(tmp_path / "in", 30)
    how = {"flatten": True, "add_prefix": "all/"}
    mg.start(mg.CopyObjects(tmp_path / "in", tmp_path / "out", **how)).wait(60)
    assert verified(tmp_path / "in", tmp_path / "out", **how).status == "completed"
    assert verified(tmp_path / "in", tmp_path / "out").snapshot().failed == 60


@pytest.mark.parametrize("sample", ["many%", 0, 1.5, -0.1])
def test_a_share_that_is_none_is_told(sample: object) -> None:
    with pytest.raises((BadInput, ValueError), match=r"share|greater|less"):
        mg.Verify("/a", "/b", sample=sample)


def test_the_confidence_is_the_rule_of_three() -> None:
    assert bound(300) == pytest.approx(3 / 300, rel=0.01)
    sampling = Sampling(0.1)
    taken = sum(sampling.takes(f"key-{n}") for n in range(20_000))
    assert 1_800 < taken < 2_200


def test_the_parts_of_any_tool_are_guessed() -> None:
    data = os.urandom(21 * MIB + 17)
    import hashlib

    for part in (5 * MIB, 8 * MIB, 16 * MIB, 6 * MIB):
        pieces = [data[at : at + part] for at in range(0, len(data), part)]
        etag = hashlib.md5(b"".join(hashlib.md5(piece).digest() for piece in pieces)).hexdigest() + f"-{len(pieces)}"
        sizes = sizes_of_parts(len(data), etag)
        chunks = [data[at : at + MIB] for at in range(0, len(data), MIB)]
        assert etag in digests_of_parts(chunks, sizes), part
    assert sizes_of_parts(5, "not-an-etag") == []


def test_the_report_is_one_page_and_what_keys_say_is_text(tmp_path: Path, state: str) -> None:
    evil = "<img src=x onerror=alert(1)>|`*_.txt"
    for side, text in (("in", "1"), ("out", "22")):
        (tmp_path / side).mkdir()
        (tmp_path / side / evil).write_text(text)
    run = verified(tmp_path / "in", tmp_path / "out")
    page, told = command_here("report", run.id, "--format", "html").out, command_json_report(run.id)
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "changed: 2 bytes at the target, 1 at the source" in page
    assert told["run"]["plan_hash"] in page
    assert told["outcomes"] == [
        {"action": "changed", "reason": "… bytes at the target, … at the source", "status": "failed", "evidence": "",
         "items": 1, "bytes": 1}
    ]  # fmt: skip
    text = str(run.report())
    assert "&lt;img src=x onerror=alert(1)&gt;\\|\\`\\*\\_.txt" in text
    assert "**partial** · 1 different" in text
    assert "<table>" in run.report()._repr_html_()
    assert "<script" not in page


def command_json_report(run_id: str) -> Any:
    return command_here("report", run_id, "--format", "json").json


def test_the_map_tells_which_key_stands_under_which_name(tmp_path: Path, state: str) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    for name, text in (("a/x.csv", "1"), ("y.csv", "2")):
        (tmp_path / "in" / name).write_text(text)
    run = mg.start(mg.CopyObjects(tmp_path / "in", tmp_path / "out", rename="/", rename_to="-"))
    run.wait(60)
    assert run.key_map().select("key", "target_key").order("key").fetchall() == [
        ("a/x.csv", "a-x.csv"),
        ("y.csv", "y.csv"),
    ]
    assert command_here("map", run.id, "--format", "csv").out.splitlines()[1].startswith("a/x.csv,a-x.csv,copied")


# Mutation: let `_by_word` say size-only of two plain hashes that differ.
def test_two_buckets_with_hashes_that_differ_are_read_and_told_apart(
    place: Callable[[str], str], prefix: str, bucket: str, client: Any
) -> None:
    for side, data in (("in", b"one"), ("out", b"two")):
        client.put_object(Bucket=bucket, Key=f"{prefix}/{side}/a", Body=data)
        client.put_object(Bucket=bucket, Key=f"{prefix}/{side}/same", Body=b"same")
    run = verified(place("in"), place("out"))
    assert differences(run) == {"a": "changed"}
    assert run.items("skipped").select("key", "evidence").fetchall() == [("same", "listed")]
