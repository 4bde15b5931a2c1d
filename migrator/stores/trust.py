"""Whom we trust over TLS: whom the system trusts, and the authorities of a file that people name."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from ..errors import ConfigError

# As boto3 reads them. What stands there is trusted beside the others: Google's servers have no private authority.
_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_OPENSSL = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # read by the standard library


def context() -> ssl.SSLContext:
    """How TLS is spoken here.

    Raises
    ------
    ConfigError
        If a variable names a file without certificates.
    """
    made = ssl.create_default_context()
    for name in filter(os.environ.get, _BUNDLES):
        try:
            made.load_verify_locations(os.environ[name])
        except OSError:  # what can't be read, and what ssl can't make sense of
            raise ConfigError(
                f"{name} names {os.environ[name]!r}, where no certificates can be read; name a PEM file."
            ) from None
    return made


def shared() -> ssl.SSLContext:
    """The same, one for all stores of this process: to read whom to trust takes 20 ms, and a run opens many a store.

    It is made anew when a variable says something else, or the file that it names is another one. Nothing of it may be
    set by whoever gets it.
    """
    return _of(tuple(_known(name) for name in (*_BUNDLES, *_OPENSSL)))


@lru_cache(maxsize=4)
def _of(_named: tuple[object, ...]) -> ssl.SSLContext:
    return context()


def _known(name: str) -> tuple[str | None, int | None]:
    """What a variable names, and since when it is as it is."""
    path = os.environ.get(name)
    try:
        return path, os.stat(path).st_mtime_ns if path else None
    except OSError:
        return path, None


def is_own() -> bool:
    """Whether people named authorities of their own: the byte lane knows nothing of those."""
    return any(os.environ.get(name) for name in (*_BUNDLES, *_OPENSSL))
