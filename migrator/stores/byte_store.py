"""The byte lane: obstore, told all that a variable could tell it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from obstore.store import S3Store as ByteStore

from .credentials import provider
from .locations import Location


def byte_store(place: Location) -> ByteStore:
    # obstore reads AWS_* variables beside what it is given, and AWS_ENDPOINT_URL_S3 wins over
    # `endpoint`: so everything that a variable could say is said here.
    endpoint = place.endpoint or ""
    if place.addressing == "virtual":
        endpoint = endpoint.replace("://", f"://{place.bucket}.", 1)
    settings: dict[str, Any] = {
        "aws_endpoint_url_s3": endpoint, "endpoint": endpoint, "region": place.region, "conditional_put": "etag",
        "virtual_hosted_style_request": place.addressing == "virtual", "skip_signature": False,
    }  # fmt: skip
    anonymous = place.credentials is None or place.credentials.source == "anonymous"
    if anonymous:
        settings["skip_signature"] = True
    else:
        settings["credential_provider"] = _credential_provider(place)
    retry: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=120)}
    client: Any = {"allow_http": bool(place.allow_http), "timeout": "900s", "connect_timeout": "5s"}
    return ByteStore(place.bucket, client_options=client, retry_config=retry, **settings)


def _credential_provider(place: Location) -> Callable[[], Mapping[str, Any]]:
    assert place.credentials is not None
    fetch = provider(place.credentials)

    def keys() -> Mapping[str, Any]:
        found = fetch()
        assert found is not None
        return {
            "access_key_id": found.access_key_id,
            "secret_access_key": found.secret_access_key,
            "token": found.token,
            "expires_at": found.expires_at,
        }

    return keys
