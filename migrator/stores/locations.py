"""Where objects lie: a place as data, safe to write down, since it names credentials and never holds them.

Plain values: pydantic reads and checks them where they come from people or a record. A hand gets them from its runner,
which has done so, and loads no pydantic, since that takes longer than all else that it needs.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..errors import BadInput
from .addresses import read
from .presets import Kind

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema, SchemaValidator

# What has to be known of a place before anything can be sent there.
_REACH = {
    "local": (), "memory": (), "s3": ("endpoint", "region", "addressing", "credentials"),
    "gs": ("endpoint", "credentials"), "az": ("endpoint", "account", "credentials"),
}  # fmt: skip
# What some fields look like, and how people are told.
_FORMS = {
    "storage_class": (r"[A-Z][A-Z0-9_]{1,63}", "capital letters, digits and '_', such as STANDARD_IA"),
    "kms_key": (r"[!-~]{1,2048}", "1 to 2,048 visible ASCII characters, a KMS key's name"),
    "billing_project": (r"[a-z0-9:.\-]{1,100}", "small letters, digits, ':', '.' and '-', a project's id"),
}


class _Read:
    """Has pydantic read what it is given, and refuse fields that it does not know."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        schema: Any = handler(source)
        # Under the name of the whole: else the second field of this type in a model would do without the reading.
        name = schema.pop("ref", None)
        return core_schema.no_info_before_validator_function(cls._read, schema, ref=name)

    @classmethod
    def _read(cls, given: Any) -> Any:
        # Before pydantic does: under a model of somebody else its message would repeat the value, maybe a secret.
        known = [field.name for field in fields(cls)]  # pyright: ignore[reportArgumentType]
        if isinstance(given, Mapping) and (unknown := sorted(set(map(str, given)) - set(known))):
            raise BadInput(f"A {cls.__name__.lower()} has no field {unknown[0]!r}; there are {', '.join(known)}.")
        return given


@dataclass(frozen=True, slots=True)
class Credentials(_Read):
    """Where credentials come from; the secret itself is read when it is needed and kept nowhere.

    ``env`` names environment variables, ``profile`` a profile of the AWS configuration files, ``file`` a JSON file
    of Google's, ``default`` is the own chain of boto3, google-auth or azure-identity, ``anonymous`` sends unsigned
    requests.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "hide_input_in_errors": True}

    source: Literal["env", "profile", "file", "default", "anonymous"]
    profile: str | None = None
    file: str | None = None
    access_key_id_env: str | None = None
    secret_access_key_env: str | None = None
    session_token_env: str | None = None
    token_env: str | None = None
    account_key_env: str | None = None
    sas_env: str | None = None


@dataclass(frozen=True, slots=True)
class Location(_Read):
    """A folder of a disk or of a bucket.

    Made from text (``Location.parse``, or wherever pydantic meets a string or a path), and made
    independent of environment and configuration by ``resolve``. Survives JSON both ways.

    Attributes
    ----------
    url : str
        The place as people see it.
    kind : str
        ``local``, ``s3``, ``gs`` (Google Cloud Storage), ``az`` (Azure Blob Storage) or ``memory``.
    path : str, optional
        The absolute path, when local. Links in it are followed when it is used, not before.
    bucket, prefix : str
        The bucket (Azure says container), and the prefix without a closing slash.
    connection : str, optional
        The named connection of the configuration file that it was given by.
    endpoint, region, addressing, allow_http, credentials
        How to reach the bucket; None where that is still to be resolved.
    account : str, optional
        The storage account, on Azure.
    storage_class, kms_key : str, optional
        What objects written here get: a storage class such as ``STANDARD_IA``, and the KMS key that encrypts them.
    requester_pays : bool
        Whether to agree that the one who asks pays.
    billing_project : str, optional
        The same of Google's, which wants to know the project that pays.
    """

    # In a form it is one field of text.
    __pydantic_config__: ClassVar = {
        "extra": "forbid",
        "hide_input_in_errors": True,
        "json_schema_extra": {"format": "place"},
    }

    url: str
    kind: Kind
    path: str | None = None
    bucket: str | None = None
    prefix: str = ""
    connection: str | None = None
    endpoint: str | None = None
    region: str | None = None
    addressing: Literal["path", "virtual"] | None = None
    allow_http: bool | None = None
    account: str | None = None
    credentials: Credentials | None = None
    storage_class: str | None = None
    kms_key: str | None = None
    requester_pays: bool = False
    billing_project: str | None = None

    def __post_init__(self) -> None:
        for name, (form, words) in _FORMS.items():
            if (given := getattr(self, name)) is not None and not re.fullmatch(form, given):
                raise BadInput(f"{name}= has {words}.")

    @classmethod
    def _read(cls, given: Any) -> Any:
        if isinstance(given, str | os.PathLike):
            return read(given, {})
        if isinstance(given, list | tuple):
            raise BadInput(f"{len(given)} places were given where one is meant; only a copy's source may be several.")
        if isinstance(given, Mapping) and "url" in given and "kind" not in given:
            options = {name: value for name, value in given.items() if name != "url"}
            return read(given["url"], options)
        return super(Location, cls)._read(given)

    @classmethod
    def parse(cls, text: str | os.PathLike[str] | Mapping[str, Any] | Location, **options: Any) -> Location:
        """Read a place from text, or from what a run's specification says of it.

        Parameters
        ----------
        text : str or path or mapping
            ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``, ``name://bucket/prefix``,
            ``memory://name/prefix``, ``file:///folder`` or a folder.
        **options
            ``endpoint``, ``region``, ``addressing`` (``path`` or ``virtual``), ``allow_http``, ``account``,
            ``profile``, ``credentials_file``, ``anonymous``, ``storage_class``, ``kms_key``, ``requester_pays``,
            ``billing_project``.

        Raises
        ------
        BadInput
            If it is no place, or holds a secret.
        """
        if isinstance(text, Location):
            return text
        from pydantic_core import ValidationError

        try:
            return _reader().validate_python(text if isinstance(text, Mapping) else read(text, options))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            said = first["msg"].replace("Input should be", "this should be")
            raise BadInput(f"A place can't be read: {'.'.join(map(str, first['loc']))}: {said}.") from None

    @classmethod
    def told(cls, values: Mapping[str, Any]) -> Location:
        """The place that another process has told by ``dataclasses.asdict``, and checked before."""
        credentials = values["credentials"]
        return cls(**{**values, "credentials": credentials and Credentials(**credentials)})

    @property
    def resolved(self) -> bool:
        """Whether nothing about it depends on the environment any more."""
        return None not in [getattr(self, name) for name in _REACH[self.kind]]

    @property
    def absent(self) -> bool:
        """Whether it is a folder that is not there (yet): to be read as empty, where that is no mistake."""
        return self.kind == "local" and not os.path.exists(self.path or "/")

    def resolve(self) -> Location:
        """The same place with all that configuration and environment decide written in."""
        from .resolving import resolve  # which makes locations: it stands above them

        return resolve(self)

    def identity(self) -> tuple[str, tuple[str, ...]]:
        """What makes it the same place under any spelling: a scope, and path segments in it."""
        if self.kind == "local":
            real = os.path.realpath(self.path or "/")
            return f"file|{socket.gethostname()}", tuple(part for part in real.split("/") if part)
        here = self.resolve()
        return f"{self.kind}|{here.endpoint or ''}|{here.bucket}", tuple(here.prefix.split("/")) if here.prefix else ()

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
            return replace(self, path=folder or "/", url=folder or "/"), name
        url = self.url.rstrip("/").removesuffix(name)
        return replace(self, prefix=folder, url=url), name

    def below(self, name: str) -> Location:
        """A place inside this one."""
        url = f"{self.url.rstrip('/')}/{name}"
        if self.kind == "local":
            return replace(self, path=url, url=url)
        return replace(self, prefix=f"{self.prefix}/{name}".lstrip("/"), url=f"{url}/")

    def needs(self) -> list[str]:
        """What a process must have to use it, resolved: ``env:NAME``, ``profile:NAME``, ``file:PATH``, our memory."""
        if self.kind == "memory":
            return [f"memory:{self.bucket}"]
        given = self.credentials
        if given is None or given.source in ("default", "anonymous"):
            return []
        if given.source == "env":
            names = [name for name in _NAMED if name.endswith("_env") and name != "session_token_env"]
            return [f"env:{name}" for field in names if (name := getattr(given, field))]
        name = given.profile or given.file
        return [f"{given.source}:{name}"] if name else []

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        """The address, and what it does not say."""
        shown = {"url", "kind", "path", "bucket", "prefix"}
        told = [(each.name, getattr(self, each.name), each.default) for each in fields(self) if each.name not in shown]
        options = "".join(f", {name}={value!r}" for name, value, default in told if value != default)
        return f"Location({self.url!r}{options})"


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


# The fields of credentials that name something, none of which is a secret itself.
_NAMED = tuple(field.name for field in fields(Credentials) if field.name != "source")


@cache
def _reader() -> SchemaValidator:
    from pydantic import TypeAdapter
    from pydantic_core import CoreConfig, SchemaValidator

    # An error says what is wrong, and never the value, which may be a secret.
    return SchemaValidator(TypeAdapter(Location).core_schema, CoreConfig(title="Location", hide_input_in_errors=True))
