"""Whom we trust over TLS: whom the system trusts, and the authorities of a file that people name."""

from __future__ import annotations

import os
import ssl

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


def is_own() -> bool:
    """Whether people named authorities of their own: the byte lane knows nothing of those."""
    return any(os.environ.get(name) for name in (*_BUNDLES, *_OPENSSL))
