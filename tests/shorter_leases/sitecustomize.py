"""On the import path of a test's processes: their leases are of so many seconds as the test says."""

import os

from migrator import config

config.LEASE_LOCAL_S = float(os.environ["TESTS_LEASE_S"])
