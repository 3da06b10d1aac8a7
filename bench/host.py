"""The machine that a benchmark ran on, and the versions of what it ran."""

import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from os import cpu_count
from pathlib import Path

from generators import PACKAGES
from harness.process import bundled_envoy

LIBRARIES = ("outrider", "grpcio", "protobuf", "uvloop", "hpack", "kong-pdk")


def machine() -> dict[str, str]:
    """Processor, cores, memory and kernel."""
    info, ram = Path("/proc/cpuinfo").read_text(), Path("/proc/meminfo").read_text()
    kilobytes = int(_first(r"MemTotal:\s+(\d+)", ram) or 0)
    return {
        "processor": _first(r"model name\s*: (.+)", info) or platform.processor(),
        "cores": str(cpu_count()),
        "memory": f"{kilobytes / 1024**2:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """What was measured, and by what."""
    found = {
        "Python": platform.python_version(),
        "Envoy": _printed([str(bundled_envoy()), "--version"], r"/(\d[\d.]+)/"),
    }
    found |= {name: version(name) for name in LIBRARIES}
    found |= {name: _printed([name, "--version"], r"(\d[\d.]+\d)") for name in PACKAGES if shutil.which(name)}
    return found


def commit() -> str:
    """The commit that was measured, and whether files were changed since."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "-uno")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name} with changes" if changed else name


def _git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], text=True).strip()  # noqa: S607 - found like any tool


def _printed(command: list[str], pattern: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return _first(pattern, result.stdout + result.stderr) or "unknown"


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1].strip() if found else None
