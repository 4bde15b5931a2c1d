"""What Azure is shown: an account's key, a shared access signature or a token, read when it is needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ...errors import CredentialsRefused
from ..credentials import Keys
from ..locations import Credentials

EXTRA = "pip install 'jupyter-migrator[azure]'"
SCOPE = "https://storage.azure.com/.default"
KEY, SAS, TOKEN = "SharedKey", "SAS", "Bearer"


def provider(credentials: Credentials) -> Callable[[], Keys | None]:
    """A function that gives it as it is at each call: ``access_key_id`` says of which kind it is.

    Raises
    ------
    CredentialsRefused
        When it is called, if there is none; the message names the variable.
    """
    if credentials.source == "anonymous":
        return lambda: None
    if credentials.source == "env":
        return lambda: _from_environment(credentials)
    return _Session()


def _from_environment(credentials: Credentials) -> Keys:
    kinds = {KEY: credentials.account_key_env, SAS: credentials.sas_env, TOKEN: credentials.token_env}
    kind, name = next((kind, name) for kind, name in kinds.items() if name)
    value = os.environ.get(name)
    if not value:
        raise CredentialsRefused(f"The environment variable {name} is not set, and Azure is to be shown it; set it.")
    return Keys(kind, value.lstrip("?") if kind == SAS else value, value if kind == TOKEN else None)


class _Session:
    """Tokens by azure-identity, which keeps and renews them. Shared by threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._credential: Any = None

    def __call__(self) -> Keys:
        try:
            from azure.core.exceptions import AzureError
            from azure.identity import DefaultAzureCredential
        except ImportError:
            raise CredentialsRefused(
                f"Azure's default credentials need azure-identity: {EXTRA}, or set AZURE_STORAGE_KEY or "
                "AZURE_STORAGE_SAS_TOKEN."
            ) from None
        with self._turn:
            try:
                self._credential = self._credential or DefaultAzureCredential()
                return Keys(TOKEN, "", self._credential.get_token(SCOPE).token)
            except AzureError as error:
                why = str(error).partition("\n")[0]
                raise CredentialsRefused(
                    f"Azure's default credentials were not found: run `az login`, or set AZURE_STORAGE_KEY. ({why})"
                ) from None
