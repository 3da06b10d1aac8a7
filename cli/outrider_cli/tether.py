"""Ties a child process to its supervisor: when that dies, even by SIGKILL, the child gets SIGTERM.

    python -m outrider_cli.tether PARENT PROGRAM ARGUMENT ...

becomes PROGRAM, tied to the process PARENT that started it. Linux only; elsewhere it only starts the program.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str]) -> list[str]:
    """A command line that runs `command` tied to this process."""
    return [sys.executable, "-m", __name__, str(os.getpid()), *command]


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            # It died before the kernel was asked.
            sys.exit(f"process {parent} is gone")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
