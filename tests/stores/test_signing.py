"""Signatures against the worked examples that AWS publishes, and against botocore."""

from __future__ import annotations

import hashlib
import weakref
from datetime import UTC, datetime

import pytest

from migrator.stores.credentials import Keys
from migrator.stores.locations import Location
from migrator.stores.native import Lane
from migrator.stores.signing import EMPTY, UNSIGNED, encode_path, encode_query, sign

KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
HOST = {"host": "example.amazonaws.com"}


@pytest.mark.parametrize(
    ("method", "query", "signature"),
    [
        ("GET", [], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", [], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            [("Param2", "value2"), ("Param1", "value1")],
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "get-vanilla-query-order-key-case"],
)
def test_the_published_vectors(method, query, signature):
    added = sign(
        KEYS, method, "/", encode_query(query), HOST, EMPTY, region="us-east-1", service="service", now=NOW
    )  # fmt: skip
    assert added["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )


# What one request of a second leaves for the next must not be of its own object. Mutations: fill the gaps of
# `canonical` in the order in which the headers came (`own` unsorted), or leave its percent signs as they are.
@pytest.mark.parametrize("key", ["a", "a b+c", "e\u0301/é", "a%2Fb", "a//b", "~'()*!", "q?x=1&y#z"])
def test_botocore_signs_the_same(key, monkeypatch):
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    keys = Keys(KEYS.access_key_id, KEYS.secret_access_key, "session/token")
    path, query = encode_path(f"/bucket/{key}"), encode_query([("uploads", ""), ("prefix", key)])
    headers = {"x-amz-meta-x": "  two   words ", "x-amz-meta-50%s": "%", "x-amz-copy-source": f"/b/{len(key)}"}
    headers |= {"x-amz-copy-source-if-match": f'"{path}"', "if-match": f'"{query}"'}
    request = AWSRequest("PUT", f"https://host.example{path}?{query}", headers=headers, data=b"body")
    signer = auth.S3SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key, keys.token), "s3", "eu-west-1")
    signer.add_auth(request)
    stamp = datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = sign(
        keys, "PUT", path, query, {"host": "host.example", **headers}, request.headers["X-Amz-Content-SHA256"],
        region="eu-west-1", service="s3", now=stamp,
    )  # fmt: skip
    assert ours["authorization"] == request.headers["Authorization"]


def test_keys_are_not_shown():
    assert "EXAMPLE" not in repr(KEYS)


# Mutations: leave `not self.aws` out of Lane._payload, or `self._scheme == "https"`.
@pytest.mark.parametrize(
    ("endpoint", "signed"),
    [
        ("https://s3.us-east-1.amazonaws.com", False),
        ("http://s3.us-east-1.amazonaws.com", True),
        ("http://127.0.0.1:9", False),
    ],
)
def test_a_body_is_signed_only_in_plain_text_and_for_aws(endpoint: str, signed: bool) -> None:
    lane = Lane(Location.parse("s3://b", endpoint=endpoint, allow_http=True, anonymous=True, region="us-east-1"))
    assert lane._payload(b"x") == (hashlib.sha256(b"x").hexdigest() if signed else UNSIGNED)
    assert lane._payload(b"") == EMPTY


# Mutation: give Retries `self._probe` in Lane.__init__, and only a collection of garbage closes them, in any order.
def test_a_lane_that_nobody_holds_is_gone_at_once_and_its_connections_with_it() -> None:
    lane = Lane(Location.parse("s3://b", endpoint="http://127.0.0.1:9", anonymous=True))
    seen = weakref.ref(lane._wire)
    del lane
    assert seen() is None
