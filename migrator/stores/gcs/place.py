"""What environment and configuration decide about a bucket of Google's, written into its location once."""

from __future__ import annotations

import os
from dataclasses import replace

from ...errors import ConfigError
from ..addresses import storage_class_named
from ..connections import Connection, connection
from ..endpoints import check_encrypted, endpoint
from ..locations import Credentials, Location

GOOGLE = "https://storage.googleapis.com"


def resolve(location: Location) -> Location:
    """The location with endpoint and source of credentials written in.

    An option given with the location wins over its named connection, and that over the environment, where
    ``STORAGE_EMULATOR_HOST`` names a server that is asked anonymously. Else Google's own default credentials count:
    ``GOOGLE_APPLICATION_CREDENTIALS``, ``gcloud auth application-default login``, or the machine's.
    """
    named = connection(location.connection) if location.connection else Connection()
    given, emulator = location.endpoint or named.endpoint, ""
    if given is None and not location.connection:
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
    if emulator and "://" not in emulator:
        emulator = f"http://{emulator}"
    url = endpoint(given or emulator or GOOGLE)
    plain = location.allow_http if location.allow_http is not None else named.allow_http
    check_encrypted(url, plain)
    credentials = location.credentials or _named_credentials(location.connection, named)
    kind = location.storage_class or (named.storage_class and storage_class_named(named.storage_class))
    usual = Credentials(source="anonymous" if emulator else "default")
    return replace(
        location,
        endpoint=url, credentials=credentials or usual, allow_http=url.startswith("http:"),
        storage_class=kind, kms_key=location.kms_key or named.kms_key,
        billing_project=location.billing_project or named.billing_project,
    )  # fmt: skip


def _named_credentials(name: str | None, named: Connection) -> Credentials | None:
    ways = {"credentials_file": named.credentials_file, "token_env": named.token_env, "anonymous": named.anonymous}
    said = [way for way, value in ways.items() if value]
    if len(said) > 1:
        raise ConfigError(f"[connections.{name}] names more than one source of credentials; keep one.")
    if named.credentials_file:
        return Credentials(source="file", file=os.path.abspath(os.path.expanduser(named.credentials_file)))
    if named.token_env:
        return Credentials(source="env", token_env=named.token_env)
    return Credentials(source="anonymous") if named.anonymous else None
