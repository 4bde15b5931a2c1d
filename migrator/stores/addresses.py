"""Places as people write them, read into the fields of a location."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import BadInput
from ..options import option
from .connections import KNOWN, connection
from .endpoints import endpoint

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*):/{1,2}")
# Not the folders that they would name.
_SLIP = re.compile(r"(?:s3|gs|az|memory):(?!/)|(?:s3|gs|az)//", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*|\$root|\$web")
_STORAGE_CLASS = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
# An account by the address that Azure's portal shows.
_AZURE_HOST = re.compile(
    r"([a-z0-9]{3,24})\.blob\.(?:core\.windows\.net|core\.chinacloudapi\.cn|core\.usgovcloudapi\.net|storage\.azure\.net)"
)
KINDS = {"s3": "s3", "gs": "gs", "az": "az", "memory": "memory"}
_ANY = frozenset({"endpoint", "allow_http", "anonymous", "credentials", "storage_class"})
OPTIONS = {
    "s3": _ANY | {"region", "addressing", "profile", "kms_key", "requester_pays"},
    "gs": _ANY | {"credentials_file", "kms_key", "billing_project"},
    "az": _ANY | {"account"},
    "memory": frozenset(),
}
_KEY_PAIR = f"give {option('profile')} or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_WAYS = {
    "s3": _KEY_PAIR,
    "gs": f"give {option('credentials_file')} or set GOOGLE_APPLICATION_CREDENTIALS",
    "az": "set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN",
    "memory": "it needs none",
}


def read(text: str | os.PathLike[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a location, from what people wrote.

    Raises
    ------
    BadInput
        If it is no place, or holds a secret.
    """
    given = os.fspath(text)
    if not isinstance(given, str) or not given.strip():
        raise BadInput(f"A place can't be empty: give {KNOWN}.")
    if "\0" in given:
        raise BadInput("A place can't hold a NUL character.")
    if slip := _SLIP.match(given):
        name = slip[0].rstrip(":/")
        raise BadInput(
            f"{name} wants a colon and two slashes: write {name}://bucket/prefix. A folder of that name is "
            f"'./{slip[0]}…'."
        )
    if _WINDOWS.match(given):
        raise BadInput(f"{given!r} is a path of Windows: write it as it is here, such as /mnt/c/data; a folder of that "
                       f"name is {f'./{given}'!r}.")  # fmt: skip
    scheme = _SCHEME.match(given)
    name = scheme[1].lower() if scheme else ""
    if not scheme or name == "file":
        return _local_fields(given, bool(scheme), options)
    if name in ("http", "https"):
        return _web_fields(given, options)
    return _bucket_fields(name, given[scheme.end() :], options)


def _web_fields(given: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """A container of Azure's by the address that its portal shows; no other web address is a place."""
    parts = urlsplit(given)
    host = _AZURE_HOST.fullmatch(parts.netloc.lower())
    if not host or parts.scheme != "https":
        raise BadInput(
            f"An {parts.scheme}:// address is no place: write s3://, gs:// or az://bucket/prefix, and the server as "
            f"{option('endpoint')}."
        )
    if parts.query or parts.fragment:
        raise BadInput("Signed links are not places: take out '?' and what follows, and set AZURE_STORAGE_SAS_TOKEN.")
    rest = unquote(parts.path).strip("/")
    return _bucket_fields("az", rest, {"account": host[1], "endpoint": f"https://{host[0]}"} | dict(options))


def _local_fields(given: str, is_url: bool, options: Mapping[str, Any]) -> dict[str, Any]:
    if options:
        raise BadInput(f"A folder takes no {', '.join(sorted(options))}: those are for buckets.")
    if is_url:
        host, slash, rest = given.partition("://")[2].partition("/")
        if not given.lower().startswith("file://") or host not in ("", "localhost") or not slash:
            raise BadInput(f"{given!r} names no folder of this machine: write file:///folder or /folder.")
        given = "/" + unquote(rest)
    path = os.path.expanduser(given)
    if path.startswith("~"):
        who = given.partition("/")[0]
        raise BadInput(
            f"There is no user {who[1:]!r} here, whose home {who} would be; a folder of that name is './{who}'."
        )
    path = os.path.abspath(path)
    if "\0" in path:
        raise BadInput("A place can't hold a NUL character.")
    return {"url": path, "kind": "local", "path": path}


def _bucket_fields(scheme: str, rest: str, options: Mapping[str, Any]) -> dict[str, Any]:
    bucket, _, prefix = rest.partition("/")
    kind = KINDS.get(scheme)
    _refuse_secrets(scheme, kind or "s3", bucket, rest)
    if kind is None:
        kind = connection(scheme).kind  # a name that nobody defined is told at once, not when the run starts
    if not bucket:
        raise BadInput(f"{scheme}:// needs a bucket: write {scheme}://bucket/prefix.")
    if not _BUCKET.fullmatch(bucket):  # not repeated: the start of a key pair lands here, cut at its first '/'
        raise BadInput(f"What follows {scheme}:// is no bucket's name: it has letters, digits, '.', '-' and '_' only.")
    segments = prefix.removesuffix("/").split("/") if prefix else []
    if any(part in ("", ".", "..") for part in segments):
        raise BadInput(f"The prefix of {scheme}://{bucket}/{prefix} has an empty, '.' or '..' segment; remove it.")
    prefix = "/".join(segments)
    url = f"{scheme}://{bucket}/" + (f"{prefix}/" if prefix else "")
    named = None if scheme in KINDS else scheme
    return {"url": url, "kind": kind, "bucket": bucket, "prefix": prefix, "connection": named} | _options(kind, options)


def _refuse_secrets(scheme: str, kind: str, bucket: str, rest: str) -> None:
    # What is refused here may be a secret, so the message repeats none of it.
    if "@" in bucket:
        raise BadInput(
            f"A {scheme}:// address can't hold credentials: take out the part before '@', and {_WAYS[kind]}."
        )
    if "?" in rest:
        raise BadInput(
            f"A {scheme}:// address can't hold a query string: take out '?' and what follows. "
            f"Signed links are not places; {_WAYS[kind]} instead."
        )


def _options(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(options) - OPTIONS[kind]):
        known = ", ".join(sorted(OPTIONS[kind])) or "none"
        raise BadInput(f"A location of {kind}:// has no option {unknown[0]!r}; there are {known}.")
    fields = {name: value for name, value in options.items() if value is not None}
    profile, file = fields.pop("profile", None), fields.pop("credentials_file", None)
    anonymous = fields.pop("anonymous", False)
    if anonymous and (profile or file):
        raise BadInput("A location is either anonymous or uses a profile or a file: give one of the two.")
    if profile:
        fields["credentials"] = {"source": "profile", "profile": str(profile)}
    if file:
        fields["credentials"] = {"source": "file", "file": os.path.abspath(os.path.expanduser(str(file)))}
    if anonymous:
        fields["credentials"] = {"source": "anonymous"}
    if "storage_class" in fields:
        fields["storage_class"] = storage_class_named(str(fields["storage_class"]))
    if "endpoint" in fields:
        fields["endpoint"] = endpoint(str(fields["endpoint"]))
    return fields


def storage_class_named(given: str) -> str:
    name = given.upper().replace("-", "_")
    if not _STORAGE_CLASS.fullmatch(name):
        raise BadInput(f"{given!r} is no storage class; write one such as STANDARD_IA, or leave it out.")
    return name
