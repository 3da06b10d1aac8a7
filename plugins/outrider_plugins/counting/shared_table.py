"""A table of fixed size in memory that all worker processes of this machine share, with a lock nobody can keep."""

import asyncio
import fcntl
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple
from weakref import finalize

from outrider_plugins.counting.storage import StorageError, StorageFullError, StorageTimeoutError

_ResultT = TypeVar("_ResultT")
_ArgsT = TypeVarTuple("_ArgsT")

WAYS: Final = 64
"""Slots of a bucket; a key may stand in any slot of its bucket."""
WORD: Final = 8
_DIGEST = 16
_ENDS = _DIGEST // WORD
VALUES: Final = _ENDS + 1
"""Where a slot's own words begin, after the digest of its key and the moment that it ends at."""
_HEAD = struct.Struct("=16s32s")  # what the file is, the key of the digests
_MICRO = 1_000_000
_TRIES = 20  # for the lock, about 20 microseconds
_AT_ONCE = fcntl.LOCK_EX | fcntl.LOCK_NB
_REMEMBERED = 4096  # keys whose digests are at hand


class SharedTable:
    """Slots of so many words of 8 bytes, each found by a key, in a file that several processes map.

    A key has a place from its first use until the moment in `set_end`. There are `slots` places (the file that is
    there decides), in buckets of 64: a new key whose bucket has no free place raises `StorageFullError`. With keys
    spread evenly that begins when the table is about 60 % full, and nobody can aim at a bucket: keys are stored as
    digests under a random secret of the file. The lock is flock(2): the kernel releases it when its holder dies, and
    whoever waits for one that is frozen gives up. `magic` (16 bytes) says what the file holds: another file is a
    `StorageError`. `clock` gives seconds since the Unix epoch. An object belongs to one thread.
    """

    def __init__(
        self, path: Path, magic: bytes, width: int, *, slots: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._size = (VALUES + width) * WORD
        self._clock = clock
        if not path.exists():
            _create(path, magic, slots, self._size)
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        finalize(self, os.close, self._fd)
        bucket = self._bucket = WAYS * self._size
        other = StorageError(f"{path} is no table of the kind {magic.decode()!r}: remove it")
        if os.fstat(self._fd).st_size < 2 * bucket:
            raise other
        self._memory = mmap.mmap(self._fd, 0)
        found, secret = _HEAD.unpack_from(self._memory)
        if found != magic:
            raise other
        self.words = memoryview(self._memory).cast("Q")
        buckets = len(self._memory) // bucket - 1  # the head has the room of one

        keyed = blake2b(digest_size=_DIGEST, key=secret)

        def home(key: bytes) -> _Home:
            # A copy has taken in the secret already, which costs as much as the key.
            hashed = keyed.copy()
            hashed.update(key)
            digest = hashed.digest()
            return _Home(digest, (int.from_bytes(digest[:8]) % buckets + 1) * bucket)

        self._home = lru_cache(_REMEMBERED)(home)

    def locked(self, work: Callable[[int, *_ArgsT], _ResultT], *args: *_ArgsT) -> _ResultT | None:
        """What `work` returns, called with the moment in microseconds and the arguments.

        None if another process has the table.
        """
        if not self._lock():
            return None
        try:
            # The clock is read under the lock: nobody counts into a window that is over for another.
            return work(int(self._clock() * _MICRO), *args)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    async def patiently(self, work: Callable[[int, *_ArgsT], _ResultT], patience: float, *args: *_ArgsT) -> _ResultT:
        """Like `locked`, but waits for the table: after `patience` seconds it raises `StorageTimeoutError`."""
        # Longer and longer pauses: a thousand requests that wait should not eat the CPU.
        pause, waited = 0.0005, 0.0
        while (done := self.locked(work, *args)) is None:
            if waited >= patience:
                raise StorageTimeoutError("another process holds the table")
            await asyncio.sleep(pause)
            waited += pause
            pause = min(2 * pause, 0.02)
        return done

    def place(self, key: bytes, moment: int) -> int:
        """The first of a key's own words; a key that has no place yet gets one, with zeros.

        Nobody else gets it at this moment, but at the next one without `set_end`, if the key's end is over. Raises
        `StorageFullError`.
        """
        place = self.find(key)
        if place is None:
            home = self._home(key)
            home.slot = self._free(home.bucket, moment)
            self._claim(home.slot, home.digest, moment + 1)
            return home.slot // WORD + VALUES
        if self.words[place - 1] <= moment:
            # A new key of the same request would take it for free.
            self.words[place - 1] = moment + 1
        return place

    def find(self, key: bytes) -> int | None:
        """The first of a key's own words, if it has a place."""
        home = self._home(key)
        slot = home.slot
        if self._memory[slot : slot + _DIGEST] != home.digest:
            slot = self._memory.find(home.digest, home.bucket, home.bucket + self._bucket)
            if slot < 0:
                return None
            home.slot = slot
        return slot // WORD + VALUES

    def set_end(self, place: int, moment: int) -> None:
        """Until when, in microseconds, the key that has this place keeps it."""
        self.words[place - 1] = moment

    def _lock(self) -> bool:
        # Who has the lock is done in microseconds unless it was stopped: worth a moment, not worth a wait.
        for _ in range(_TRIES):
            try:
                fcntl.flock(self._fd, _AT_ONCE)
            except BlockingIOError:
                continue
            return True
        return False

    def _free(self, bucket: int, moment: int) -> int:
        first = bucket // WORD
        ends = self.words[first + _ENDS : first + self._bucket // WORD : self._size // WORD].tolist()
        oldest = min(ends)
        if oldest > moment:
            raise StorageFullError("no place is left for a new key: all counters of its bucket are in use")
        return bucket + ends.index(oldest) * self._size

    def _claim(self, slot: int, digest: bytes, end: int) -> None:
        # Free first, and named last: whenever this process is killed, no key finds another's words.
        words, first = self.words, slot // WORD
        words[first + _ENDS] = 0
        self._memory[slot : slot + _DIGEST] = bytes(_DIGEST)
        for word in range(first + VALUES, first + self._size // WORD):
            words[word] = 0
        self._memory[slot : slot + _DIGEST] = digest
        words[first + _ENDS] = end


class _Home:
    """The digest of a key, the bucket that it belongs into, and where it stood the last time."""

    __slots__ = ("bucket", "digest", "slot")

    def __init__(self, digest: bytes, bucket: int) -> None:
        self.digest = digest
        self.bucket = self.slot = bucket


def _create(path: Path, magic: bytes, slots: int, size: int) -> None:
    """Makes the file whole before it gets its name: of several workers the first wins and none sees half."""
    if slots < WAYS or slots % WAYS:
        raise ValueError(f"the number of slots must be a multiple of {WAYS}, not {slots}")
    fd, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        # Reserved at once: a full disk is an error here, and not a SIGBUS at some later count.
        os.posix_fallocate(fd, 0, (WAYS + slots) * size)
        os.pwrite(fd, _HEAD.pack(magic, os.urandom(32)), 0)
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.close(fd)
        os.unlink(draft)  # noqa: PTH108 - mkstemp gives a string
