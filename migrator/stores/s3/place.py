"""What environment and configuration decide about a bucket behind S3, written into its location once."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from ...errors import BadInput, ConfigError
from ..addresses import storage_class_named
from ..connections import Addressing, Connection, connection
from ..credentials import profile_settings
from ..endpoints import check_encrypted, endpoint
from ..locations import Credentials, Location
from ..presets import ANY, PRESETS, endpoint_of, known

# What a bucket may be called at AWS; other services allow more.
_AWS_NAME = re.compile(r"(?!.*\.\.)(?!\d+(\.\d+){3}$)[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


def resolve(location: Location) -> Location:
    """The location with endpoint, region, addressing and source of credentials written in.

    An option given with the location wins over its named connection, and that over ``AWS_*``
    variables. A named connection takes no endpoint from the environment: it is complete.
    """
    named = connection(location.connection) if location.connection else Connection()
    credentials = location.credentials or _named_credentials(location.connection, named) or _usual_credentials()
    profile = profile_settings(credentials.profile) if credentials.source == "profile" else {}
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
    _check_name(location, url, region, style)
    return replace(
        location,
        endpoint=url, region=region, addressing=style, allow_http=allowed, credentials=credentials,
        storage_class=kind, kms_key=location.kms_key or named.kms_key,
        requester_pays=location.requester_pays or named.requester_pays,
    )  # fmt: skip


def _check_name(location: Location, url: str, region: str, style: Addressing) -> None:
    """Before any credentials are asked for: what can't be there is no matter of theirs.

    Until 2018 us-east-1 took other names, too; such a bucket is reached by its path alone.
    """
    if known(url) is not PRESETS["aws"] or _AWS_NAME.fullmatch(location.bucket or ""):
        return
    if style == "virtual" or region != "us-east-1":
        raise BadInput(
            f"AWS S3 has no bucket named {location.bucket!r}: names there have 3 to 63 small letters, digits, '-' "
            "and single '.', with a letter or digit at both ends; mend it, or set AWS_ENDPOINT_URL to another service."
        )


def _aws_endpoint(region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{suffix}"


def _allow_http(url: str, given: bool | None) -> bool:
    if not url.startswith("http:"):
        return bool(given)
    check_encrypted(url, _flag("AWS_ALLOW_HTTP") if given is None else given, ", or AWS_ALLOW_HTTP=true")
    return True


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
