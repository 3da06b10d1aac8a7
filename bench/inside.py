"""Decisions in a process of their own, with no transport around them."""

import json
import random
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import Figures
from messages import request_headers

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SAMPLE = 1_000
"""Of so many consumers or keys, drawn by lot, the decisions are measured."""


@dataclass(frozen=True)
class Case:
    """A file with the route `bench`; so many consumers in place of those of the file; so many keys that were seen.

    `framed`: through the engine's HTTP/2, in memory.
    """

    file: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    consumers: int = 0
    keys: int = 0
    framed: bool = False

    def messages(self) -> list[bytes]:
        """The messages of the measured decisions."""
        among = self.consumers or self.keys or 1
        return [self._message(number) for number in random.Random(1).sample(range(among), min(SAMPLE, among))]

    def seen(self) -> Iterator[bytes]:
        """The messages that come before."""
        return map(self._message, range(self.keys))

    def _message(self, number: int) -> bytes:
        own = {"x-api-key": key_of(number)} if self.consumers or self.keys else {}
        return request_headers(self.headers | own).SerializeToString()


def key_of(number: int) -> str:
    """The key of one of the consumers."""
    return f"the key of number {number}"


@dataclass(frozen=True)
class Inside:
    """A process that decides on demand."""

    process: "subprocess.Popen[str]"
    told: Figures
    """What it said when it had started."""

    def measure(self, seconds: float) -> Figures:
        """One round."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return _line(self.process) | self.told


@contextmanager
def inside(case: "DataclassInstance", script: str = "deciding.py") -> Generator[Inside]:
    """A process for one case, once it decides."""
    command = [sys.executable, str(Path(__file__).with_name(script)), json.dumps(asdict(case))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Inside(process, _line(process))
    finally:
        # The end of its input is its end, and of its folder.
        process.communicate()


def _line(process: "subprocess.Popen[str]") -> Figures:
    assert process.stdout is not None
    if line := process.stdout.readline():
        figures: Figures = json.loads(line)
        return figures
    sys.exit(f"{process.args!r} ended with {process.wait()}")
