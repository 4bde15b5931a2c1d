"""The byte lane: obstore, told all that a variable could tell it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import obstore
from obstore.store import S3Store as ByteStore

from ..credentials import Keyring
from ..locations import Location

# For the whole of a request, which holds 1 MiB at most: a link that died without a word is given up then, and a slow
# one still gets it through. The native lane has a bound on each piece of a body instead.
TIMEOUT = "60s"


def open_lane(place: Location, keyring: Keyring) -> ByteStore:
    """A byte store that sends a request once: what may be tried again is for `Retries` to say."""
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
        settings["credential_provider"] = _credential_provider(keyring)
    retry: Any = {"max_retries": 0, "retry_timeout": timedelta(0)}
    client: Any = {"allow_http": bool(place.allow_http), "timeout": TIMEOUT, "connect_timeout": "5s"}
    return ByteStore(place.bucket, client_options=client, retry_config=retry, **settings)


def put(store: ByteStore, key: str, data: bytes, attributes: Any, mode: Any) -> str | None:
    """Write an object by one request; its ETag."""
    return obstore.put(store, key, data, attributes=attributes, mode=mode, use_multipart=False)["e_tag"]


def _credential_provider(keyring: Keyring) -> Callable[[], Mapping[str, Any]]:
    def keys() -> Mapping[str, Any]:
        found, _ = keyring.now()
        assert found is not None
        return {
            "access_key_id": found.access_key_id,
            "secret_access_key": found.secret_access_key,
            "token": found.token,
            "expires_at": found.expires_at,
        }

    return keys
