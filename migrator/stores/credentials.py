"""Keys, read from where a location says they are, at the moment they are needed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import CredentialsRefused
from ..options import option
from .locations import Credentials

AWS_EXTRA = "pip install 'jupyter-migrator[aws]'"
# How long the byte lane may keep a key before it asks again; boto3 renews far ahead of expiry.
LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Keys:
    """One set of keys. Its ``repr`` shows none of them, so that no traceback can."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


def fetch(credentials: Credentials) -> Keys | None:
    """The keys now, or None for anonymous access.

    Raises
    ------
    CredentialsRefused
        If they are missing; the message names the variable or the profile.
    """
    return provider(credentials)()


def provider(credentials: Credentials) -> Callable[[], Keys | None]:
    """A function that gives the keys as they stand at each call, renewed where they expire."""
    if credentials.source == "anonymous":
        return lambda: None
    if credentials.source == "env":
        return lambda: _from_environment(credentials)
    return _Session(credentials.profile)


class Keyring:
    """The keys of one place, for whatever sends requests there. Shared by threads.

    They are asked for once a second, which signing needs anyway, and read anew from their files and programs when a
    server refuses them: somebody may have renewed them. Variables stay what they were when the process began.
    """

    def __init__(
        self, credentials: Credentials | None, ways: Callable[[Credentials], Callable[[], Keys | None]] | None = None
    ) -> None:
        self._credentials, self._ways = credentials, ways or provider
        self._provide = self._ways(credentials) if credentials else lambda: None
        self._second: tuple[int, Keys | None, datetime] = (0, None, datetime.fromtimestamp(0, UTC))
        self._turn = threading.Lock()
        self.version = 0  # grows with each renewal that changed them

    def now(self) -> tuple[Keys | None, datetime]:
        """The keys, and the second in which they were asked for: a signature tells no finer time."""
        second = int(time.time())
        if self._second[0] != second:
            self._second = second, self._provide(), datetime.fromtimestamp(second, UTC)
        return self._second[1:]

    def renew(self) -> bool:
        """Read them anew; whether they are others now than those that were used last."""
        if self._credentials is None:
            return False
        with self._turn:
            used, self._provide = self._second[1], self._ways(self._credentials)
            self._second = (0, used, self._second[2])
            try:
                changed = not _same(used, self.now()[0])
            except CredentialsRefused:
                return False
            self.version += changed
            return changed


def _same(one: Keys | None, other: Keys | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.access_key_id, one.secret_access_key, one.token) == (
        other.access_key_id, other.secret_access_key, other.token,
    )  # fmt: skip


def profile_settings(name: str | None) -> dict[str, Any]:
    """Region and endpoint that a profile of the AWS configuration files sets."""
    session = _session(name)
    scoped = _guard(name, session.get_scoped_config)
    services = scoped.get("s3") if isinstance(scoped.get("s3"), dict) else {}
    found = {"region": scoped.get("region"), "endpoint_url": services.get("endpoint_url") or scoped.get("endpoint_url")}
    return {key: value for key, value in found.items() if value}


class _Session:
    """Keys by boto3, whose credentials object renews itself and is safe to share by threads."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self._credentials: Any = None

    def __call__(self) -> Keys:
        if self._credentials is None:
            self._credentials = _guard(self._profile, _session(self._profile).get_credentials)
        if self._credentials is None:
            raise CredentialsRefused(
                "No AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                f"set AWS_PROFILE, or give {option('anonymous', True)} for a public bucket."
            )
        frozen = _guard(self._profile, self._credentials.get_frozen_credentials)
        return Keys(frozen.access_key, frozen.secret_key, frozen.token, datetime.now(UTC) + LIFETIME)


def _from_environment(credentials: Credentials) -> Keys:
    values = []
    for name in (credentials.access_key_id_env, credentials.secret_access_key_env):
        value = os.environ.get(name or "")
        if not value:
            raise CredentialsRefused(
                f"The environment variable {name} is not set, and the credentials are to come from it; set it."
            )
        values.append(value)
    token = os.environ.get(credentials.session_token_env or "") or None
    return Keys(values[0], values[1], token, datetime.now(UTC) + LIFETIME)


def _session(profile: str | None) -> Any:
    try:
        import botocore.session
    except ImportError:
        raise CredentialsRefused(
            f"AWS profiles and the default credential chain need boto3: {AWS_EXTRA}, "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from None
    return _guard(profile, lambda: botocore.session.Session(profile=profile))


def _guard(profile: str | None, call: Callable[[], Any]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except (BotoCoreError, ClientError) as error:
        what = f"The AWS profile {profile!r}" if profile else "The AWS default credential chain"
        raise CredentialsRefused(f"{what} gives no credentials: {error}") from None
