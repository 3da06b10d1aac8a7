"""Requests that kill a worker: Kong sends such an event to the next worker, until it is refused here.

Each worker notes in a file of its own which events it is at work on, and holds that file's lock as long as it lives:
what stands in a file that nobody has locked was the end of its worker. A worker that starts again with the file first
moves what it finds there into the list of crashes.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

MOST: Final = 2
"""How many workers one event may kill."""
PLACES: Final = 128
"""How many events of a worker are noted at once; what comes beyond them is not."""
REMEMBERED: Final = 256
"""How many crashes are remembered; the oldest is forgotten first."""
SECONDS: Final = 600.0
"""How long a crash is remembered."""

_MARK = struct.Struct("<Q")
_CRASH = struct.Struct("<Qd")
"""What crashed, and when."""
_LIST, _EVENTS = "crashes", "events-"


class PoisonedError(Exception):
    """An event that has killed workers before."""


def event_mark(place: str, number: str) -> int:
    """The same number for the same event in every worker, never 0: Kong sends one again under the same number."""
    return crc32(place.encode()) << 32 | crc32(number.encode("utf-8", "surrogateescape")) | 1


class Crashes:
    """What this worker is at work on, and what was the end of others. `name` is its own among those in `folder`."""

    def __init__(self, folder: Path, name: str, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder, self._clock = folder, clock
        self._path = folder / f"{_EVENTS}{name}"
        self._lock = _opened(self._path, PLACES * _MARK.size)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._marks = mmap.mmap(self._lock, 0)
        self._free = list(range(PLACES))
        self._others: dict[Path, mmap.mmap] = {}
        self._remembers = False
        self._bury()
        self.look()

    def look(self) -> None:
        """Finds workers that came meanwhile. Call it whenever Kong starts an instance: it does so after a crash."""
        for path in self._folder.glob(f"{_EVENTS}*"):
            if path != self._path and path not in self._others:
                with path.open("r+b") as file, suppress(ValueError):
                    self._others[path] = mmap.mmap(file.fileno(), 0)
        for path in [path for path, marks in self._others.items() if not any(marks[:]) and not _is_locked(path)]:
            # Of workers that left in peace, as each takeover of edited plugins leaves some.
            self._others.pop(path).close()
        self._remembers = (self._folder / _LIST).exists()

    def during(self, event: int) -> "Running":
        """Notes the event as long as the context lasts. Raises `PoisonedError` if it has killed workers before."""
        mark = _MARK.pack(event)
        killed = sum(mark in marks[:] and not _is_locked(path) for path, marks in self._others.items())
        if (killed or self._remembers) and killed + self._remembered(event) >= MOST:
            raise PoisonedError("it has killed workers before")
        return Running(self._marks, self._free, mark)

    def _remembered(self, event: int) -> int:
        since = self._clock() - SECONDS
        return sum(mark == event and at > since for mark, at in _CRASH.iter_unpack(self._list()))

    def _list(self) -> bytes:
        try:
            return (self._folder / _LIST).read_bytes()
        except FileNotFoundError:
            return b""

    @property
    def marks(self) -> list[int]:
        """What is noted now."""
        return [mark for (mark,) in _MARK.iter_unpack(self._marks[:]) if mark]

    def others(self) -> list[int]:
        """What other workers are or were at work on."""
        return [mark for marks in self._others.values() for (mark,) in _MARK.iter_unpack(marks[:]) if mark]

    def remember(self, marks: Iterable[int]) -> None:
        """Adds events to the list of crashes."""
        with (self._folder / f"{_LIST}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            added = b"".join(_CRASH.pack(mark, self._clock()) for mark in marks)
            new = self._folder / f"{_LIST}.new"
            new.write_bytes((self._list() + added)[-REMEMBERED * _CRASH.size :])
            new.replace(self._folder / _LIST)

    def _bury(self) -> None:
        """Moves what the last worker of this name was at work on into the list."""
        if left := set(self.marks):
            self.remember(left)
            self._marks[:] = bytes(len(self._marks))


class Running:
    """An event that a worker is at work on."""

    __slots__ = ("_at", "_free", "_mark", "_marks")

    def __init__(self, marks: mmap.mmap, free: list[int], mark: bytes) -> None:
        self._marks, self._free, self._mark = marks, free, mark
        self._at = -1

    def __enter__(self) -> None:
        if self._free:
            self._at = self._free.pop() * _MARK.size
            self._marks[self._at : self._at + _MARK.size] = self._mark

    def __exit__(self, *_: object) -> None:
        if self._at >= 0:
            self._marks[self._at : self._at + _MARK.size] = bytes(_MARK.size)
            self._free.append(self._at // _MARK.size)


def _opened(path: Path, size: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(descriptor, size)
    return descriptor


def _is_locked(path: Path) -> bool:
    """Whether the worker of that file lives."""
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
