"""What a run says while it works: lines with the time, on the standard output of its processes."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger("migrator")


def log_to_stdout() -> None:
    logging.raiseExceptions = False  # a log that can't be written (its disk is full) is no reason to write more
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
