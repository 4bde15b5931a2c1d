"""Requests to Azure's Blob service, shown a key, a shared access signature or a token."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from contextlib import suppress
from email.utils import formatdate
from urllib.parse import parse_qsl

from ...errors import CredentialsRefused, MigratorError, PlaceGone
from ..answers import Met, Refusal
from ..native import PROBE_S, Answer, Lane
from ..wire import Incoming
from .credentials import KEY, SAS, provider

VERSION = "2021-12-02"  # the first to list, in percent form, names that XML can't hold is 2021-02-12
CONTAINER = [("restype", "container"), ("comp", "list")]
# What a signature by the account's key is made of, in this order ("Authorize with Shared Key").
_SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


class AzureLane(Lane):
    """Requests to one container. Shared by threads."""

    provide = staticmethod(provider)

    def explain(self, refusal: Refusal, key: str | None = None) -> MigratorError:
        where, bucket = self.place.endpoint, self.place.bucket
        if refusal.code in ("ContainerNotFound", "ContainerBeingDeleted"):
            return PlaceGone(f"There is no container {bucket!r} at {where}; create it, or check the name and account.")
        if refusal.code in ("AuthenticationFailed", "InvalidAuthenticationInfo"):
            return CredentialsRefused(f"{where} does not accept the credentials for {bucket!r}; check them.")
        return super().explain(refusal, key)

    def met(self, refusal: Refusal) -> Met | None:
        """A 409 or 412 may also be a lease, a tier or a policy."""
        if refusal.status not in (409, 412):
            return None
        if refusal.status == 412:
            return "protected" if refusal.code.startswith("Lease") else "another"
        return "another" if refusal.code == "BlobAlreadyExists" else "protected"

    def _probe(self) -> None:
        below = f"{self.place.prefix}/" if self.place.prefix else ""
        with suppress(Refusal):
            self.send("GET", None, [*CONTAINER, ("maxresults", "1"), ("prefix", below)], tries=1, read_s=PROBE_S)

    def _once(self, method: str, path: str, query: str, extra: Mapping[str, str], body: bytes, read_s: float) -> Answer:
        return super()._once(method, path, "&".join(filter(None, (query, self._sas()))), extra, body, read_s)

    def _begin(self, path: str, extra: Mapping[str, str]) -> Incoming | Answer:
        sas = self._sas()
        return super()._begin(f"{path}?{sas}" if sas else path, extra)

    def _sas(self) -> str:
        keys, _ = self.keyring.now()
        return keys.secret_access_key if keys and keys.access_key_id == SAS else ""

    def _signed(self, method: str, path: str, query: str, extra: Mapping[str, str], body: bytes) -> dict[str, str]:
        headers = {"host": self._host, "x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION, **extra}
        keys, _ = self.keyring.now()
        if keys is None or keys.access_key_id == SAS:
            return headers
        if keys.access_key_id == KEY:
            text = self._to_sign(method, path, query, headers, len(body))
            try:
                secret = base64.b64decode(keys.secret_access_key, validate=True)
            except binascii.Error:
                raise CredentialsRefused("The key of the storage account is no base64; check its variable.") from None
            signature = base64.b64encode(hmac.digest(secret, text.encode(), "sha256")).decode()
            return headers | {"authorization": f"SharedKey {self.place.account}:{signature}"}
        return headers | {"authorization": f"Bearer {keys.token}"}

    def _to_sign(self, method: str, path: str, query: str, headers: Mapping[str, str], length: int) -> str:
        told = {**headers, "content-length": str(length) if length else ""}
        own = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()) if name.startswith("x-ms-"))
        asked = "".join(f"\n{name}:{value}" for name, value in sorted(parse_qsl(query, keep_blank_values=True)))
        lines = "\n".join((method, *(told.get(name, "") for name in _SIGNED)))
        return f"{lines}\n{own}/{self.place.account}{path}{asked}"
