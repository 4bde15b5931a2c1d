# pydantic reads a place from text, and a resolved one has credentials: neither does the type checker know.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from migrator.errors import BadInput, ConfigError, Denied
from migrator.stores import Location, open_store, overlap, same_place


class Move(BaseModel):
    source: Location
    # Mutation: `ref=name` left out of the schema in locations.py, and a second place is not read from text.
    target: Location | None = None


def config(text: str) -> None:
    Path(os.environ["MIGRATOR_CONFIG"]).write_text(text)


@pytest.mark.parametrize(
    ("text", "url", "prefix"),
    [
        ("s3://b", "s3://b/", ""),
        ("s3://b/", "s3://b/", ""),
        ("s3://b/p/q/", "s3://b/p/q/", "p/q"),
        ("S3://b/a%2Fb c+d#e", "s3://b/a%2Fb c+d#e/", "a%2Fb c+d#e"),
    ],
)
def test_buckets_are_read(text, url, prefix):
    place = Location.parse(text)
    assert (str(place), place.kind, place.bucket, place.prefix) == (url, "s3", "b", prefix)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/a/../b/", "/b"),
        ("file:///a%20b", "/a b"),
        ("file://localhost/a", "/a"),
        ("~/x", "HOME/x"),
        ("rel", "CWD/rel"),
    ],
)
def test_folders_are_read(text, path, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    expected = path.replace("HOME", "/home/me").replace("CWD", str(tmp_path))
    assert Location.parse(text).path == str(Location.parse(text)) == expected
    assert Location.parse(text).resolved


@pytest.mark.parametrize(
    "text",
    ["", "  ", "s3://", "s3:///p", "s3://b//", "s3://b/a//c", "s3://b/../c", "s3://b/./c", "ftp://b/p", "http://h/b",
     "https://b.s3.amazonaws.com/k?X-Amz-Signature=HUSH", "s3://AKIA:HUSH@b/p", "s3://AKIA:HUSH/x@b/p", "s3://b/p?X-Amz-Signature=HUSH",
     "file://elsewhere/x", "a\0b", "file:///a%00b"],
)  # fmt: skip
def test_what_is_no_place_is_refused_in_a_sentence(text):
    with pytest.raises(BadInput) as caught:
        Location.parse(text)
    said = str(caught.value)
    assert "HUSH" not in said
    assert "AKIA" not in said
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize(
    "options",
    [{"endpoint": "ftp://h"}, {"endpoint": "h:9000"}, {"endpoint": "http://k:HUSH@h"}, {"endpoint": "http://h:x"},
     {"colour": "red"}, {"profile": "p", "anonymous": True}],
)  # fmt: skip
def test_bad_options_are_refused(options):
    with pytest.raises(BadInput) as caught:
        Location.parse("s3://b", **options)
    assert "HUSH" not in str(caught.value)


@pytest.mark.parametrize("options", [{"addressing": "HUSH"}, {"kms_key": "HUSH HUSH"}, {"billing_project": "HUSH"}])
def test_a_value_that_does_not_fit_is_not_repeated(options):
    # Mutations: `hide_input_in_errors` of the reader; the loop of `__post_init__`.
    scheme = "gs" if "billing_project" in options else "s3"
    with pytest.raises((BadInput, ValidationError), match=next(iter(options))) as caught:
        Location.parse(f"{scheme}://b", **options)
    assert "HUSH" not in str(caught.value)


def test_a_folder_takes_no_bucket_options():
    with pytest.raises(BadInput, match="for buckets"):
        Location.parse("/data", endpoint="http://127.0.0.1:1")


def test_pydantic_reads_text_paths_and_its_own_json(tmp_path):
    assert Move(source="s3://b/p").source == Location.parse("s3://b/p")
    assert Move(source=tmp_path).source.path == str(tmp_path)
    assert Move(source={"url": "s3://b", "region": "eu-west-1"}).source.region == "eu-west-1"
    assert Move(source="s3://b", target="s3://c/p").target == Location.parse("s3://c/p")
    move = Move(source=Location.parse("s3://b/p", profile="mine"))
    assert Move.model_validate_json(move.model_dump_json()) == move
    for hushed in ({"secret_access_key": "HUSH"}, {"credentials": {"source": "env", "secret": "HUSH"}}):
        for kind in ({}, {"kind": "s3"}):
            with pytest.raises(BadInput) as caught:
                Move(source={"url": "s3://b", **kind, **hushed})
            assert "HUSH" not in str(caught.value)


def test_aws_itself_is_the_default():
    here = Location.parse("s3://bbb/p", anonymous=True).resolve()
    assert (here.endpoint, here.region, here.addressing) == (
        "https://s3.us-east-1.amazonaws.com",
        "us-east-1",
        "virtual",
    )
    assert Location.parse("s3://b.c", anonymous=True).resolve().addressing == "path"
    assert Location.parse("s3://bbb").resolve().credentials.source == "default"


# Mutations: take `known(url)` out of `_check_name`, and another service's buckets are refused; take the line of
# us-east-1 out, and so is one of before 2018.
@pytest.mark.parametrize("name", ["Bad_Bucket", "data_lake", "ab", "raw-", "a..b", "10.0.0.1", "x" * 64])
def test_a_bucket_that_aws_can_not_have_is_told_before_any_credentials(name, monkeypatch):
    with pytest.raises(BadInput, match=f"no bucket named '{name}'"):
        Location.parse(f"s3://{name}/x", region="eu-west-1").resolve()
    assert Location.parse(f"s3://{name}", region="us-east-1", addressing="path").resolve().bucket == name
    there = Location.parse(f"s3://{name}", endpoint="https://minio.example.org", region="eu-west-1")
    assert there.resolve().bucket == name
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio.example.org")
    assert Location.parse(f"s3://{name}/x").resolve().bucket == name


def test_the_environment_is_written_in_once(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://plain.example")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://S3.example:443/")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDHUSH")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "HUSH")
    here = Location.parse("s3://bbb").resolve()
    assert (here.endpoint, here.region, here.addressing) == ("https://s3.example", "eu-west-1", "path")
    assert here.credentials.source == "env"
    assert "HUSH" not in str(asdict(here))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://other.example")
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert here.resolve() == here
    assert Location.parse(json.loads(json.dumps(asdict(here)))).resolve() == here
    assert Location.told(json.loads(json.dumps(asdict(here)))) == here


def test_an_option_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://env.example")
    monkeypatch.setenv("AWS_S3_ADDRESSING_STYLE", "virtual")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    given = Location.parse("s3://bbb", endpoint="https://mine.example", addressing="path", anonymous=True).resolve()
    assert (given.endpoint, given.addressing, given.credentials.source) == ("https://mine.example", "path", "anonymous")
    assert Location.parse("s3://bbb").resolve().addressing == "virtual"


def test_plain_http_wants_leave_except_on_this_machine(monkeypatch):
    assert Location.parse("s3://b", endpoint="http://127.0.0.1:9000", anonymous=True).resolve().allow_http
    assert Location.parse("s3://b", endpoint="http://[::1]:9000", anonymous=True).resolve().allow_http
    far = Location.parse("s3://b", endpoint="http://minio:9000", anonymous=True)
    with pytest.raises(BadInput, match="allow_http=True"):
        far.resolve()
    assert replace(far, allow_http=True).resolve().endpoint == "http://minio:9000"
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert far.resolve().allow_http
    monkeypatch.setenv("AWS_ALLOW_HTTP", "perhaps")
    with pytest.raises(ConfigError, match="AWS_ALLOW_HTTP"):
        far.resolve()


def test_a_named_connection(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://env.example")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    config(
        '[connections.lake]\nendpoint = "https://lake.example"\nregion = "eu-1"\n'
        'access_key_id_env = "LAKE_KEY"\nsecret_access_key_env = "LAKE_SECRET"\n[connections.plain]\n'
    )
    here = Location.parse("lake://raw/2026/").resolve()
    assert (str(here), here.endpoint, here.region) == ("lake://raw/2026/", "https://lake.example", "eu-1")
    assert here.credentials.access_key_id_env == "LAKE_KEY"
    assert Location.parse("plain://raw").resolve().endpoint == "https://s3.us-east-1.amazonaws.com"
    assert same_place(here, Location.parse("s3://raw/2026", endpoint="https://lake.example"))
    with pytest.raises(Denied, match="LAKE_KEY"):
        open_store(here).probe()


@pytest.mark.parametrize(
    "table",
    ['secret_access_key = "HUSH"', 'aws_secret_access_key = "HUSH"', "access_key_id = 'HUSH'", "endpont = 'HUSH'",
     "addressing = 'HUSH'", "access_key_id_env = 'A'", "profile = 'p'\nanonymous = true"],
)  # fmt: skip
def test_a_bad_connection_is_refused_without_repeating_it(table):
    config(f"[connections.lake]\n{table}\n")
    with pytest.raises(ConfigError, match=r"connections\.lake") as caught:
        Location.parse("lake://b").resolve()
    assert "HUSH" not in str(caught.value)
    if "access_key" in table and "_env" not in table:
        assert "name an environment variable" in str(caught.value)


def test_an_unknown_name_says_how_to_define_it():
    with pytest.raises(BadInput, match=r"\[connections\.lake\].*migrator\.toml"):
        Location.parse("lake://b/p")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("s3://bbb/p", "s3://bbb/p/", "same"),
        ("s3://bbb/p/q", "s3://bbb/p", "a inside b"),
        ("s3://bbb", "s3://bbb/p", "b inside a"),
        ("s3://bbb/p", "s3://bbb/pq", None),
        ("s3://bbb/pq", "s3://bbb/p", None),
        ("s3://bbb/p", "s3://ccc/p", None),
        ("/x/y", "/x", "a inside b"),
        ("/x", "/xy", None),
        ("/", "/x", "b inside a"),
        ("/b", "s3://bbb", None),
    ],
)
def test_overlap_goes_by_whole_segments(a, b, expected):
    options = {"anonymous": True}
    first, second = (Location.parse(t, **(options if t.startswith("s3") else {})) for t in (a, b))
    assert overlap(first, second) == expected


def test_overlap_sees_through_links_and_spellings(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    inside = Location.parse(tmp_path / "link" / "not" / "yet")
    assert overlap(inside, Location.parse(tmp_path / "real")) == "a inside b"
    one = Location.parse("s3://b", endpoint="https://H.example:443/", anonymous=True)
    assert same_place(one, Location.parse("s3://b/", endpoint="https://h.example", anonymous=True))


def test_importing_stores_loads_no_adapter():
    import subprocess
    import sys

    script = "import sys, migrator.stores; print({'obstore', 'boto3', 'botocore', 'urllib3'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert out.stdout.strip() == "set()"


def test_keys_in_an_address_are_answered_with_where_to_put_them():
    with pytest.raises(BadInput, match="profile="):
        Location.parse("s3://AKIA:HUSH@b/p")
