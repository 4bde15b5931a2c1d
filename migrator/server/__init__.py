"""The Jupyter Server extension: runs by REST, WebSocket and server-sent events, with no kernel in between."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "migrator.server"}]


def _load_jupyter_server_extension(app: Any) -> None:
    from .extension import load

    load(app)
