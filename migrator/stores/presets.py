"""The services that speak S3 and are known by name: where they answer, and what they are known to do.

What is known is from their own documentation; None is what it does not say, and is tried before the first write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from ..errors import ConfigError

Kind = Literal["local", "s3", "gs", "az", "memory"]
Name = Literal["aws", "r2", "b2", "wasabi", "spaces"]
Other = Literal["gcs", "azure"]
OTHERS: dict[str, Literal["gs", "az"]] = {"gcs": "gs", "azure": "az"}  # services that speak no S3


@dataclass(frozen=True, slots=True)
class Preset:
    """``hosts``: how the names of its hosts end. ``conditional``: a write that meets an object is refused.

    ``ordered``: keys are listed in the order of their bytes.
    """

    title: str
    hosts: tuple[str, ...]
    endpoint: str | None
    region: str | None
    conditional: bool | None
    tags: bool | None
    ordered: bool = False


PRESETS: dict[str, Preset] = {
    "aws": Preset("AWS S3", (".amazonaws.com", ".amazonaws.com.cn"), None, None, True, True, True),
    "r2": Preset(
        "Cloudflare R2", (".r2.cloudflarestorage.com",), "https://{account}.r2.cloudflarestorage.com", "auto",
        True, False, True,
    ),
    "b2": Preset(
        "Backblaze B2", (".backblazeb2.com",), "https://s3.{region}.backblazeb2.com", None, False, False, True
    ),
    "wasabi": Preset("Wasabi", (".wasabisys.com",), "https://s3.{region}.wasabisys.com", "us-east-1", None, None),
    "spaces": Preset(
        "DigitalOcean Spaces", (".digitaloceanspaces.com",), "https://{region}.digitaloceanspaces.com", None, None, None
    ),
}  # fmt: skip
ANY = Preset("an S3 server", (), None, None, None, None)


def known(endpoint: str) -> Preset:
    """What is known of the service at an endpoint."""
    host = urlsplit(endpoint).hostname or ""
    return next((one for one in PRESETS.values() if host.endswith(one.hosts)), ANY)


def endpoint_of(name: str, where: str, region: str | None, account: str | None) -> str | None:
    """The endpoint of a preset; None where the region decides it as AWS does.

    Raises
    ------
    ConfigError
        If the connection at ``where`` does not say what the endpoint is made of.
    """
    pattern = PRESETS[name].endpoint or ""
    for word, value in (("region", region), ("account", account)):
        if f"{{{word}}}" in pattern and not value:
            raise ConfigError(f'{where} has preset = "{name}", and that needs {word} = "…" beside it.')
    return pattern.format(region=region, account=account) or None
