"""The same requests through a proxy, where the environment names one for the server's host."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors import ConfigError
from . import trust
from .incoming import Incoming, WireError
from .wire import Answer


def proxy_for(scheme: str, host: str, connect_s: float, keep: int) -> Proxied | None:
    """The way to a host, or None where it is reached without a proxy.

    Raises
    ------
    ConfigError
        If the proxy that the environment names is none that can be used.
    """
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    return Proxied(proxy, f"{scheme}://{host}", connect_s, keep)


_WHO = 407  # the status by which a proxy asks who it is


class Proxied:
    """Does what ``Wire`` does."""

    def __init__(self, proxy: str, server: str, connect_s: float, keep: int) -> None:
        import urllib3

        parts = _parts(proxy)
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # without a password
        self._proxy = urllib3.ProxyManager(
            self._shown, proxy_headers=_who(parts), ssl_context=trust.context(), maxsize=keep, block=False
        )
        self._server, self._connect_s = server, connect_s

    def exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes, read_s: float) -> Answer:
        """Send one request and read its answer. Raises OSError where there is none."""
        raw = self._ask(method, target, headers, body, read_s, whole=True)
        return Answer(raw.status, _lower(raw.headers), raw.data)

    def open(self, target: str, headers: Mapping[str, str], read_s: float) -> Incoming | Answer:
        """GET. The body of a success is still to be read, any other answer is whole."""
        raw = self._ask("GET", target, headers, b"", read_s, whole=False)
        if raw.status in (200, 206):
            return Incoming(raw.status, _lower(raw.headers), lambda size: _read(raw, size), lambda _: raw.close())
        return Answer(raw.status, _lower(raw.headers), _read(raw, None))

    def _ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, read_s: float, *, whole: bool
    ) -> Any:
        import urllib3

        # A proxy in plain text is asked for the whole address; through a tunnel the server is asked for the path.
        address = f"{self._server}{target}" if self._server.startswith("http:") else target
        sent = {**headers, "accept-encoding": "identity", "content-length": str(len(body))}
        if not body and method not in ("PUT", "POST"):
            del sent["content-length"]
        try:
            raw = self._proxy.connection_from_url(self._server).urlopen(
                method, address, body=body or None, headers=sent, retries=False,
                redirect=False, assert_same_host=False,
                timeout=urllib3.Timeout(connect=self._connect_s, read=read_s), preload_content=whole,
            )  # fmt: skip
        except (urllib3.exceptions.ReadTimeoutError, urllib3.exceptions.ConnectTimeoutError):
            raise TimeoutError(f"it took too long, {self._by}") from None
        except urllib3.exceptions.HTTPError as error:
            raise WireError(self._told(str(error))) from None
        if raw.status == _WHO:
            raise WireError(self._told(str(_WHO)))
        return raw

    @property
    def _by(self) -> str:
        return f"through the proxy {self._shown}"

    def _told(self, why: str) -> str:
        """What went wrong on the way; the library's own words are long, and about itself."""
        if str(_WHO) in why:
            return f"{self._by}, which wants a user and a password: write them into the address of the proxy"
        if "CERTIFICATE_VERIFY_FAILED" in why:
            return f"{self._by}, and its certificate is not trusted here"
        return f"{self._by}: {'connection refused' if 'refused' in why else 'the connection failed or was cut'}"


def _parts(proxy: str) -> SplitResult:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")  # as curl reads it
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"The environment names a proxy of the kind {parts.scheme}://, and only http:// and https:// ones can be "
            "used; set HTTPS_PROXY to such a one, or name the store's host in NO_PROXY."
        )
    return parts


def _who(parts: SplitResult) -> dict[str, str]:
    """The header that says to a proxy who asks."""
    import urllib3

    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return dict(urllib3.make_headers(proxy_basic_auth=pair))


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _read(raw: Any, size: int | None) -> bytes:
    import urllib3

    try:
        return raw.read(size, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise WireError(str(error)) from None
