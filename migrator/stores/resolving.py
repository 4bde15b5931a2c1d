"""What environment and configuration decide about a bucket, written into its location once."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from .. import config
from ..errors import BadInput, ConfigError
from .addresses import KNOWN, storage_class_named
from .locations import Credentials, Kind, Location
from .presets import ANY, OTHERS, PRESETS, Name, Other, endpoint_of

Addressing = Literal["path", "virtual"]
_SECRET_KEYS = ("secret_access_key", "access_key_id", "session_token", "secret", "password", "token", "key")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


class Connection(BaseModel):
    """One ``[connections.NAME]`` table of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

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

    @property
    def kind(self) -> Kind:
        """The kind of the places that it names."""
        return OTHERS.get(self.preset or "", "s3")


def resolve(location: Location) -> Location:
    """The location with endpoint, region, addressing and source of credentials written in.

    An option given with the location wins over its named connection, and that over ``AWS_*``
    variables. A named connection takes no endpoint from the environment: it is complete.
    """
    if location.resolved:
        return location
    if location.kind == "gs":
        from .gcs.place import resolve as resolve_google

        return resolve_google(location)
    if location.kind == "az":
        from .azure.place import resolve as resolve_azure

        return resolve_azure(location)
    return _resolve_s3(location)


def _resolve_s3(location: Location) -> Location:
    named = connection(location.connection) if location.connection else Connection()
    credentials = location.credentials or _named_credentials(location.connection, named) or _usual_credentials()
    profile = _profile_settings(credentials.profile) if credentials.source == "profile" else {}
    region = location.region or named.region or _first("AWS_REGION", "AWS_DEFAULT_REGION") or profile.get("region")
    preset = PRESETS.get(named.preset or "", ANY)
    region = preset.region if preset.region and not (location.region or named.region) else region
    given = location.endpoint or named.endpoint
    if given is None and named.preset and named.preset in PRESETS:
        own_region = location.region or named.region or preset.region
        given = endpoint_of(named.preset, f"[connections.{location.connection}]", own_region, named.account)
    region = region or "us-east-1"
    if given is None and not location.connection:
        given = _first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") or profile.get("endpoint_url")
    url = endpoint(given) if given else _aws_endpoint(region)
    plain = location.allow_http if location.allow_http is not None else named.allow_http
    allowed = _allow_http(url, plain)
    kind = location.storage_class or (named.storage_class and storage_class_named(named.storage_class))
    style = location.addressing or named.addressing or _addressing(bool(given), location.bucket or "")
    return location.model_copy(
        update={
            "endpoint": url, "region": region, "addressing": style, "allow_http": allowed, "credentials": credentials,
            "storage_class": kind, "kms_key": location.kms_key or named.kms_key,
            "requester_pays": location.requester_pays or named.requester_pays,
        }
    )  # fmt: skip


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
    try:
        return Connection.model_validate(dict(table))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(Connection.model_fields)
        raise ConfigError(f"{where} can't be used: {key}: {first['msg']}. It may hold {known}.") from None


def endpoint(url: str) -> str:
    """An endpoint in its one spelling: scheme, lower-case host, port unless usual, no closing slash."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput("The endpoint is no URL; write it as https://host:port.") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadInput("An endpoint can't hold credentials or a query; write it as https://host:port.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"The endpoint {url!r} is no http or https URL; write it as https://host:port.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    tail = "" if port in (None, usual) else f":{port}"
    return f"{parts.scheme}://{host}{tail}{parts.path.rstrip('/')}"


def is_loopback(url: str) -> bool:
    """Whether an endpoint is on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _aws_endpoint(region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{suffix}"


def _allow_http(url: str, given: bool | None) -> bool:
    if not url.startswith("http:"):
        return bool(given)
    check_encrypted(url, _flag("AWS_ALLOW_HTTP") if given is None else given, ", or AWS_ALLOW_HTTP=true")
    return True


def check_encrypted(url: str, allowed: bool | None, more: str = "") -> None:
    """Refuse an endpoint that would have credentials go over a network in the clear."""
    if url.startswith("http:") and not (allowed or is_loopback(url)):
        raise BadInput(
            f"{url} is not encrypted: use https://, or allow it with allow_http=True, "
            f"allow_http = true in the connection{more}."
        )


def _addressing(own_endpoint: bool, bucket: str) -> Addressing:
    style = os.environ.get("AWS_S3_ADDRESSING_STYLE", "").lower()
    if style in ("path", "virtual"):
        return "virtual" if style == "virtual" else "path"
    virtual = _flag("AWS_VIRTUAL_HOSTED_STYLE_REQUEST")
    if virtual is not None:
        return "virtual" if virtual else "path"
    # A dot in the bucket's name is not covered by the endpoint's certificate.
    return "path" if own_endpoint or "." in bucket else "virtual"


def _named_credentials(name: str | None, named: Connection) -> Credentials | None:
    variables = (named.access_key_id_env, named.secret_access_key_env)
    ways = [bool(named.profile), named.anonymous, any(variables)]
    if sum(ways) > 1:
        raise ConfigError(f"[connections.{name}] names more than one source of credentials; keep one.")
    if named.profile:
        return Credentials(source="profile", profile=named.profile)
    if named.anonymous:
        return Credentials(source="anonymous")
    if not any(variables):
        return None
    if not all(variables):
        raise ConfigError(f"[connections.{name}] needs both access_key_id_env and secret_access_key_env.")
    return Credentials(
        source="env",
        access_key_id_env=named.access_key_id_env,
        secret_access_key_env=named.secret_access_key_env,
        session_token_env=named.session_token_env,
    )


def _usual_credentials() -> Credentials:
    if _flag("AWS_SKIP_SIGNATURE"):
        return Credentials(source="anonymous")
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return Credentials(
            source="env",
            access_key_id_env="AWS_ACCESS_KEY_ID",
            secret_access_key_env="AWS_SECRET_ACCESS_KEY",
            session_token_env="AWS_SESSION_TOKEN",
        )
    profile = os.environ.get("AWS_PROFILE")
    return Credentials(source="profile", profile=profile) if profile else Credentials(source="default")


def _profile_settings(name: str | None) -> dict[str, Any]:
    from .credentials import profile_settings

    return profile_settings(name)


def _refuse_secrets(where: str, table: Mapping[str, Any]) -> None:
    for key in table:
        if str(key).lower().removeprefix("aws_") in _SECRET_KEYS:
            raise ConfigError(
                f"{where} has {key!r}, which looks like a secret: name an environment variable "
                "(access_key_id_env, secret_access_key_env) or a profile instead."
            )


def _first(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _flag(name: str) -> bool | None:
    value = os.environ.get(name)
    if value is None:
        return None
    word = value.strip().lower()
    if word not in _TRUE + _FALSE:
        raise ConfigError(f"{name} is neither true nor false; set it to one of the two.")
    return word in _TRUE
