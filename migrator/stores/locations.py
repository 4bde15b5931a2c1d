"""Where objects lie: a place as data, safe to write down, since it names credentials and never holds them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from typing import Any, Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import BadInput

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*):/{1,2}")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*")
STORAGE_CLASS = r"^[A-Z][A-Z0-9_]{1,63}$"
KNOWN = "a folder (/data, ~/data, file:///data), s3://bucket/prefix, or name://bucket/prefix for a named connection"
OPTIONS = frozenset(
    {"endpoint", "region", "addressing", "allow_http", "profile", "anonymous", "credentials",
     "storage_class", "kms_key", "requester_pays"}
)  # fmt: skip


class Credentials(BaseModel):
    """Where credentials come from; the secret itself is read when it is needed and kept nowhere.

    ``env`` names environment variables, ``profile`` a profile of the AWS configuration files,
    ``default`` is boto3's own chain, ``anonymous`` sends unsigned requests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source: Literal["env", "profile", "default", "anonymous"]
    profile: str | None = None
    access_key_id_env: str | None = None
    secret_access_key_env: str | None = None
    session_token_env: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        _refuse_unknown(cls, given)
        return given


class Location(BaseModel):
    """A folder of a disk or of a bucket.

    Made from text (``Location.parse``, or wherever pydantic meets a string or a path), and made
    independent of environment and configuration by ``resolve``. Survives JSON both ways.

    Attributes
    ----------
    url : str
        The place as people see it.
    kind : str
        ``local`` or ``s3``.
    path : str, optional
        The absolute path, when local. Links in it are followed when it is used, not before.
    bucket, prefix : str
        The bucket, and the prefix without a closing slash.
    connection : str, optional
        The named connection of the configuration file that it was given by.
    endpoint, region, addressing, allow_http, credentials
        How to reach the bucket; None where that is still to be resolved.
    storage_class, kms_key : str, optional
        What objects written here get: a storage class such as ``STANDARD_IA``, and the KMS key that encrypts them.
    requester_pays : bool
        Whether to agree that the one who asks pays.
    """

    # In a form it is one field of text.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, json_schema_extra={"format": "place"}
    )

    url: str
    kind: Literal["local", "s3"]
    path: str | None = None
    bucket: str | None = None
    prefix: str = ""
    connection: str | None = None
    endpoint: str | None = None
    region: str | None = None
    addressing: Literal["path", "virtual"] | None = None
    allow_http: bool | None = None
    credentials: Credentials | None = None
    storage_class: str | None = Field(default=None, pattern=STORAGE_CLASS)
    kms_key: str | None = Field(default=None, min_length=1, max_length=2048, pattern=r"^[!-~]+$")
    requester_pays: bool = False

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        if isinstance(given, str | os.PathLike):
            return _fields(given, {})
        if isinstance(given, Mapping) and "url" in given and "kind" not in given:
            options = {name: value for name, value in given.items() if name != "url"}
            return _fields(given["url"], options)
        _refuse_unknown(cls, given)
        return given

    @classmethod
    def parse(cls, text: str | os.PathLike[str] | Location, **options: Any) -> Self:
        """Read a place from text.

        Parameters
        ----------
        text : str or path
            ``s3://bucket/prefix``, ``name://bucket/prefix``, ``file:///folder`` or a folder.
        **options
            ``endpoint``, ``region``, ``addressing`` (``path`` or ``virtual``), ``allow_http``,
            ``profile``, ``anonymous``, ``storage_class``, ``kms_key``, ``requester_pays``.

        Raises
        ------
        BadInput
            If it is no place, or holds a secret.
        """
        if isinstance(text, Location):
            return cls.model_validate(text)
        return cls.model_validate(_fields(text, options))

    @property
    def resolved(self) -> bool:
        """Whether nothing about it depends on the environment any more."""
        return self.kind == "local" or None not in (self.endpoint, self.region, self.addressing, self.credentials)

    def resolve(self) -> Location:
        """The same place with all that configuration and environment decide written in."""
        from .resolving import resolve

        return resolve(self)

    def identity(self) -> tuple[str, tuple[str, ...]]:
        """What makes it the same place under any spelling: a scope, and path segments in it."""
        if self.kind == "local":
            real = os.path.realpath(self.path or "/")
            return f"file|{socket.gethostname()}", tuple(part for part in real.split("/") if part)
        here = self.resolve()
        return f"s3|{here.endpoint}|{here.bucket}", tuple(here.prefix.split("/")) if here.prefix else ()

    def parent(self) -> tuple[Location, str]:
        """The folder that it lies in, and its name there: a single object as a place.

        Raises
        ------
        BadInput
            If it is a whole bucket or the root of a disk.
        """
        folder, _, name = (self.path or self.prefix).rpartition("/")
        if not name:
            raise BadInput(f"{self} is a whole {'disk' if self.kind == 'local' else 'bucket'}, not one object.")
        if self.kind == "local":
            return self.model_copy(update={"path": folder or "/", "url": folder or "/"}), name
        url = self.url.rstrip("/").removesuffix(name)
        return self.model_copy(update={"prefix": folder, "url": url}), name

    def below(self, name: str) -> Location:
        """A place inside this one."""
        url = f"{self.url.rstrip('/')}/{name}"
        if self.kind == "local":
            return self.model_copy(update={"path": url, "url": url})
        return self.model_copy(update={"prefix": f"{self.prefix}/{name}".lstrip("/"), "url": f"{url}/"})

    def needs(self) -> list[str]:
        """Where its credentials come from, resolved: ``env:NAME`` or ``profile:NAME``; nothing for a folder."""
        given = self.credentials
        if given is None:
            return []
        if given.source == "env":
            return [f"env:{name}" for name in (given.access_key_id_env, given.secret_access_key_env) if name]
        return [f"profile:{given.profile}"] if given.source == "profile" and given.profile else []

    def __str__(self) -> str:
        return self.url


def overlap(a: Location, b: Location) -> Literal["same", "a inside b", "b inside a"] | None:
    """How two places lie to each other, by whole path segments."""
    (scope_a, path_a), (scope_b, path_b) = a.identity(), b.identity()
    if scope_a != scope_b:
        return None
    if path_a == path_b:
        return "same"
    if path_a[: len(path_b)] == path_b:
        return "a inside b"
    return "b inside a" if path_b[: len(path_a)] == path_a else None


def same_place(a: Location, b: Location) -> bool:
    """Whether two locations are one place under two spellings."""
    return a.identity() == b.identity()


def _refuse_unknown(model: type[BaseModel], given: Any) -> None:
    # Before pydantic does: under a model of somebody else its message would repeat the value, maybe a secret.
    if isinstance(given, Mapping) and (unknown := sorted(set(map(str, given)) - set(model.model_fields))):
        raise BadInput(
            f"A {model.__name__.lower()} has no field {unknown[0]!r}; there are {', '.join(model.model_fields)}."
        )


def _fields(text: str | os.PathLike[str], options: Mapping[str, Any]) -> dict[str, Any]:
    given = os.fspath(text)
    if not isinstance(given, str) or not given.strip():
        raise BadInput(f"A place can't be empty: give {KNOWN}.")
    if "\0" in given:
        raise BadInput("A place can't hold a NUL character.")
    scheme = _SCHEME.match(given)
    name = scheme[1].lower() if scheme else ""
    if not scheme or name == "file":
        return _local_fields(given, bool(scheme), options)
    if name in ("http", "https"):
        raise BadInput(f"An {name}:// address is no place: write s3://bucket/prefix, and the server as endpoint=.")
    return _bucket_fields(name, given[scheme.end() :], options)


def _local_fields(given: str, is_url: bool, options: Mapping[str, Any]) -> dict[str, Any]:
    if options:
        raise BadInput(f"A folder takes no {', '.join(sorted(options))}: those are for buckets.")
    if is_url:
        host, slash, rest = given.partition("://")[2].partition("/")
        if not given.lower().startswith("file://") or host not in ("", "localhost") or not slash:
            raise BadInput(f"{given!r} names no folder of this machine: write file:///folder or /folder.")
        given = "/" + unquote(rest)
    path = os.path.abspath(os.path.expanduser(given))
    if "\0" in path:
        raise BadInput("A place can't hold a NUL character.")
    return {"url": path, "kind": "local", "path": path}


def _bucket_fields(scheme: str, rest: str, options: Mapping[str, Any]) -> dict[str, Any]:
    bucket, _, prefix = rest.partition("/")
    _refuse_secrets(scheme, bucket, rest)
    if scheme != "s3":
        from .resolving import connection

        connection(scheme)  # a name that nobody defined is told at once, not when the run starts
    if not bucket:
        raise BadInput(f"{scheme}:// needs a bucket: write {scheme}://bucket/prefix.")
    if not _BUCKET.fullmatch(bucket):  # not repeated: the start of a key pair lands here, cut at its first '/'
        raise BadInput(f"What follows {scheme}:// is no bucket's name: it has letters, digits, '.', '-' and '_' only.")
    segments = prefix.removesuffix("/").split("/") if prefix else []
    if any(part in ("", ".", "..") for part in segments):
        raise BadInput(f"The prefix of {scheme}://{bucket}/{prefix} has an empty, '.' or '..' segment; remove it.")
    prefix = "/".join(segments)
    url = f"{scheme}://{bucket}/" + (f"{prefix}/" if prefix else "")
    named = None if scheme == "s3" else scheme
    return {"url": url, "kind": "s3", "bucket": bucket, "prefix": prefix, "connection": named} | _options(options)


def _refuse_secrets(scheme: str, bucket: str, rest: str) -> None:
    # What is refused here may be a secret, so the message repeats none of it.
    if "@" in bucket:
        raise BadInput(
            f"A {scheme}:// address can't hold credentials: take out the part before '@', and give profile= "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if "?" in rest:
        raise BadInput(
            f"A {scheme}:// address can't hold a query string: take out '?' and what follows. "
            "Signed links are not places; give profile= or set AWS_* variables instead."
        )


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(options) - OPTIONS)
    if unknown:
        raise BadInput(f"A location has no option {unknown[0]!r}; there are {', '.join(sorted(OPTIONS))}.")
    fields = {name: value for name, value in options.items() if value is not None}
    profile, anonymous = fields.pop("profile", None), fields.pop("anonymous", False)
    if profile and anonymous:
        raise BadInput("A location is either anonymous or uses a profile: give one of the two.")
    if profile:
        fields["credentials"] = {"source": "profile", "profile": str(profile)}
    if anonymous:
        fields["credentials"] = {"source": "anonymous"}
    if "storage_class" in fields:
        fields["storage_class"] = storage_class_named(str(fields["storage_class"]))
    if "endpoint" in fields:
        from .resolving import endpoint

        fields["endpoint"] = endpoint(str(fields["endpoint"]))
    return fields


def storage_class_named(given: str) -> str:
    name = given.upper().replace("-", "_")
    if not re.fullmatch(STORAGE_CLASS, name):
        raise BadInput(f"{given!r} is no storage class; write one such as STANDARD_IA, or leave it out.")
    return name
