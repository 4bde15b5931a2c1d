"""Requests to Google's JSON interface. A key is one segment of the path there, so that no server tidies it up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from ...errors import Denied, MigratorError, PlaceGone, StoreError
from ...options import option
from ..answers import Met, Refusal
from ..locations import Location
from ..native import PROBE_S, READ_S, Answer, Lane
from ..signing import encode_query
from .credentials import provider

# What protects an object (JSON API, "HTTP status and error codes"); a hold is told as `forbidden`, and in words.
_PROTECTED, _HELD = frozenset({"retentionPolicyNotMet", "objectUnderActiveHold"}), "under active"


class GoogleLane(Lane):
    """Requests about one bucket, with a token. Shared by threads; their paths come from `bucket_path` and `path_of`."""

    provide = staticmethod(provider)

    def __init__(self, place: Location) -> None:
        super().__init__(place)
        self._always = {"x-goog-user-project": place.billing_project} if place.billing_project else {}
        self.bucket_path = f"/storage/v1/b/{quote(place.bucket or '', safe='')}"
        self.upload_path = f"/upload{self.bucket_path}/o"

    def path_of(self, key: str) -> str:
        """The path of an object, whole as in the bucket."""
        return f"{self.bucket_path}/o/{quote(key, safe='')}"

    def ask_json(
        self, method: str, path: str, query: Iterable[tuple[str, str]] = (), body: Any = None, *, read_s: float = READ_S
    ) -> dict[str, Any]:
        """Send a request about the bucket, whose answer is an object of JSON; raises Refusal for any other."""
        return read_json(self.send_json(method, path, query, body, read_s=read_s))

    def send_json(
        self, method: str, path: str, query: Iterable[tuple[str, str]] = (), body: Any = None, *,
        headers: Mapping[str, str] | None = None, read_s: float = READ_S,
    ) -> Answer:  # fmt: skip
        """The same, for the answer itself."""
        extra = dict(headers or {})
        data = b"" if body is None else json.dumps(body).encode()
        if data:
            extra["content-type"] = "application/json; charset=utf-8"
        return self.send(method, path, query, extra, data, read_s=read_s)

    def explain(self, refusal: Refusal, key: str | None = None) -> MigratorError:
        """Our error for a refusal; ``key`` as it stands in the bucket, or a path of ours, which is about the bucket."""
        about = None if (key or "").startswith(("/storage/", "/upload/")) else key
        if refusal.status == 404 and about is None:
            bucket, where = self.place.bucket, self.place.endpoint
            return PlaceGone(f"There is no bucket {bucket!r} at {where}; create it, or check the name and the account.")
        if "requester pays" in refusal.said.lower():
            return Denied(
                f"Who reads the bucket {self.place.bucket!r} pays for it: name the project by "
                f"{option('billing_project')}."
            )
        return super().explain(refusal, about)

    def met(self, refusal: Refusal) -> Met | None:
        if refusal.status == 403 and (refusal.code in _PROTECTED or _HELD in refusal.said):
            return "protected"
        if refusal.status == 409:  # a change of the same object that is under way
            return "passing"
        return "another" if refusal.status == 412 and refusal.code != "orgPolicyConstraintFailed" else None

    def with_query(self, path: str, query: Iterable[tuple[str, str]]) -> str:
        """A path for `open`, which takes no query of its own."""
        return f"{path}?{encode_query(query)}"

    def check_bucket(self) -> None:
        """Raises PlaceGone where there is no bucket."""
        self.ask("GET", f"{self.bucket_path}/o", [("maxResults", "1"), ("fields", "items(name)")])

    def _probe(self) -> None:
        below = f"{self.place.prefix}/" if self.place.prefix else ""
        query = [("maxResults", "1"), ("fields", "items(name)"), ("prefix", below)]
        with suppress(Refusal):
            self.send("GET", f"{self.bucket_path}/o", query, tries=1, read_s=PROBE_S)

    def _path(self, key: str | None) -> str:
        return key or self.bucket_path  # paths are given whole, and already encoded

    def _once(self, method: str, path: str, query: str, extra: Mapping[str, str], body: bytes, read_s: float) -> Answer:
        answer = super()._once(method, path, query, extra, body, read_s)
        # To an upload that is not whole yet: go on. Nothing else here is answered so.
        return answer._replace(status=202) if answer.status == 308 else answer

    def _signed(self, method: str, path: str, query: str, extra: Mapping[str, str], body: bytes) -> dict[str, str]:
        headers = {"host": self._host, **self._always, **extra}
        keys, _ = self.keyring.now()
        return headers | {"authorization": f"Bearer {keys.token}"} if keys else headers


def read_json(answer: Answer) -> dict[str, Any]:
    """The object of JSON that a server answered. Raises StoreError where it is none."""
    try:
        found = json.loads(answer.data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StoreError("The server did not answer as Google Cloud Storage does; check the endpoint.")
    return found
