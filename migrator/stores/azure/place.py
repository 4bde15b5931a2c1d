"""What environment and configuration decide about a container of Azure's, written into its location once."""

from __future__ import annotations

import os
from dataclasses import replace

from ...errors import BadInput, ConfigError
from ...options import option
from ..addresses import storage_class_named
from ..connections import Connection, connection
from ..endpoints import check_encrypted, endpoint
from ..locations import Credentials, Location


def resolve(location: Location) -> Location:
    """The location with account, endpoint and source of credentials written in.

    An option given with the location wins over its named connection, and that over ``AZURE_STORAGE_*`` variables. A
    named connection takes no account from the environment: it is complete.
    """
    name = location.connection
    named = connection(name) if name else Connection()
    account = location.account or named.account or ("" if name else os.environ.get("AZURE_STORAGE_ACCOUNT", ""))
    if not account:
        given = f"set AZURE_STORAGE_ACCOUNT, or give {option('account')}"
        way = f"write account = in [connections.{name}]" if name else given
        raise BadInput(f"{location.url} does not say in which storage account it is: {way}.")
    given = location.endpoint or named.endpoint or ("" if name else os.environ.get("AZURE_STORAGE_BLOB_ENDPOINT", ""))
    url = endpoint(given or f"https://{account}.blob.core.windows.net")
    check_encrypted(url, location.allow_http if location.allow_http is not None else named.allow_http)
    tier = location.storage_class or (named.storage_class and storage_class_named(named.storage_class))
    credentials = location.credentials or _named_credentials(name, named) or _usual_credentials(bool(name))
    return replace(
        location,
        endpoint=url, account=account, credentials=credentials, allow_http=url.startswith("http:"),
        storage_class=tier,
    )  # fmt: skip


def _named_credentials(name: str | None, named: Connection) -> Credentials | None:
    ways = {"account_key_env": named.account_key_env, "sas_env": named.sas_env, "token_env": named.token_env}
    said = {way: value for way, value in ways.items() if value}
    if len(said) + named.anonymous > 1:
        raise ConfigError(f"[connections.{name}] names more than one source of credentials; keep one.")
    if named.anonymous:
        return Credentials(source="anonymous")
    return Credentials(source="env", **said) if said else None


def _usual_credentials(named: bool) -> Credentials:
    if not named and os.environ.get("AZURE_STORAGE_KEY"):
        return Credentials(source="env", account_key_env="AZURE_STORAGE_KEY")
    if not named and os.environ.get("AZURE_STORAGE_SAS_TOKEN"):
        return Credentials(source="env", sas_env="AZURE_STORAGE_SAS_TOKEN")
    return Credentials(source="default")
