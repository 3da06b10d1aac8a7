"""A Python process for a few lines of code that a test has as text."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def child(code: str, *arguments: object) -> Generator["subprocess.Popen[str]"]:
    """The process, with pipes to and from it; it is killed at the end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def said(worker: "subprocess.Popen[str]") -> str:
    """The next line that it prints."""
    assert worker.stdout is not None
    return worker.stdout.readline().strip()
