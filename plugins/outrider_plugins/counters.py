"""One table of fixed-window counters that all worker processes of this machine share."""

import asyncio
import fcntl
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Self
from weakref import WeakValueDictionary, finalize

from outrider import OutriderError

SLOTS = 1 << 17
"""How many counters a table has: 131,072, which takes 4 MiB."""

_WAYS = 64  # slots of a bucket; a key may stand in any slot of its bucket
_SLOT = struct.Struct("=16s2Q")  # digest, end of the window in microseconds, count
_END, _COUNT = 2, 3  # where they stand in a slot, in words of 8 bytes
_BUCKET = _WAYS * _SLOT.size
_HEAD = struct.Struct("=16s32s")  # what the file is, the key of the digests
_MAGIC = b"outrider counter"
_MICRO = 1_000_000
_TRIES = 20  # for the lock, about 20 microseconds
_AT_ONCE = fcntl.LOCK_EX | fcntl.LOCK_NB
_REMEMBERED = 4096  # keys whose digests are at hand


class StorageError(OutriderError):
    """The counters can't be asked now. Whoever asks decides what that means; the default is to refuse."""


class StorageFullError(StorageError):
    """There is no place for a new key. Keys that have a place go on counting."""


class StorageTimeoutError(StorageError):
    """Another process held the table for too long."""


class Charge(NamedTuple):
    """A limit that a request falls under: `limit` requests of `key` in each `window` of so many seconds.

    Keys are remembered: they should be short.
    """

    key: bytes
    limit: int
    window: int


class Usage(NamedTuple):
    """What is left of one limit after a request was counted or refused; `reset` in seconds from now."""

    window: int
    remaining: int
    reset: float
    passed: bool
    """Whether this limit had room for the request."""


class SharedCounters:
    """Counts requests in fixed windows, together with every other process that opens the same file.

    Windows begin at whole multiples of their length since the Unix epoch. A request is counted in all of its
    limits, or in none if one of them has no room: a refused request consumes nothing (as in Kong). It is
    counted before it is answered, under a lock that the kernel releases when its holder dies, and each count
    changes with one store: a process killed in the middle loses and doubles nothing that was answered.

    A key has a place from its first request until its window ends. There are `slots` places (the file that is
    there decides), in buckets of 64: a new key whose bucket has no free place raises `StorageFullError`. With
    keys spread evenly that begins when the table is about half full, and nobody can aim at a bucket: keys are
    stored as digests under a random secret of the file. `clock` gives seconds since the Unix epoch. An object
    belongs to one thread.
    """

    def __init__(self, path: Path, *, slots: int = SLOTS, clock: Callable[[], float] = time.time) -> None:
        if not path.exists():
            _create(path, slots)
        self._clock = clock
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        finalize(self, os.close, self._fd)
        if os.fstat(self._fd).st_size < 2 * _BUCKET:
            raise StorageError(f"{path} holds no counters: remove it")
        self._memory = mmap.mmap(self._fd, 0)
        magic, secret = _HEAD.unpack_from(self._memory)
        if magic != _MAGIC:
            raise StorageError(f"{path} holds no counters: remove it")
        self._words = memoryview(self._memory).cast("Q")
        buckets = len(self._memory) // _BUCKET - 1  # the head has the room of one
        self._home = lru_cache(_REMEMBERED)(partial(_home, secret, buckets))

    @classmethod
    def private(cls, folder: Path) -> Self:
        """A small table of this process alone, whose file in `folder` has no name any more."""
        path = Path(tempfile.mkdtemp(dir=folder)) / "counters"
        try:
            return cls(path, slots=SLOTS // 8)
        finally:
            path.unlink(missing_ok=True)
            path.parent.rmdir()

    def try_take(self, charges: Sequence[Charge]) -> list[Usage] | None:
        """Counts one request in all of its limits, or in none; None if another process has the lock.

        Raises `StorageFullError`.
        """
        if not self._lock():
            return None
        try:
            # The clock is read under the lock: nobody counts into a window that is over for another.
            return self._count(charges, int(self._clock() * _MICRO))
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    async def take(self, charges: Sequence[Charge], *, patience: float = 0.1) -> list[Usage]:
        """Like `try_take`, but waits for the lock: after `patience` seconds it raises `StorageTimeoutError`."""
        # Longer and longer pauses: a thousand requests that wait should not eat the CPU.
        pause, waited = 0.0005, 0.0
        while (usages := self.try_take(charges)) is None:
            if waited >= patience:
                raise StorageTimeoutError("another process holds the counters")
            await asyncio.sleep(pause)
            waited += pause
            pause = min(2 * pause, 0.02)
        return usages

    def _lock(self) -> bool:
        # Who has the lock is done in microseconds unless it was stopped: worth a moment, not worth a wait.
        for _ in range(_TRIES):
            try:
                fcntl.flock(self._fd, _AT_ONCE)
            except BlockingIOError:
                continue
            return True
        return False

    def _count(self, charges: Sequence[Charge], moment: int) -> list[Usage]:
        words = self._words
        found: list[tuple[int, Charge, int]] = []
        passes = True
        for charge in charges:
            key, limit, window = charge
            length = window * _MICRO
            left = length - moment % length
            place = self._place(key, length, moment + left, moment)
            found.append((place, charge, left))
            passes = passes and words[place] < limit
        if passes:
            for place in {place for place, _, _ in found}:
                words[place] += 1
        # If one limit has no room, nothing was counted: each of the others still has the room that it had.
        return [
            Usage(window, max(0, limit - words[place]), left / _MICRO, passes or words[place] < limit)
            for place, (_, limit, window), left in found
        ]

    def _place(self, key: bytes, length: int, end: int, moment: int) -> int:
        """The word that holds the count of a key in a window of that length and end."""
        digest, bucket = self._home(key, length, end)
        found = self._memory.find(digest, bucket, bucket + _BUCKET)
        # Another end than its own has only a slot whose claim was cut short: it is free.
        if found < 0 or self._words[found // 8 + _END] != end:
            found = self._free(bucket, moment) if found < 0 else found
            self._claim(found, digest, end)
        return found // 8 + _COUNT

    def _free(self, bucket: int, moment: int) -> int:
        first = bucket // 8
        ends = self._words[first + _END : first + _BUCKET // 8 : _SLOT.size // 8].tolist()
        oldest = min(ends)
        if oldest > moment:
            raise StorageFullError("no place is left for a new key: all counters of its bucket are in use")
        return bucket + ends.index(oldest) * _SLOT.size

    def _claim(self, slot: int, digest: bytes, end: int) -> None:
        # The end comes last: until then the slot counts as free, whenever this process is killed.
        self._words[slot // 8 + _COUNT] = 0
        self._memory[slot : slot + len(digest)] = digest
        self._words[slot // 8 + _END] = end


def _home(secret: bytes, buckets: int, key: bytes, length: int, end: int) -> tuple[bytes, int]:
    """The digest of a key in a window, and the bucket that it belongs into."""
    # With its window in the digest a key never meets another window's count, whatever the clock does.
    digest = blake2b(b"%d %d %b" % (end, length, key), digest_size=16, key=secret).digest()
    return digest, (int.from_bytes(digest[:8]) % buckets + 1) * _BUCKET


_open: WeakValueDictionary[Path, SharedCounters] = WeakValueDictionary()


def open_counters(path: Path) -> SharedCounters:
    """The table of that file, opened once in each process however many plugins ask for it."""
    if (counters := _open.get(path)) is None:
        _open[path] = counters = SharedCounters(path)
    return counters


def _create(path: Path, slots: int) -> None:
    """Makes the file whole before it gets its name: of several workers the first wins and none sees half."""
    if slots < _WAYS or slots % _WAYS:
        raise ValueError(f"the number of slots must be a multiple of {_WAYS}, not {slots}")
    fd, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        # Reserved at once: a full disk is an error here, and not a SIGBUS at some later count.
        os.posix_fallocate(fd, 0, _BUCKET + slots * _SLOT.size)
        os.pwrite(fd, _HEAD.pack(_MAGIC, os.urandom(32)), 0)
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.close(fd)
        os.unlink(draft)  # noqa: PTH108 - mkstemp gives a string
