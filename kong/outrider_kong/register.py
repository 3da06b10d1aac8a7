"""The ids of plugin instances: one series of numbers for all workers, and what each number stands for."""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_SINCE: Final = 1_577_836_800  # 2020-01-01: the ids are int32
_DIGITS: Final = 10
KEPT: Final = 4096
"""How many instances are known at once; an older one is started again by Kong when it is needed."""


class Register:
    """Numbers are dealt out under a lock, and never twice.

    `numbers` is a file beside the socket that Kong speaks to, so that servers side by side and one after the other
    count on; where it is lost, the clock is ahead of all numbers before. `folder` is for the workers of one server.
    """

    def __init__(self, folder: Path, numbers: Path, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder, self._numbers, self._clock = folder, numbers, clock

    def add(self, name: str, config: bytes) -> int:
        """A new number for an instance of the plugin `name`."""
        number = self._next()
        new = self._folder / f".{number}"
        new.write_bytes(name.encode() + b"\n" + config)
        new.replace(self._folder / str(number))
        self._forget_oldest()
        return number

    def find(self, number: int) -> tuple[str, bytes] | None:
        """The name and the configuration of an instance; None for a number that stands for none."""
        try:
            name, _, config = (self._folder / str(number)).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        return name.decode(), config

    def remove(self, number: int) -> None:
        """Forgets an instance."""
        (self._folder / str(number)).unlink(missing_ok=True)

    def _next(self) -> int:
        descriptor = os.open(self._numbers, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last = file.read(32)
            # Anything else than a number that leaves room for more is a lost count.
            counted = int(last) + 1 if last.isdigit() and len(last) < _DIGITS else 0
            number = max(counted, int(self._clock()) - _SINCE)
            file.seek(0)
            file.write(str(number).encode())
            file.truncate()
        return number

    def _forget_oldest(self) -> None:
        numbers = sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdecimal())
        for number in numbers[:-KEPT]:
            with suppress(FileNotFoundError):
                self.remove(number)
