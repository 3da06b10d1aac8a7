"""For all tests, and for the processes that they start."""

import os
import sys

# Hundreds of processes are started: each would compile the same files anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest_plugins = ["harness.secret_watch"]
