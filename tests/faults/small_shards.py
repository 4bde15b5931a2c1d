"""A runner as ever, but with small shards: a short life that holds many commits.

Takes the place of ``python -P -m migrator.runner RUN``.
"""

import os
import runpy
import sys

from migrator.engine import planning

planning.SHARD_ITEMS = 20

if __name__ == "__main__":
    sys.argv = [sys.argv[0], sys.argv[-1]]
    runpy.run_module("migrator.runner", run_name="__main__")
    os._exit(1)
