"""Two buckets of two owners, neither of whom can see the other's: a copy between them has the keys of both."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from driving import SENTENCE, command_here, command_json, runs_recorded
from servers import OTHER_BUCKET, OTHER_KEY, OTHER_SECRET, OUR_BUCKET, OUR_KEY, OUR_SECRET, SeaweedFS

CONNECTION = """
[connections.{name}]
endpoint = "{endpoint}"
access_key_id_env = "{variable}_KEY"
secret_access_key_env = "{variable}_SECRET"
"""
BODIES = {"small": b"one", "deep/\u00e9": b"two", "large": b"0123456789abcdef" * (10 << 16), "empty": b""}
_numbers = itertools.count()


@pytest.fixture
def owners(s3: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SeaweedFS:
    """The server; each owner's keys are in the environment under the name of a connection."""
    keys = {"OURS_KEY": OUR_KEY, "OURS_SECRET": OUR_SECRET, "THEIRS_KEY": OTHER_KEY, "THEIRS_SECRET": OTHER_SECRET}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    names = (OUR_BUCKET, OTHER_BUCKET)
    tables = [CONNECTION.format(name=name, variable=name.upper(), endpoint=s3.endpoint) for name in names]
    (tmp_path / "migrator.toml").write_text("".join(tables))
    return s3


@pytest.fixture
def filled(owners: SeaweedFS) -> Iterator[str]:
    """A prefix of a test's own, with objects in the bucket of ours that the other owner can't read."""
    prefix = f"t{next(_numbers)}"
    for key, body in BODIES.items():
        owners.client(OUR_KEY, OUR_SECRET).put_object(Bucket=OUR_BUCKET, Key=f"{prefix}/{key}", Body=body)
    with pytest.raises(ClientError, match="AccessDenied"):
        owners.client(OTHER_KEY, OTHER_SECRET).get_object(Bucket=OUR_BUCKET, Key=f"{prefix}/small")
    with pytest.raises(ClientError, match="AccessDenied"):
        owners.client(OUR_KEY, OUR_SECRET).list_objects_v2(Bucket=OTHER_BUCKET)
    yield prefix
    owners.client().delete_object(Bucket=OTHER_BUCKET, Key=f"{prefix}/large")


# Mutation: leave "credentials" out of ServerCopies.can_copy_from, and the server is to copy what one owner can't read.
def test_a_copy_reads_as_one_owner_and_writes_as_the_other(owners: SeaweedFS, filled: str) -> None:
    seen = command_json("copy", f"ours://{OUR_BUCKET}/{filled}", f"theirs://{OTHER_BUCKET}/{filled}")
    assert (seen["status"], seen["copied"]) == ("completed", len(BODIES))
    theirs = owners.client(OTHER_KEY, OTHER_SECRET)
    read = {key: theirs.get_object(Bucket=OTHER_BUCKET, Key=f"{filled}/{key}")["Body"].read() for key in BODIES}
    assert read == BODIES
    items = command_here("items", seen["id"], "--format", "json").json
    assert {item["evidence"] for item in items} == {"server-hash"}


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("wrong", ["the other owner's", "nobody's"])
def test_wrong_keys_are_one_sentence_that_names_the_side(
    side: str, wrong: str, owners: SeaweedFS, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"source": "OURS", "target": "THEIRS"}
    keys = {"source": (OUR_KEY, OUR_SECRET), "target": (OTHER_KEY, OTHER_SECRET)}
    other = "target" if side == "source" else "source"
    key, secret = keys[other] if wrong == "the other owner's" else ("nobody", "hunter2hunter2")
    monkeypatch.setenv(f"{names[side]}_KEY", key)
    monkeypatch.setenv(f"{names[side]}_SECRET", secret)
    answer = command_here("copy", f"ours://{OUR_BUCKET}/{filled}", f"theirs://{OTHER_BUCKET}/{filled}")
    assert SENTENCE.fullmatch(answer.err), answer
    assert answer.err.startswith(f"Error: The {side}: ")
    assert f"{names[side]}_KEY" in answer.err
    assert f"{names[other]}_KEY" not in answer.err
    assert secret not in answer.err
    assert runs_recorded() == 0
