"""Access tokens of Google's, from where a location says they come, renewed before they expire."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ...errors import CredentialsRefused
from ...options import option
from ..credentials import Keys
from ..locations import Credentials

EXTRA = "pip install 'jupyter-migrator[gcs]'"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def provider(credentials: Credentials) -> Callable[[], Keys | None]:
    """A function that gives the token as it is at each call; None for anonymous access.

    Raises
    ------
    CredentialsRefused
        When it is called, if there is none; the message names the variable or the file.
    """
    if credentials.source == "anonymous":
        return lambda: None
    if credentials.source == "env":
        return lambda: _from_environment(credentials.token_env or "")
    return _Session(credentials.file)


def _from_environment(name: str) -> Keys:
    token = os.environ.get(name)
    if not token:
        raise CredentialsRefused(
            f"The environment variable {name} is not set, and an access token is to come from it; set it."
        )
    return Keys("", "", token)


class _Session:
    """Tokens by google-auth, from a file or from its own chain, renewed before they expire. Shared by threads."""

    def __init__(self, file: str | None) -> None:
        self._file = file
        self._turn = threading.Lock()
        self._credentials: Any = None

    def __call__(self) -> Keys:
        with self._turn:
            return Keys("", "", _guarded(self._file, self._renewed))

    def _renewed(self) -> str:
        import google.auth
        import urllib3
        from google.auth.transport.urllib3 import Request

        if self._credentials is None:
            load = google.auth.load_credentials_from_file if self._file else google.auth.default
            self._credentials, _ = load(*([self._file] if self._file else []), scopes=[SCOPE])
        if not self._credentials.valid:
            self._credentials.refresh(Request(urllib3.PoolManager()))
        return self._credentials.token


def _guarded(file: str | None, call: Callable[[], str]) -> str:
    try:
        from google.auth.exceptions import GoogleAuthError
    except ImportError:
        raise CredentialsRefused(
            f"Google's credentials need google-auth: {EXTRA}, name a variable that holds a token (token_env in a named "
            f"connection), or give {option('anonymous', True)} for a public bucket."
        ) from None
    try:
        return call()
    except (GoogleAuthError, OSError, ValueError) as error:
        if file:
            raise CredentialsRefused(f"The file {file!r} gives no credentials of Google's: {error}") from None
        raise CredentialsRefused(
            "Google's default credentials were not found: set GOOGLE_APPLICATION_CREDENTIALS to a key file, run "
            f"`gcloud auth application-default login`, or give {option('credentials_file')} or "
            f"{option('anonymous', True)}. ({error})"
        ) from None
