"""Starting a worker from a panel: one, whoever clicks, in how many views, how often."""

from __future__ import annotations

import threading
import time
from typing import Any

PATIENCE_S = 20.0  # a worker that has not registered after so long did not start

_lock = threading.Lock()
_asked: dict[tuple[str, str], float] = {}


def start_one(queue: Any) -> None:
    """Start a worker for this queue, unless one serves it or was started a moment ago."""
    which = (queue.state.url, queue.name)
    with _lock:
        lately = time.monotonic() - _asked.get(which, -PATIENCE_S) < PATIENCE_S
        if queue.workers or lately:
            return
        queue.start_worker()
        _asked[which] = time.monotonic()
