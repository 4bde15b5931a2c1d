"""Whether a bucket lets an object be uploaded in parts, and such an upload be given up: a policy may deny either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from ...errors import StoreError
from ..answers import Refusal
from ..native import Lane
from .multipart import complete, start
from .parts import Standing, send_parts
from .uploads import abort

BODY = b"trial"


def upload_trials(lane: Lane, key: str, extra: Mapping[str, str]) -> dict[str, Callable[[], None]]:
    """What is to be tried, by its name; each raises StoreError where it is not allowed, and leaves nothing.

    ``key`` is whole as in the bucket; ``extra`` headers go with what is begun there.
    """
    return {
        "upload in parts": lambda: _make(lane, key, extra),
        "giving up an upload": lambda: _give_up(lane, key, extra),
    }


def _make(lane: Lane, key: str, extra: Mapping[str, str]) -> None:
    standing = start(lane, key, extra)
    try:
        _finish(lane, key, standing)
    except StoreError as error:
        try:
            abort(lane, key, standing.upload_id)
        except StoreError:
            raise StoreError(f"{error} {_left(key)}") from None
        raise


def _give_up(lane: Lane, key: str, extra: Mapping[str, str]) -> None:
    standing = start(lane, key, extra)
    try:
        abort(lane, key, standing.upload_id)
    except StoreError as error:
        left = _left(key)
        with suppress(StoreError):  # what can't be given up can be completed, and deleted then
            _finish(lane, key, standing)
            left = ""
        raise StoreError(
            f"{error} What a run had sent of a large object that failed would stay there, and be paid for: allow "
            f"s3:AbortMultipartUpload. {left}".rstrip()
        ) from None


def _finish(lane: Lane, key: str, standing: Standing) -> None:
    """Make an object of the upload, and delete it with the version that it may be."""
    try:
        complete(lane, key, standing.upload_id, send_parts(lane, key, standing, [BODY], len(BODY)), {})
        version = lane.send("HEAD", key).headers.get("x-amz-version-id")
        lane.send("DELETE", key, [("versionId", version)] if version else ())
    except Refusal as refusal:
        raise lane.explain(refusal, key) from None


def _left(key: str) -> str:
    return f"An upload of {key!r}, begun for this trial, stays open: abort it."
