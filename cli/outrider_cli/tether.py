"""Ties a child process to its supervisor: when that dies, even by SIGKILL, the child gets SIGTERM.

    python -m outrider_cli.tether PROGRAM ARGUMENT ...

becomes PROGRAM, tied to the process that started it. Linux only; elsewhere it does nothing but start the program.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie() -> None:
    """Asks the kernel for SIGTERM when the parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    tie()
    os.execv(sys.argv[1], sys.argv[1:])
