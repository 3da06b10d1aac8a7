"""What a process has used: processor time, memory."""

import os
import re
import time
from pathlib import Path

from harness.outrider import processes_below

_SCHEDULED = 2  # CPUCLOCK_SCHED of <linux/posix-timers.h>


def processor_time(pid: int | None) -> float:
    """Seconds of processor time of a process in all its threads, in nanoseconds' steps; 0 for no process.

    As clock_getcpuclockid(3) makes the clock of another process: /proc/PID/stat counts in steps of 10 ms.
    """
    return 0.0 if pid is None else time.clock_gettime(~pid << 3 | _SCHEDULED)


def family_time(pid: int) -> float:
    """The same with all processes below it."""
    return processor_time(pid) + sum(family_time(child) for child in processes_below(pid))


def stolen_time() -> float:
    """Seconds that the host has kept this machine's processors from work, all of them together (proc(5), steal)."""
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """The resident size of a process, in bytes (proc(5), VmRSS)."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise SystemExit(f"process {pid} is gone")
    return int(found[1]) * 1024
