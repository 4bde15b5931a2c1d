"""Where a service answers: its address in one spelling, and whether what goes there can be read on the way."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ..errors import BadInput
from ..options import option


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


def check_encrypted(url: str, allowed: bool | None, more: str = "") -> None:
    """Refuse an endpoint that would have credentials go over a network in the clear."""
    if url.startswith("http:") and not (allowed or is_loopback(url)):
        raise BadInput(
            f"{url} is not encrypted: use https://, or allow it with {option('allow_http', True)}, "
            f"allow_http = true in the connection{more}."
        )
