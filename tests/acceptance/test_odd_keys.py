"""Keys are bytes: what a store lists arrives under the very same key, or is refused in words before a byte moves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driving import command_here, command_json
from exact_s3 import ExactS3

import migrator as mg
from migrator.words import escape

PLAIN = [
    "a/b", "Case", "case", "caf\u00e9", "cafe\u0301", "with space", "trailing ", " leading", "a+b", "%41", "100%",
    "%zz", "a%2Fb", "q?x=1&y#z", "quote'\"<x>", "~tilde,(1)!*", "日本/語", "🦀", "\u202egnp", "-rf", "a\\b", "..x/y..",
    "trail.", "$HOME", "[1]{2}", "=1+1", "\u0085", "deep/" * 100 + "x",
]  # fmt: skip
# For a folder: markers become folders, and a file can't be where a folder is to be.
MARKERS = ["", "marker/", "marker/nested/"]
COLLIDING = ["a", "marker"]
FOR_BUCKETS = [
    "a//b", "//", "/lead", "x//", "./x", "a/../b", "..", "../../etc/passwd", "a/./b", "a/..", ".", "long/" + "x" * 256,
    "nul\0", "x" * 1019,
]  # fmt: skip
CONTROL = ["c\x01d", "t\tx", "new\nline", "cr\rx", "a\x7fb", "\x1b[31m", "\x10dcff"]


def body_of(key: str) -> bytes:
    return b"" if key in MARKERS else key.encode() * 2


@pytest.fixture
def exact() -> Iterator[ExactS3]:
    with ExactS3() as server:
        yield server


def fill(server: ExactS3) -> dict[str, bytes]:
    """By boto3, and what it can't send as it would have been kept."""
    client = server.client()
    bodies = {key: body_of(key) for key in PLAIN + MARKERS + COLLIDING + FOR_BUCKETS + CONTROL}
    for key, body in bodies.items():
        client.put_object(Bucket="b", Key=f"from/{key}", Body=body, ContentType="a/b", Metadata={"key": "v"})
    assert len(server.objects) == len(bodies)
    return bodies


def read_all(server: ExactS3, bucket: str, prefix: str) -> dict[str, bytes]:
    """Every object as boto3 lists and reads it."""
    return read_with(server.client(), bucket, prefix)


def read_with(client: Any, bucket: str, prefix: str) -> dict[str, bytes]:
    """The same by a client of boto3's."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    return {key[len(prefix) :]: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def options(server: ExactS3, side: str) -> list[str]:
    return [f"--{side}-option", f"endpoint={server.endpoint}", f"--{side}-option", "anonymous=true"]


def refused(run_id: str) -> dict[str, str]:
    items = command_here("items", run_id, "--format", "json").json
    return {item["key"]: item["error"] for item in items if item["status"] in ("refused", "failed")}


def test_every_key_is_the_same_in_another_bucket(exact: ExactS3) -> None:
    bodies = fill(exact)
    exact.page = 7
    with ExactS3() as other:
        way = ("copy", "s3://b/from", "s3://c/to", *options(exact, "source"), *options(other, "target"))
        seen = command_json(*way)
        assert (seen["status"], seen["copied"]) == ("completed", len(bodies))
        assert read_all(other, "c", "to/") == bodies
        assert {one.headers["x-amz-meta-key"] for one in other.objects.values()} == {"v"}
        before = len(other.written())
        again = command_json(*way)
        assert (again["status"], again["skipped"], again["copied"]) == ("completed", len(bodies), 0)
        assert len(other.written()) == before


def test_to_a_folder_each_key_arrives_or_is_refused_before_anything_is_written(exact: ExactS3, tmp_path: Path) -> None:
    bodies = fill(exact)
    target = tmp_path / "deep" / "target"
    plan = command_json("copy", "s3://b/from", target, *options(exact, "source"), "--dry-run")
    impossible = set(COLLIDING) | set(FOR_BUCKETS)
    assert set(refused(plan["id"])) == {key.replace("\0", "\x100000") for key in impossible}
    assert not target.exists()
    seen = command_json("apply", plan["id"], code=10)
    assert (seen["refused"], seen["failed"], seen["copied"]) == (len(impossible), 0, len(bodies) - len(impossible))
    carried = {key: body for key, body in bodies.items() if key not in impossible and key not in MARKERS}
    found = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found == carried
    assert (target / "marker/nested").is_dir()
    assert os.listdir(tmp_path / "deep") == ["target"]  # noqa: PTH208
    again = command_json("copy", "s3://b/from", target, *options(exact, "source"), code=10)
    assert (again["skipped"], again["refused"], again["copied"]) == (seen["copied"], len(impossible), 0)


def arrives_in_folder(source: str, target: Path, bodies: dict[str, bytes], *how: str) -> None:
    """Each key is a file of that name, or refused by name for what can't stand beside it or is no file's name."""
    meets = {key for key in COLLIDING if any(other.startswith(f"{key}/") for other in bodies)}
    impossible = {key for key in bodies if key in FOR_BUCKETS or key in meets}
    seen = command_json("copy", source, target, *how, code=10)
    assert (set(refused(seen["id"])), seen["failed"]) == ({escape(key) for key in impossible}, 0)
    found = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found == {key: body for key, body in bodies.items() if key not in impossible and key not in MARKERS}


# Mutation: leave the look at the source out of ServerCopies.copy_from: a key that it reads otherwise fails.
def test_a_server_that_would_tidy_keys_up_gets_none_of_those(
    exact: ExactS3, aws: Any, bucket: str, prefix: str, client: Any, tmp_path: Path
) -> None:
    """SeaweedFS keeps ``a//b`` as ``a/b``, ``a\\b`` too, and lists a marker's bytes no more: all else is the same
    there, in another prefix of it by its own copies, and in a folder.

    One at a time: where ``marker/nested/`` came before ``marker/`` there is a folder, and no marker is kept beside it.
    """
    bodies = fill(exact)
    exact.client().put_object(Bucket="b", Key="from/e/", Body=b"5")
    one, two = (f"s3://{bucket}/{prefix}/{name}" for name in ("one", "two"))
    del bodies["marker"]  # and its marker would be one
    how = ("--exclude", "marker", "--in-flight", "1")
    seen = command_json("copy", "s3://b/from", one, *how, *options(exact, "source"), code=10)
    failed = refused(seen["id"])
    others = {key for key, why in failed.items() if "does not keep a key with" not in why}
    assert others == {escape(key) for key in FOR_BUCKETS[-3:]}  # too long for it, or a NUL
    arrived = {key: body for key, body in bodies.items() if escape(key) not in failed}
    assert {"a//b", "a\\b", "/lead", "e/", "a/../b", ".."} <= set(failed)
    assert {*PLAIN, *MARKERS, *CONTROL} - {"a\\b", ""} <= set(arrived)
    assert client.head_object(Bucket=bucket, Key=f"{prefix}/one/")["ContentLength"] == len(
        arrived.pop("")
    )  # not listed
    assert read_with(client, bucket, f"{prefix}/one/") == arrived
    again = command_json("copy", one, two, *how[2:])
    assert (again["status"], again["copied"], refused(again["id"])) == ("completed", len(arrived), {})
    assert read_with(client, bucket, f"{prefix}/two/") == arrived
    arrives_in_folder(one, tmp_path / "to", arrived)


def test_tags_go_from_bucket_to_bucket_and_what_can_not_be_kept_is_a_loss(exact: ExactS3) -> None:
    exact.client().put_object(Bucket="b", Key="from/k", Body=b"1", Tagging="team=a%26b", CacheControl="no-store")
    exact.versioning = "Enabled"
    for tags, losses in (("kept", 0), ("ignored", 2)):
        with ExactS3(tags=tags, drops=("cache-control",) if losses else (), conditions="ignored") as other:
            way = ("copy", "s3://b/from", "s3://c/to", *options(exact, "source"), *options(other, "target"))
            plan = command_json(*way, "--dry-run")
            assert other.written() == []
            assert "Unknown until apply" in warnings(plan["id"])
            seen = command_json(*way)
            assert (seen["status"], seen["losses"]) == ("completed", losses)
            assert "older versions are not copied" in warnings(seen["id"])
            assert "If-None-Match is ignored" in warnings(seen["id"])
            assert list(other.objects) == ["c/to/k"]
            assert other.objects["c/to/k"].tags == ("" if losses else "team=a%26b")


def warnings(run_id: str) -> str:
    return " ".join(str(event.data) for event in mg.attach(run_id).events() if event.kind == "warning")


def test_names_that_are_no_text_go_from_folder_to_folder_only(exact: ExactS3, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    names = [b"lone\xff", b"d\xe9/x", b"\x10dcff", "caf\u00e9".encode(), "cafe\u0301".encode(), b"new\nline", b"a\\xff"]
    for name in names:
        path = os.fsencode(source) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(name)
    seen = command_json("copy", source, target)
    assert (seen["status"], seen["copied"]) == ("completed", len(names))
    for name in names:
        with open(os.fsencode(target) + b"/" + name, "rb") as file:  # noqa: PTH123
            assert file.read() == name
    items = {item["key"]: item for item in command_here("items", seen["id"], "--format", "json").json}
    assert '"key_bytes": "6c6f6e65ff"' in items["lone\x10dcff"]["detail"]
    assert command_json("copy", source, target)["skipped"] == len(names)
    sent = command_json("copy", source, "s3://b/to", *options(exact, "target"), code=10)
    assert (sent["copied"], sent["refused"]) == (len(names) - 2, 2)
    assert all("UTF-8" in why for why in refused(sent["id"]).values())
    expected = {name.decode(): name for name in names if name not in names[:2]}
    assert read_all(exact, "b", "to/") == expected
    assert {hashlib.md5(body).hexdigest() for body in expected.values()} == {
        one.etag.strip('"') for one in exact.objects.values()
    }
