"""Named connections: how to reach a service, by the tables of the configuration file. Never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from .. import config
from ..errors import BadInput, ConfigError
from .presets import OTHERS, Kind, Name, Other

Addressing = Literal["path", "virtual"]
KNOWN = "a folder (/data, ~/data, file:///data), s3://bucket/prefix, or name://bucket/prefix for a named connection"
_SECRET_KEYS = ("secret_access_key", "access_key_id", "session_token", "secret", "password", "token", "key")


@dataclass(frozen=True, slots=True)
class Connection:
    """One ``[connections.NAME]`` table of the configuration file."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "hide_input_in_errors": True}

    preset: Name | Other | None = None
    account: str | None = None
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    addressing: Addressing | None = None
    allow_http: bool | None = None
    access_key_id_env: str | None = None
    secret_access_key_env: str | None = None
    session_token_env: str | None = None
    credentials_file: str | None = None
    token_env: str | None = None
    account_key_env: str | None = None
    sas_env: str | None = None
    anonymous: bool = False
    storage_class: str | None = None
    kms_key: str | None = None
    requester_pays: bool = False
    billing_project: str | None = None

    @property
    def kind(self) -> Kind:
        """The kind of the places that it names."""
        return OTHERS.get(self.preset or "", "s3")


def connection(name: str) -> Connection:
    """The named connection of the configuration file.

    Raises
    ------
    BadInput
        If there is none of that name.
    ConfigError
        If it can't be used as it stands there.
    """
    tables = config.read_config().get("connections", {})
    if not isinstance(tables, Mapping) or name not in tables:
        raise BadInput(
            f"{name}:// is not known here: give {KNOWN}. "
            f"A connection is defined by a [connections.{name}] table in {config.config_path()}."
        )
    table = tables[name]
    where = f"[connections.{name}] in {config.config_path()}"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} is not a table; write its settings as key = value lines below it.")
    _refuse_secrets(where, table)
    from pydantic import TypeAdapter, ValidationError  # slow to load, and few runs have a connection

    try:
        return TypeAdapter(Connection).validate_python(dict(table))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(field.name for field in fields(Connection))
        raise ConfigError(f"{where} can't be used: {key}: {first['msg']}. It may hold {known}.") from None


def _refuse_secrets(where: str, table: Mapping[str, Any]) -> None:
    for key in table:
        if str(key).lower().removeprefix("aws_") in _SECRET_KEYS:
            raise ConfigError(
                f"{where} has {key!r}, which looks like a secret: name an environment variable "
                "(access_key_id_env, secret_access_key_env) or a profile instead."
            )
